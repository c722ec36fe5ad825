"""One raw run on its way into the store: survey it, then read, check, regrid, resample and write its shard.

Both steps are functions of files and settings, made to run in Dask workers; what they find out comes back as small
JSON-able records.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.annulus import Annulus
from surrogate.config import CorpusSettings
from surrogate.corpus.findings import RunCheck
from surrogate.corpus.layout import pack_snapshot
from surrogate.corpus.readers import open_run
from surrogate.corpus.regrid import Regridder, describe_sector, resample, same_domain, sector
from surrogate.corpus.shards import ShardWriter, StorageError
from surrogate.corpus.survey import Source, run_number, source_checksum
from surrogate.fields import SERIES, annulus_of, parameters_of
from surrogate.files import read_json

BLOCK_BYTES = 2**23
"""What is read at a time: small enough for the cache, large enough for the chunks of most files."""


@dataclass(frozen=True)
class Target:
    """What every run becomes.

    Attributes
    ----------
    settings : CorpusSettings
    radius_faces, angle_faces : tuple of float
        Of the grid of the store.
    times : tuple of float or None
        Common times, Gyr; None keeps those of each run.
    per_shard : int
        Snapshots of a shard.
    array : str
        Folder of the staged shards: ``c/<candidate>/...`` as in a Zarr array (candidate, time, radius, angle).
    journal : str
        Folder of the records.
    """

    settings: CorpusSettings
    radius_faces: tuple[float, ...]
    angle_faces: tuple[float, ...]
    times: tuple[float, ...] | None
    per_shard: int
    array: str
    journal: str

    def annulus(self) -> Annulus:
        """Grid of the store."""
        return Annulus(np.array(self.radius_faces), np.array(self.angle_faces))


def journal_path(journal: str | os.PathLike[str], candidate: int) -> Path:
    """File of the record of a candidate."""
    return Path(journal) / f"{candidate // 1000:04d}" / f"{candidate:07d}.json"


def stage_run(candidate: int, simulation: int, source: Source, target: Target) -> dict[str, Any]:
    """Read, check and write one run; its record goes to the journal when its shard is whole.

    Parameters
    ----------
    candidate : int
        Place in the staging array.
    simulation : int
        Number of the run.
    source : Source
    target : Target

    Returns
    -------
    dict
        The record: ``candidate``, ``simulation``, ``file``, ``checksum``, ``findings``, and for an accepted run
        ``parameters``, ``times``, ``series``, ``statistics``, ``digest``.
    """
    place = journal_path(target.journal, candidate)
    if place.exists():
        return read_json(place)
    shutil.rmtree(Path(target.array) / "c" / str(candidate), ignore_errors=True)  # left by a kill
    check = RunCheck(simulation, source.file, target.settings)
    record: dict[str, Any] = {"candidate": candidate, "simulation": simulation, "file": source.file}
    try:
        record["checksum"] = source_checksum(source.file)
        with open_run(source.file, source.reader, source.options) as run:
            record |= _stage_open_run(candidate, run, check, target)
    except StorageError:
        raise
    except Exception as error:  # a broken file must not stop the others
        check.report("unreadable", f"{type(error).__name__}: {error}")
    record["findings"] = [finding.as_dict() for finding in check.findings]
    record["accepted"] = not check.severe
    _write_record(place, record)
    return record


def _write_record(place: Path, record: dict[str, Any]) -> None:
    """Write a record whole or not at all; one thousands of which are written, in as few steps as that takes."""
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_suffix(".part")
    temporary.write_text(json.dumps(record, allow_nan=False), encoding="utf-8")
    os.replace(temporary, place)


def _stage_open_run(candidate: int, run: xr.Dataset, check: RunCheck, target: Target) -> dict[str, Any]:
    parameters = parameters_of(run)
    times = np.asarray(run.time.values, dtype=float)
    grid, wanted = annulus_of(run), target.annulus()
    if grid != wanted:
        if not same_domain(grid, wanted):
            check.report("grid", f"covers {describe_sector(sector(grid))}, the store {describe_sector(sector(wanted))}")
        elif target.settings.radial_cells is None and target.settings.angular_cells is None:
            check.report(
                "grid",
                f"has shape {grid.shape}, the store {wanted.shape}; corpus.radial_cells and angular_cells regrid",
            )
    check.describe(run.attrs, times, parameters.outside())
    new_times = times if target.times is None else _covered(np.array(target.times), times)
    if len(new_times) < 2:
        check.report("time base", f"spans {times[0]:g} .. {times[-1]:g} Gyr: misses the common times of the store")
    if check.severe:
        return {}
    regridder = None if grid == wanted else Regridder(grid, wanted)
    writer = ShardWriter(Path(target.array) / "c" / str(candidate), target.per_shard)
    packed = target.settings.encoding == "int16"
    for block in _blocks(run, times, new_times):
        if regridder is not None:
            block = regridder(block)
        # One snapshot at a time: it stays in the cache for all that is asked of it.
        for snapshot in np.ascontiguousarray(block, dtype=np.float32):
            stored = snapshot
            if packed:
                try:
                    stored, snapshot = pack_snapshot(snapshot)
                except ValueError as error:
                    check.report("out of range", str(error))
                    return {}
            check.take(snapshot)
            if check.finite:
                writer.write(stored)
    writer.flush()
    check.finish()
    if check.severe:
        return {}
    series = {
        name: resample(times, np.asarray(run[name].values, float), new_times).tolist() for name in SERIES if name in run
    }
    return {
        "parameters": parameters.as_array().tolist(),
        "times": new_times.tolist(),
        "series": {name: _json_numbers(values) for name, values in series.items()},
        "statistics": check.statistics(),
        "digest": check.digest,
    }


def examine_run(source: Source, settings: CorpusSettings) -> dict[str, Any]:
    """Read and check one raw run without storing it.

    Returns
    -------
    dict
        ``file``, ``simulation``, ``findings``; for a run that could be read also ``reader``, ``shape``, ``sector``,
        ``parameters``, ``times``, ``digest``, ``minimum``, ``maximum``.
    """
    check = RunCheck(run_number(xr.Dataset(), source.file), source.file, settings)
    record: dict[str, Any] = {"file": source.file}
    try:
        with open_run(source.file, source.reader, source.options) as run:
            check.simulation = run_number(run, source.file)
            parameters = parameters_of(run)
            times = np.asarray(run.time.values, dtype=float)
            check.describe(run.attrs, times, parameters.outside())
            grid = annulus_of(run)
            for block in _blocks(run, times, times):
                check.feed(np.asarray(block, dtype=np.float32))
            check.finish()
            record |= {
                "reader": run.encoding.get("reader", source.reader),
                "shape": list(grid.shape),
                "sector": sector(grid).tolist(),
                "parameters": parameters.as_array().tolist(),
                "times": times.tolist(),
                "digest": check.digest,
                **check.extremes(),
            }
    except Exception as error:  # a broken file must not stop the others
        check.report("unreadable", f"{type(error).__name__}: {error}")
    record["simulation"] = check.simulation
    record["findings"] = [finding.as_dict() for finding in check.findings]
    return record


def _json_numbers(values: list[float]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values]


def _covered(wanted: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Leading common times that a run covers; none if it starts too late."""
    margin = 1e-9 * (times[-1] - times[0])
    if wanted[0] < times[0] - margin:
        return wanted[:0]
    return wanted[wanted <= times[-1] + margin]


def _blocks(run: xr.Dataset, times: np.ndarray, new_times: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the temperature at `new_times`, a few MB at a time."""
    keep = new_times is times or np.array_equal(new_times, times)
    length = max(1, BLOCK_BYTES // (4 * run.sizes["radius"] * run.sizes["angle"]))
    together = (run.temperature.encoding.get("chunksizes") or (1,))[0]  # snapshots of the file that share chunks
    length = max(length // together, 1) * together
    for start in range(0, len(new_times), length):
        part = new_times[start : start + length]
        if keep:
            yield run.temperature.isel(time=slice(start, start + len(part))).values
            continue
        low = max(int(np.searchsorted(times, part[0], side="right")) - 1, 0)
        high = min(int(np.searchsorted(times, part[-1], side="left")) + 1, len(times))
        low, high = min(low, high - 2), max(high, low + 2)
        values = run.temperature.isel(time=slice(low, high)).values
        yield resample(times[low:high], values, part)
