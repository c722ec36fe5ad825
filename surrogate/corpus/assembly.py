"""From staged runs to the store, in steps each of which can be repeated after a kill.

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

from surrogate.annulus import Annulus
from surrogate.config import CorpusSettings
from surrogate.corpus.layout import temperature_encoding
from surrogate.corpus.split import assign_split, training_statistics
from surrogate.corpus.store import FORMAT
from surrogate.fields import SERIES, make_corpus
from surrogate.files import read_json, write_json
from surrogate.parameters import PARAMETER_NAMES


def staging_folder(store: Path) -> Path:
    """Folder beside a store that holds what is not finished."""
    return store.parent / f".{store.name}.staging"


def finish_commit(store: Path) -> bool:
    """Complete a commit that was decided; return whether there was one."""
    staging = staging_folder(store)
    shutil.rmtree(_finished(store), ignore_errors=True)
    commit, committed, fresh = staging / "commit", staging / "committed", staging / "store"
    if commit.is_dir():
        plan = read_json(commit / "plan.json")
        if plan["append"] and not store.exists():  # someone removed the store that was to grow
            discard(store)
            return False
        _move(commit, staging, store if plan["append"] else fresh, plan["moves"])
        os.replace(commit, committed)
    if not committed.is_dir():
        return False
    if fresh.is_dir():
        if store.exists():
            os.replace(store, staging / "replaced")
        os.replace(fresh, store)
    discard(store)
    return True


def discard(store: Path) -> None:
    """Remove what is staged; the rename comes first, so that a half removed folder is never taken for work."""
    staging = staging_folder(store)
    shutil.rmtree(_finished(store), ignore_errors=True)
    if staging.exists():
        os.replace(staging, _finished(store))
        shutil.rmtree(_finished(store))


def _finished(store: Path) -> Path:
    return store.parent / f".{store.name}.finished"


def _move(commit: Path, staging: Path, target: Path, moves: Sequence[Sequence[int]]) -> None:
    for candidate, row in moves:
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
    records: Sequence[dict[str, Any]],
    annulus: Annulus,
    settings: CorpusSettings,
    per_shard: int,
    notes: dict[str, Any],
    old: tuple[xr.Dataset, xr.Dataset] | None,
) -> dict[str, Any]:
    """Decide what the store will be.

    Parameters
    ----------
    store : Path
    records : sequence of dict
        Of the accepted runs, in the order of their rows.
    annulus : Annulus
    settings : CorpusSettings
    per_shard : int
        Snapshots of a shard.
    notes : dict
        ``settings``, ``software``, ``runs``, ``findings``, ``rejected``: kept as provenance.
    old : (corpus, provenance), optional
        The store that grows.

    Returns
    -------
    dict
        Statistics of the training runs.
    """
    corpus, moments = _small_datasets(records, annulus, settings, old)
    statistics = json.loads(corpus.attrs["statistics"])
    rows, columns = annulus.shape
    staging = staging_folder(store)
    building = staging / "commit.part"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    encoding = {"temperature": temperature_encoding(settings.encoding, rows, columns, per_shard)}
    for name in set(corpus.variables) - {"temperature"}:
        # One chunk each: they are small, and are replaced as a whole when runs are appended.
        encoding[str(name)] = {"chunks": tuple(corpus[name].shape)} if corpus[name].ndim else {}
    tree = building / "tree"
    corpus.to_zarr(tree, zarr_format=3, consolidated=False, compute=False, encoding=encoding)
    moments.attrs = {name: json.dumps(value) for name, value in notes.items()}
    moments.to_zarr(tree, group="provenance", mode="a", zarr_format=3, consolidated=False)
    _consolidate(tree)
    first = 0 if old is None else old[0].sizes["simulation"]
    moves = [[record["candidate"], first + number] for number, record in enumerate(records)]
    write_json(building / "plan.json", {"append": old is not None, "moves": moves})
    os.replace(building, staging / "commit")
    return statistics


def _consolidate(tree: Path) -> None:
    import zarr

    with warnings.catch_warnings():
        # Zarr warns that other implementations may ignore it; they lose nothing, and xarray opens faster.
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        zarr.consolidate_metadata(str(tree))


def _small_datasets(
    records: Sequence[dict[str, Any]],
    annulus: Annulus,
    settings: CorpusSettings,
    old: tuple[xr.Dataset, xr.Dataset] | None,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Build the corpus with an empty temperature, and the moments of its runs."""
    simulation = np.array([record["simulation"] for record in records], dtype=np.int64)
    parameters = np.array([record["parameters"] for record in records], dtype=float).reshape(len(records), 5)
    times = [np.array(record["times"]) for record in records]
    moments = [record["statistics"] for record in records]
    fixed = None
    present = [name for name in SERIES if any(name in record["series"] for record in records)]
    series = {name: [np.array(record["series"].get(name, []), dtype=float) for record in records] for name in present}
    if old is not None:
        corpus, provenance = old
        fixed = corpus.split.values
        counts = corpus.snapshot_count.values
        simulation = np.r_[corpus.simulation.values, simulation]
        old_parameters = np.stack([corpus[entry].values for entry in PARAMETER_NAMES], axis=1)
        parameters = np.concatenate([old_parameters, parameters])
        for name in SERIES:
            if name in corpus or name in series:
                before = corpus[name].values if name in corpus else np.full((len(counts), 0), np.nan)
                series[name] = [
                    *(row[:count] for row, count in zip(before, counts, strict=True)),
                    *series.get(name, []),
                ]
                series[name] += [np.empty(0)] * (len(simulation) - len(series[name]))
        snapshot_time = corpus.snapshot_time.values
        times = [row[:count] for row, count in zip(snapshot_time, counts, strict=True)] + times
        moments = [
            {name: provenance[name].values[row].tolist() for name in provenance.data_vars} for row in range(len(counts))
        ] + moments
    split = assign_split(simulation, settings, fixed)
    length = max(len(row) for row in times)
    shape = (len(simulation), length, *annulus.shape)
    temperature = dask.array.full(shape, np.nan, dtype=np.float32, chunks=(1, *shape[1:]))
    corpus = make_corpus(
        temperature,
        _padded(times, length),
        annulus,
        parameters,
        simulation,
        {name: _padded(rows, length) for name, rows in series.items()},
        split,
        {
            "title": "Corpus of 2D mantle-convection runs",
            "corpus_format": FORMAT,
            "statistics": json.dumps(training_statistics(split, parameters, moments, times)),
        },
    )
    kept = ("minimum", "maximum", "snapshots")
    variables: dict[str, Any] = {name: ("simulation", [entry[name] for entry in moments]) for name in kept}
    for name in ("profile_mean", "profile_variance"):
        variables[name] = (("simulation", "radius"), np.array([entry[name] for entry in moments]))
    return corpus, xr.Dataset(variables)


def _padded(rows: Sequence[np.ndarray], length: int) -> np.ndarray:
    result = np.full((len(rows), length), np.nan)
    for number, row in enumerate(rows):
        result[number, : len(row)] = row
    return result
