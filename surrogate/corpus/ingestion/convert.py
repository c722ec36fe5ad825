"""One raw run becomes its part of the store: read, check, regrid, resample, pack, write.

A function of the plan and a number, made to run in Dask workers; what it finds out comes back as a record, which is
also kept in a journal so that nothing is done twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from surrogate.corpus.checks.run import RunCheck, describe_run, files_below, read_blocks
from surrogate.corpus.ingestion.plan import Plan, read_plan, staging_folder
from surrogate.corpus.readers import open_run, split_member
from surrogate.corpus.records import WARNING, RunRecord
from surrogate.corpus.regrid import Regridder, resample
from surrogate.corpus.storage import PACKING, StorageError, decode, encode, open_array, write_snapshots
from surrogate.fields import geometry_of
from surrogate.files import checksum, read_json
from surrogate.quantities import SERIES


@lru_cache(maxsize=1)
def _open_plan(store: Path, key: str) -> tuple[Plan, zarr.Array[Any]]:
    return read_plan(store, key), open_array(staging_folder(store) / "array", "r+")


def _journal_path(store: Path, candidate: int) -> Path:
    return staging_folder(store) / "journal" / f"{candidate // 1000:04d}" / f"{candidate:07d}.json"


def read_record(store: Path, candidate: int) -> RunRecord | None:
    """Return the record of a candidate that was converted before, None if it was not."""
    place = _journal_path(store, candidate)
    return RunRecord.from_json(read_json(place)) if place.exists() else None


def convert_run(store: Path, key: str, candidate: int) -> RunRecord:
    """Read, check and write one run; its record goes to the journal when its data are whole.

    Parameters
    ----------
    store : Path
        The store that is being made.
    key : str
        Of its plan.
    candidate : int
        Place of the run in the plan.

    Returns
    -------
    RunRecord
        With findings; of an accepted run also with times, series, moments and digest as they are in the store.

    Raises
    ------
    StorageError
        If nothing can be written.
    """
    done = read_record(store, candidate)
    if done is not None:
        return done
    plan, array = _open_plan(store, key)
    shutil.rmtree(staging_folder(store) / "array" / "c" / str(candidate), ignore_errors=True)  # left by a kill
    record = replace(plan.runs[candidate], simulation=plan.numbers[candidate])
    check = RunCheck(record.simulation, record.file, plan.settings)
    try:
        source = split_member(record.file)[0]
        record = replace(record, checksum=_source_checksum(source, record.modified))
        with open_run(record.file, record.reader, plan.options) as run:
            record = _convert(record, run, check, plan, array, candidate)
    except StorageError:
        raise
    except Exception as error:  # a broken file must not stop the others
        check.report("unreadable", f"{type(error).__name__}: {error}")
    record = replace(record, findings=tuple(check.findings))
    # Whole or not at all, and one of thousands: in as few steps as that takes.
    place = _journal_path(store, candidate)
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_suffix(".part")
    temporary.write_text(json.dumps(record.to_json(), allow_nan=False), encoding="utf-8")
    os.replace(temporary, place)
    return record


@lru_cache(maxsize=4)
def _source_checksum(path: Path, modified: int) -> str:
    """SHA-256 of a file; of a folder, that of the list of its files and their checksums. Many runs may share one."""
    if path.is_file():
        return checksum(path)
    listing = "".join(f"{entry.relative_to(path)} {checksum(entry)}\n" for entry in files_below(path))
    return hashlib.sha256(listing.encode()).hexdigest()


def _convert(
    record: RunRecord, run: xr.Dataset, check: RunCheck, plan: Plan, array: zarr.Array[Any], candidate: int
) -> RunRecord:
    """Check and write an open run; return its record."""
    settings = plan.settings
    found = describe_run(record, run)
    parameters, problem = plan.parameters.select(found)
    if problem:
        check.report("parameters", problem)
        return record
    if found.units != plan.units.name:
        check.report("units", f"is {found.units}, the store {plan.units.name}")
    grid = geometry_of(run)
    if grid != plan.geometry:
        if not grid.domain.matches(plan.geometry.domain):
            check.report("grid", f"covers {grid.domain}, the store {plan.geometry.domain}")
        elif settings.radial_cells is None and settings.angular_cells is None:
            check.report(
                "grid",
                f"has shape {grid.shape}, the store {plan.geometry.shape}; corpus.radial_cells, angular_cells regrid",
            )
    check.metadata(run)
    for line in plan.parameters.space.outside(parameters):
        check.report("parameter", line, WARNING)
    times = found.times if plan.times is None else _covered(plan.times, found.times)
    if len(times) < 2:
        start, end = found.times[[0, -1]]
        check.report("time base", f"spans {start:g} .. {end:g}: misses the common times of the store")
    if check.severe:
        return record
    regridder = None if grid == plan.geometry else Regridder(grid, plan.geometry)
    shard = np.empty((plan.per_shard, *plan.geometry.shape), array.dtype)
    done = 0
    for block in read_blocks(run, times):
        try:
            stored = encode(block if regridder is None else regridder(block), settings.encoding)
        except ValueError as error:
            check.report("out of range", str(error))
            return record
        if not check.feed(decode(stored, *PACKING[settings.encoding])):
            continue  # to be left out; how many snapshots are not finite is told
        for snapshot in stored:
            shard[done % plan.per_shard] = snapshot
            done += 1
            if done % plan.per_shard == 0:
                write_snapshots(array, candidate, done - plan.per_shard, shard)
    rest = done % plan.per_shard
    if rest:
        write_snapshots(array, candidate, done - rest, shard[:rest])
    check.finish()
    if check.severe:
        return record
    series = {name: resample(found.times, np.asarray(run[name].values, float), times) for name in SERIES if name in run}
    return replace(
        record, parameters=parameters, times=times, series=series, moments=check.moments(), digest=check.digest
    )


def _covered(wanted: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Leading common times that a run covers; none if it starts too late."""
    margin = 1e-9 * (times[-1] - times[0])
    if wanted[0] < times[0] - margin:
        return wanted[:0]
    covered: np.ndarray = wanted[wanted <= times[-1] + margin]
    return covered
