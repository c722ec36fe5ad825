"""Opening a corpus, and what stands inside its store besides fields: statistics of the training runs, provenance."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.core import indexing

from surrogate.corpus.kernels import extremes
from surrogate.corpus.shards import LazyShards, ShardReader, plain_reader
from surrogate.fields import FieldError, validate

FORMAT = 1
"""Version of the layout of the store; a reader refuses a newer one."""


class CorpusError(ValueError):
    """A store that is not a whole corpus; the message names it and says what to do."""


def open_corpus(path: str | os.PathLike[str]) -> xr.Dataset:
    """Open a corpus lazily.

    Parameters
    ----------
    path : path
        The Zarr store that :func:`surrogate.corpus.ingest.ingest` wrote.

    Returns
    -------
    xarray.Dataset
        A corpus dataset (:mod:`surrogate.fields`); ``temperature`` is a Dask array of float32 with one chunk per run
        (a single snapshot is still read alone), everything else is in memory.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    CorpusError
        If it is no Zarr store, not a corpus, of a newer layout, or if runs are missing from it.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such corpus; expected the Zarr store that `surrogate corpus ingest` makes")
    if not (path / "zarr.json").is_file():
        raise CorpusError(f"{path}: not a Zarr 3 store (zarr.json is missing); ingest again")
    try:
        corpus = xr.open_zarr(path, consolidated=False, decode_times=False, chunks=None)
    except Exception as error:  # zarr, xarray and the codecs each raise their own kind
        raise CorpusError(f"{path}: cannot be read as a corpus, or is incomplete: {error}; ingest again") from error
    form = corpus.attrs.get("corpus_format")
    if form is None or int(form) > FORMAT:
        raise CorpusError(f"{path}: attribute 'corpus_format' is {form!r}, expected at most {FORMAT}")
    if "split" not in corpus.coords:
        raise CorpusError(f"{path}: coordinate 'split' is missing; ingest again")
    try:
        names = [name for name in corpus.variables if name != "temperature"]
        corpus = corpus.assign({name: corpus[name].load() for name in names})
    except Exception as error:
        raise CorpusError(f"{path}: corrupt: {error}; ingest again") from error
    reader = plain_reader(path, _runs(corpus))
    missing = reader.missing() if reader is not None else _missing_runs(path, corpus.sizes["simulation"])
    if missing:
        raise CorpusError(
            f"{path}: {len(missing)} of {corpus.sizes['simulation']} runs are missing from the store, or parts of them "
            f"(first: run {corpus.simulation.values[missing[0]]} (row {missing[0]}), variable 'temperature'); "
            "running the ingest again completes it"
        )
    return _checked(_lazy_temperature(corpus, reader), path)


def _runs(corpus: xr.Dataset) -> list[tuple[int, int]]:
    """Return number and count of snapshots of each run."""
    return list(zip(corpus.simulation.values.tolist(), corpus.snapshot_count.values.tolist(), strict=True))


def _lazy_temperature(corpus: xr.Dataset, reader: ShardReader | None) -> xr.Dataset:
    """Make the temperature a Dask array of float32, one chunk per run and shard."""
    stored = corpus.temperature
    kept = {name: stored.encoding.get(name) for name in ("chunks", "shards")}
    chunks = {"simulation": 1, "time": (kept["shards"] or stored.shape)[1], "radius": -1, "angle": -1}
    if reader is not None:
        values = indexing.LazilyIndexedArray(LazyShards(reader))
        stored = xr.DataArray(xr.Variable(stored.dims, values, stored.attrs), stored.coords)
    corpus["temperature"] = stored.chunk(chunks)
    if corpus.temperature.dtype != np.float32:  # xarray unpacks int16 to float64
        corpus["temperature"] = corpus.temperature.astype(np.float32).assign_attrs(stored.attrs)
    corpus["temperature"].encoding = kept
    return corpus


def _checked(corpus: xr.Dataset, path: Path) -> xr.Dataset:
    corpus.encoding["source"] = str(path)
    try:
        return validate(corpus, str(path), values=False)
    except FieldError as error:
        raise CorpusError(str(error)) from error


def _missing_runs(path: Path, runs: int) -> list[int]:
    """Rows of any store that have nothing at all."""
    shards = path / "temperature" / "c"
    try:
        present = {entry.name for entry in os.scandir(shards) if any(os.scandir(entry.path))}
    except OSError:
        present = set()
    return [row for row in range(runs) if str(row) not in present]


def run_reader(corpus: xr.Dataset) -> Callable[[int], np.ndarray]:
    """Return a function that reads the temperature of one run of a corpus after the other; threads may share it.

    Where the temperature is nothing but runs out of a store, as :func:`open_corpus` and the selection of a split give
    it, shards are read without Dask, which takes several times as long as the reading itself.

    Parameters
    ----------
    corpus : xarray.Dataset
        A corpus dataset, lazy or in memory.

    Returns
    -------
    callable
        ``read(position)`` returns the snapshots of the run at that place of the dataset, shape (time, radius, angle),
        float32, K. It raises CorpusError, naming store, run and variable, where a value is not finite, and
        ShardError where a shard is lost or broken.
    """
    counts, numbers = corpus.snapshot_count.values.tolist(), corpus.simulation.values.tolist()
    source = corpus.encoding.get("source", "corpus")
    stored = _stored_runs(corpus)

    def read(position: int) -> np.ndarray:
        count = counts[position]
        if stored is None:
            part = corpus.temperature.isel(simulation=position, time=slice(0, count))
            values = np.ascontiguousarray(part.values, dtype=np.float32)
        else:
            shards, rows = stored
            values = shards.temperature(rows[position], 0, count)
        if not np.all(np.isfinite(extremes(values))):
            broken = np.flatnonzero(~np.isfinite(values).all(axis=(1, 2))).tolist()
            raise CorpusError(
                f"{source}: run {numbers[position]}: variable 'temperature' is not finite in snapshots "
                f"{broken[:5]}{' ...' if len(broken) > 5 else ''}, of {count}: chunks are lost, or were never right; "
                "ingest again"
            )
        return values

    return read


def _stored_runs(corpus: xr.Dataset) -> tuple[ShardReader, list[int]] | None:
    """Return the reader of the store and the rows that the temperature of a corpus is; None if it may be another."""
    source = corpus.encoding.get("source")
    if source is None or corpus.temperature.chunks is None or "corpus_format" not in corpus.attrs:
        return None  # made in memory, or in another way than by open_corpus
    whole = open_corpus(source)
    shards = plain_reader(Path(source), _runs(whole))
    order = {number: row for row, number in enumerate(whole.simulation.values.tolist())}
    rows = [order.get(number, -1) for number in corpus.simulation.values.tolist()]
    if shards is None or -1 in rows:
        return None
    # Dask names an array by all that was done to make it: equal names are equal values.
    known = {whole.temperature.isel(simulation=np.array(rows)).data.name}
    if rows == list(range(len(order))):
        known.add(whole.temperature.data.name)
    return (shards, rows) if corpus.temperature.data.name in known else None


def statistics(corpus: xr.Dataset) -> dict[str, Any]:
    """Statistics of the training runs, as :func:`surrogate.corpus.split.training_statistics` describes them.

    Raises
    ------
    CorpusError
        If the dataset does not come from a store of this package.
    """
    text = corpus.attrs.get("statistics")
    if text is None:
        raise CorpusError(f"{corpus.encoding.get('source', 'corpus')}: attribute 'statistics' is missing; ingest again")
    return json.loads(text)


def provenance_of(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Tell what the store was made of.

    Returns
    -------
    dict
        ``settings``, ``software``, ``runs`` (one mapping per row: simulation, file, size, checksum, reader),
        ``findings`` (of runs that were kept and flagged), ``rejected`` (of those left out).
    """
    group = open_provenance(path)
    return {name: json.loads(group.attrs[name]) for name in ("settings", "software", "runs", "findings", "rejected")}


def open_provenance(path: str | os.PathLike[str]) -> xr.Dataset:
    """Open the group ``provenance`` of a store: per-run moments of the temperature and the attributes behind them."""
    try:
        return xr.open_zarr(path, group="provenance", consolidated=False, decode_times=False, chunks=None).load()
    except Exception as error:
        raise CorpusError(f"{path}: group 'provenance' is missing or corrupt: {error}; ingest again") from error
