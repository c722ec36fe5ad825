"""Opening a corpus, and what stands inside its store besides fields: statistics of the training runs, provenance."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.core import indexing

from surrogate.corpus.shards import LazyShards, plain_reader
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
    missing = missing_runs(path, corpus.sizes["simulation"])
    if missing:
        raise CorpusError(
            f"{path}: {len(missing)} of {corpus.sizes['simulation']} runs are missing from the store "
            f"(first: row {missing[0]}); an interrupted ingest is completed by running it again"
        )
    try:
        names = [name for name in corpus.variables if name != "temperature"]
        corpus = corpus.assign({name: corpus[name].load() for name in names})
    except Exception as error:
        raise CorpusError(f"{path}: corrupt: {error}; ingest again") from error
    return _checked(_lazy_temperature(corpus, path), path)


def _lazy_temperature(corpus: xr.Dataset, path: Path) -> xr.Dataset:
    """Make the temperature a Dask array of float32, one chunk per run and shard."""
    stored = corpus.temperature
    kept = {name: stored.encoding.get(name) for name in ("chunks", "shards")}
    chunks = {"simulation": 1, "time": (kept["shards"] or stored.shape)[1], "radius": -1, "angle": -1}
    reader = plain_reader(path)
    if reader is not None:
        values = indexing.LazilyIndexedArray(LazyShards(reader, reader.dtype != np.float32))
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


def missing_runs(path: Path, runs: int) -> list[int]:
    """Rows of the store that have no shard."""
    shards = path / "temperature" / "c"
    try:
        present = {entry.name for entry in os.scandir(shards) if any(os.scandir(entry.path))}
    except OSError:
        present = set()
    return [row for row in range(runs) if str(row) not in present]


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
