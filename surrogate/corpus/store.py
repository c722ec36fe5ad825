"""Opening a corpus, and what stands inside its store besides fields: statistics of the training runs, provenance."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.core import indexing

from surrogate.corpus.records import Finding, RunRecord
from surrogate.corpus.storage import CorpusError, StoredTemperature
from surrogate.fields import FieldError, validate

FORMAT = 1
"""Version of the layout of the store; a reader refuses a newer one."""


def open_corpus(path: str | os.PathLike[str]) -> xr.Dataset:
    """Open a corpus lazily.

    Parameters
    ----------
    path : path
        The Zarr store that :func:`surrogate.corpus.ingest` wrote.

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
        If it is no Zarr store, not a corpus, of a newer layout, or if runs are missing from it. Reading a temperature
        that is lost or broken later raises it too, naming file, run and variable.
    """
    return _open(Path(path))[0]


def _open(path: Path) -> tuple[xr.Dataset, StoredTemperature]:
    """Return a corpus and the temperature behind it."""
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
    encoding = corpus.temperature.encoding
    temperature = StoredTemperature(
        path / "temperature",
        float(encoding.get("scale_factor", 1.0)),
        float(encoding.get("add_offset", 0.0)),
        float(encoding.get("_FillValue", np.nan)),
        corpus.simulation.values.tolist(),
        corpus.snapshot_count.values.tolist(),
    )
    missing = temperature.missing()
    if missing:
        raise CorpusError(
            f"{path}: {len(missing)} of {corpus.sizes['simulation']} runs are missing from the store, or parts of them "
            f"(first: run {corpus.simulation.values[missing[0]]} (row {missing[0]}), variable 'temperature'); "
            "running the ingest again completes it"
        )
    stored = corpus.temperature
    lazy = xr.Variable(stored.dims, indexing.LazilyIndexedArray(temperature), stored.attrs)
    chunks = dict.fromkeys(stored.dims, -1)
    chunks |= {"simulation": 1, "time": (stored.encoding.get("shards") or stored.shape)[1]}
    corpus["temperature"] = xr.DataArray(lazy, stored.coords).chunk(chunks)
    corpus.temperature.encoding = {name: stored.encoding.get(name) for name in ("chunks", "shards")}
    corpus.encoding["source"] = str(path)
    try:
        return validate(corpus, str(path), values=False), temperature
    except FieldError as error:
        raise CorpusError(str(error)) from error


def run_reader(corpus: xr.Dataset) -> Callable[[int], np.ndarray]:
    """Return a function that reads the temperature of one run of a corpus after the other; threads may share it.

    Where the temperature is nothing but runs out of a store, as :func:`open_corpus` and the selection of a split give
    it, they are read without Dask, which takes several times as long as the reading itself.

    Parameters
    ----------
    corpus : xarray.Dataset
        A corpus dataset, lazy or in memory.

    Returns
    -------
    callable
        ``read(position)`` returns the snapshots of the run at that place of the dataset, shape (time, radius, angle),
        float32, K. It raises CorpusError, naming store, run and variable, where snapshots are lost or broken or a
        value is not finite.
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
            temperature, rows = stored
            values = temperature.read(rows[position], 0, count)
        if not (np.isfinite(values.min()) and np.isfinite(values.max())):
            broken = np.flatnonzero(~np.isfinite(values).all(axis=(1, 2))).tolist()
            raise CorpusError(
                f"{source}: run {numbers[position]}: variable 'temperature' is not finite in snapshots "
                f"{broken[:5]}{' ...' if len(broken) > 5 else ''}, of {count}: chunks are lost, or were never right; "
                "ingest again"
            )
        return values

    return read


def _stored_runs(corpus: xr.Dataset) -> tuple[StoredTemperature, list[int]] | None:
    """Return the store and its rows that the temperature of a corpus is; None if it may be something else."""
    source = corpus.encoding.get("source")
    if source is None or corpus.temperature.chunks is None or "corpus_format" not in corpus.attrs:
        return None  # made in memory, or in another way than by open_corpus
    whole, temperature = _open(Path(source))
    order = {number: row for row, number in enumerate(whole.simulation.values.tolist())}
    rows = [order.get(number, -1) for number in corpus.simulation.values.tolist()]
    if -1 in rows:
        return None
    # Dask names an array by all that was done to make it: equal names are equal values.
    known = {whole.temperature.isel(simulation=np.array(rows)).data.name}
    if rows == list(range(len(order))):
        known.add(whole.temperature.data.name)
    return (temperature, rows) if corpus.temperature.data.name in known else None


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
    return dict(json.loads(text))


@dataclass(frozen=True)
class Provenance:
    """What a store was made of, and how.

    Attributes
    ----------
    settings : dict
        ``corpus``, ``reader``, ``options``: what its content depends on.
    software : list of dict
        Of each ingest that added to it.
    runs : list of RunRecord
        One per row: file, size, modified, reader, simulation, checksum, digest.
    findings, rejected : list of Finding
        Of the runs that were kept and flagged, and of those left out.
    """

    settings: dict[str, Any]
    software: list[dict[str, Any]]
    runs: list[RunRecord]
    findings: list[Finding]
    rejected: list[Finding]

    def attributes(self) -> dict[str, str]:
        """Return what the store holds of it: JSON by name."""
        content = {
            "settings": self.settings,
            "software": self.software,
            "runs": [run.origin() for run in self.runs],
            "findings": [finding.as_dict() for finding in self.findings],
            "rejected": [finding.as_dict() for finding in self.rejected],
        }
        return {name: json.dumps(value) for name, value in content.items()}


def provenance_of(path: str | os.PathLike[str]) -> Provenance:
    """Tell what a store was made of.

    Raises
    ------
    CorpusError
        If that part of it is missing or corrupt.
    """
    attributes = open_moments(path).attrs
    settings, software, runs, findings, rejected = (
        json.loads(attributes[name]) for name in ("settings", "software", "runs", "findings", "rejected")
    )
    return Provenance(
        settings,
        software,
        [RunRecord.from_json(entry) for entry in runs],
        [Finding(**entry) for entry in findings],
        [Finding(**entry) for entry in rejected],
    )


def open_moments(path: str | os.PathLike[str]) -> xr.Dataset:
    """Open the group ``provenance`` of a store: moments of the temperature of each run, and the attributes behind."""
    try:
        group: xr.Dataset = xr.open_zarr(
            path, group="provenance", consolidated=False, decode_times=False, chunks=None
        ).load()
    except Exception as error:
        raise CorpusError(f"{path}: group 'provenance' is missing or corrupt: {error}; ingest again") from error
    return group
