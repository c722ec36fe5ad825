"""From converted runs to the store, in steps each of which can be repeated after a kill.

The small files (metadata, coordinates, provenance) are first written to a folder of their own, with the list of moves
of the shards. The rename of that folder to ``commit`` decides; whatever interrupts the moves after it, doing them
again ends in the same store. A store under its final name is never half made: a new one is renamed as a whole, an
old one grows by shards beyond its shape, which nobody sees until its metadata are replaced.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import xarray as xr
import zarr

from surrogate.corpus.ingestion.plan import ExistingStore, Plan, discard_staging, staging_folder
from surrogate.corpus.records import RunRecord
from surrogate.corpus.split import training_statistics
from surrogate.corpus.storage import temperature_encoding
from surrogate.corpus.store import FORMAT, Provenance
from surrogate.fields import make_corpus
from surrogate.files import read_json, write_json
from surrogate.quantities import SERIES


def finish_commit(store: Path) -> bool:
    """Complete a commit that was decided; return whether there was one."""
    staging = staging_folder(store)
    shutil.rmtree(store.parent / f".{store.name}.finished", ignore_errors=True)
    commit, committed, fresh = staging / "commit", staging / "committed", staging / "store"
    if commit.is_dir():
        moves = read_json(commit / "moves.json")
        if moves["append"] and not store.exists():  # someone removed the store that was to grow
            discard_staging(store)
            return False
        _move(commit, staging, store if moves["append"] else fresh, moves["rows"])
        os.replace(commit, committed)
    if not committed.is_dir():
        return False
    if fresh.is_dir():
        if store.exists():
            os.replace(store, staging / "replaced")
        os.replace(fresh, store)
    discard_staging(store)
    return True


def _move(commit: Path, staging: Path, target: Path, rows: Sequence[Sequence[int]]) -> None:
    for candidate, row in rows:
        source = staging / "array" / "c" / str(candidate)
        destination = target / "temperature" / "c" / str(row)
        if source.exists():
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(destination, ignore_errors=True)
            os.replace(source, destination)
    tree = commit / "tree"
    files = [entry for entry in tree.rglob("*") if entry.is_file()]
    # The root last: an append shows itself only when everything behind it is in place.
    for source in sorted(files, key=lambda entry: entry == tree / "zarr.json"):
        destination = target / source.relative_to(tree)
        destination.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, destination)


def write_commit(
    store: Path,
    plan: Plan,
    records: Sequence[RunRecord],
    split: np.ndarray,
    provenance: Provenance,
    old: ExistingStore | None,
) -> None:
    """Decide what the store will be.

    Parameters
    ----------
    store : Path
    plan : Plan
    records : sequence of RunRecord
        Of the accepted runs, in the order of their rows.
    split : array of int, shape (simulation,)
        Of all runs, those of the old store first.
    provenance : Provenance
        Likewise.
    old : ExistingStore, optional
        The store that grows.
    """
    staging = staging_folder(store)
    building = staging / "building"
    shutil.rmtree(building, ignore_errors=True)
    tree = building / "tree"
    corpus, moments = _small_datasets(plan, records, split, old)
    encoding: dict[Any, Any] = {
        "temperature": temperature_encoding(plan.settings.encoding, *plan.geometry.shape, plan.per_shard)
    }
    for name in corpus.variables:
        if name != "temperature":
            # One chunk each: they are small, and are replaced as a whole when runs are appended.
            encoding[name] = {"chunks": tuple(corpus[name].shape)} if corpus[name].ndim else {}
    corpus.to_zarr(tree, zarr_format=3, consolidated=False, compute=False, encoding=encoding)
    moments.attrs = provenance.attributes()
    moments.to_zarr(tree, group="provenance", mode="a", zarr_format=3, consolidated=False)
    with warnings.catch_warnings():
        # Zarr warns that other implementations may ignore it; they lose nothing, and xarray opens faster.
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        zarr.consolidate_metadata(str(tree))
    candidates = {run.file: candidate for candidate, run in enumerate(plan.runs)}
    first = 0 if old is None else old.corpus.sizes["simulation"]
    rows = [[candidates[record.file], first + number] for number, record in enumerate(records)]
    write_json(building / "moves.json", {"append": old is not None, "rows": rows})
    os.replace(building, staging / "commit")


def _small_datasets(
    plan: Plan, records: Sequence[RunRecord], split: np.ndarray, old: ExistingStore | None
) -> tuple[xr.Dataset, xr.Dataset]:
    """Build the corpus with an empty temperature, and the moments of its runs."""
    runs = [*(old.records if old else []), *records]
    parameters = np.array([run.parameters for run in runs])
    times = [run.times for run in runs]
    moments = [run.moments for run in runs if run.moments is not None]  # all of them: the accepted have theirs
    series = {
        name: _padded([run.series.get(name, np.empty(0)) for run in runs], max(map(len, times)))
        for name in SERIES
        if any(name in run.series for run in runs)
    }
    shape = (len(runs), max(map(len, times)), *plan.geometry.shape)
    statistics = training_statistics(split, parameters, moments, times, plan.parameters.space)
    corpus = make_corpus(
        dask.array.full(shape, np.nan, dtype=np.float32, chunks=(1, *shape[1:])),  # type: ignore[no-untyped-call]
        _padded(times, shape[1]),
        plan.geometry,
        parameters,
        np.array([run.simulation for run in runs], dtype=np.int64),
        series,
        split,
        {
            "title": "Corpus of 2D mantle-convection runs",
            "corpus_format": FORMAT,
            "statistics": json.dumps(statistics),
            "constant_parameters": json.dumps(plan.parameters.constants),
        },
        plan.parameters.space,
        plan.units,
    )
    variables: dict[str, Any] = {
        name: ("simulation", [getattr(run, name) for run in moments]) for name in ("minimum", "maximum", "snapshots")
    }
    for name in ("profile_mean", "profile_variance"):
        variables[name] = (
            ("simulation", plan.geometry.dimensions[0]),
            np.array([getattr(run, name) for run in moments]),
        )
    return corpus, xr.Dataset(variables)


def _padded(rows: Sequence[np.ndarray], length: int) -> np.ndarray:
    result = np.full((len(rows), length), np.nan)
    for number, row in enumerate(rows):
        result[number, : len(row)] = row
    return result
