"""Readers of raw runs: one per solver, found by entry points; a third party adds one without touching this code.

A reader turns one raw run (a file or a folder) into a run dataset of :mod:`surrogate.fields`. Installed packages
announce theirs in the entry point group ``surrogate.readers``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import xarray as xr

from surrogate.fields import FieldError, validate

GROUP = "surrogate.readers"


class ReaderError(ValueError):
    """No reader, or none that can make sense of a file; the message names the file and what was tried."""


@runtime_checkable
class Reader(Protocol):
    """What a reader must offer.

    Attributes
    ----------
    name : str
        The name used in the configuration.
    """

    name: str

    def accepts(self, path: Path) -> bool:
        """Say, cheaply, whether `path` looks like a run of this solver. Must not raise for foreign or broken files."""
        ...

    def open(self, path: Path, options: Mapping[str, Any]) -> xr.Dataset:
        """Return the run as a run dataset, temperature lazy: a large run is read snapshot by snapshot.

        Raises
        ------
        FieldError, ReaderError, OSError
            Naming file and variable.
        """
        ...


@lru_cache(maxsize=1)
def _installed() -> dict[str, metadata.EntryPoint]:
    return {entry.name: entry for entry in metadata.entry_points(group=GROUP)}


def reader_names() -> list[str]:
    """Names of all installed readers."""
    return sorted(_installed())


@lru_cache(maxsize=32)
def find_reader(name: str) -> Reader:
    """Load an installed reader by name.

    Raises
    ------
    ReaderError
        If there is none of that name, or it cannot be imported (an optional dependency is missing).

    Examples
    --------
    >>> find_reader("native").name
    'native'
    """
    if name not in _installed():
        raise ReaderError(f"reader {name!r} is not installed; expected one of {reader_names()} or 'auto'")
    try:
        reader = _installed()[name].load()()
    except ImportError as error:
        raise ReaderError(f"reader {name!r} cannot be loaded: {error}") from error
    if not isinstance(reader, Reader):
        raise ReaderError(f"reader {name!r}: {type(reader).__name__} lacks name, accepts() or open()")
    return reader


def choose_reader(path: str | os.PathLike[str]) -> Reader:
    """Find the one reader that takes a file.

    A reader with the attribute ``fallback = True`` is asked only when no other takes the file.

    Raises
    ------
    FileNotFoundError, ReaderError
        No such file; no reader takes it; more than one does.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; expected a raw run")
    takers: list[Reader] = []
    fallbacks: list[Reader] = []
    broken: list[str] = []
    for name in reader_names():
        try:
            reader = find_reader(name)
        except ReaderError as error:
            broken.append(str(error))
            continue
        if reader.accepts(path):
            (fallbacks if getattr(reader, "fallback", False) else takers).append(reader)
    takers = takers or fallbacks
    if not takers:
        kind = "folder" if path.is_dir() else "file"
        raise ReaderError(
            f"{path}: no reader takes this {kind}; tried {reader_names()}" + "".join(f"; {line}" for line in broken)
        )
    if len(takers) > 1:
        names = [reader.name for reader in takers]
        raise ReaderError(f"{path}: the readers {names} all take this file; name one of them in source.reader")
    return takers[0]


def open_run(
    path: str | os.PathLike[str], reader: str = "auto", options: Mapping[str, Any] | None = None
) -> xr.Dataset:
    """Open a raw run of any known solver.

    Parameters
    ----------
    path : path
        File or folder, as the reader wants it.
    reader : str
        Name of a reader, or "auto": the one that takes the file.
    options : mapping, optional
        Settings of the reader.

    Returns
    -------
    xarray.Dataset
        A run dataset, temperature lazy. Close it after use, or use it in a ``with`` statement.

    Raises
    ------
    FileNotFoundError, ReaderError, FieldError
        Naming the file and what is wrong with it.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; expected a raw run")
    chosen = choose_reader(path) if reader == "auto" else find_reader(reader)
    run = chosen.open(path, dict(options or {}))
    if run.sizes.get("simulation") is not None:
        raise FieldError(f"{path}: holds a corpus, expected one run")
    validate(run, str(path), values=False)
    run.encoding["source"] = str(path)
    run.encoding["reader"] = chosen.name
    return run
