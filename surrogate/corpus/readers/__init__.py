"""Readers of raw runs: one per solver, found by entry points; a third party adds one without touching this code.

A reader turns one raw run (a file or a folder) into a run dataset of :mod:`surrogate.fields`. Installed packages
announce theirs in the entry point group ``surrogate.readers``.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import xarray as xr

from surrogate.fields import FieldError, validate

GROUP = "surrogate.readers"

OWN = {
    "native": "native:NativeReader",
    "aspect": "aspect:AspectReader",
    "stagyy": "stagyy:StagyyReader",
    "the_well": "the_well:TheWellReader",
    "dedalus": "dedalus:DedalusReader",
    "gridded": "gridded:GriddedReader",
}
"""Readers of this package: module here and class."""

NUMBER_OPTION = "run_number"
"""Option of every reader: the pattern by which the number of a run is found in its name."""

FIRST_MADE_NUMBER = 1_000_000_000
"""Numbers that are made from a whole name start here; those that stand in a name lie below."""


class ReaderError(ValueError):
    """No reader, or none that can make sense of a file; the message names the file and what was tried."""


@dataclass(frozen=True)
class Notes:
    """What a reader noticed in a file beside the run itself.

    Attributes
    ----------
    left_out : tuple of str
        Fields of the file that the run dataset has no place for.
    warnings : tuple of str
        What looked odd and was read nevertheless.
    unread : mapping
        By name, why what may have been a parameter is no number.
    """

    left_out: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)


def attach_notes(run: xr.Dataset, notes: Notes | None) -> xr.Dataset:
    """Return the run with the notes of its reader."""
    run.encoding["notes"] = notes or Notes()
    return run


def notes_of(run: xr.Dataset) -> Notes:
    """Return what the reader of a run noticed.

    >>> notes_of(xr.Dataset())
    Notes(left_out=(), warnings=(), unread={})
    """
    notes = run.encoding.get("notes")
    return notes if isinstance(notes, Notes) else Notes()


def run_number(path: str | os.PathLike[str], pattern: str | None = None) -> int:
    r"""Find the number of a run in its name, from which its split follows.

    A name with one number has that number. A name with several has one that is made from the whole name, and one with
    none from its name and that of its folder, so that it does not depend on what other files there are.

    Parameters
    ----------
    path : path
    pattern : str, optional
        Regular expression whose first group (or whole match) is the number, in the name or in that of its folder.

    Raises
    ------
    ReaderError
        If the pattern does not match, or matches no number.

    Examples
    --------
    >>> run_number("raw/run_00012.nc"), run_number("run_001_64x96.nc", r"run_(\d+)")
    (12, 1)
    >>> run_number("run_001_64x96.nc") == run_number("elsewhere/run_001_64x96.nc") != run_number("run_002_64x96.nc")
    True
    """
    path = Path(path).absolute()
    name = path.name if path.suffix[1:].isdecimal() else path.stem  # T.0012 has no suffix
    if pattern is not None:
        try:
            match = re.search(pattern, path.name) or re.search(pattern, path.parent.name)
        except re.error as error:
            raise ReaderError(f"option {NUMBER_OPTION!r}: {pattern!r} is no regular expression: {error}") from None
        text = str(match[1] if match.re.groups else match[0]) if match else ""
        if not text.isdecimal():
            raise ReaderError(f"{path}: option {NUMBER_OPTION!r}: {pattern!r} finds no number in {path.name!r}")
        return int(text)
    digits = re.findall(r"\d+", name)
    if len(digits) == 1 and int(digits[0]) < FIRST_MADE_NUMBER:
        return int(digits[0])
    whole = name if digits else f"{path.parent.name}/{name}"  # many folders hold a file of the same plain name
    return FIRST_MADE_NUMBER + int(hashlib.sha256(whole.encode()).hexdigest()[:7], 16)


def split_member(path: str | os.PathLike[str]) -> tuple[Path, int | None]:
    """Part the name of a run in a file of several: ``file.hdf5#3`` is the fourth.

    >>> split_member("train.hdf5#3"), split_member("run_12.nc")
    ((PosixPath('train.hdf5'), 3), (PosixPath('run_12.nc'), None))
    """
    file, mark, number = str(path).rpartition("#")
    if mark and number.isdecimal() and not Path(path).exists():
        return Path(file), int(number)
    return Path(path), None


def expand_runs(files: Iterable[str | os.PathLike[str]], reader: str = "auto") -> list[str]:
    """Name every run, each once: of a file that holds several ``file#0``, ``file#1`` ...

    A reader of such files has a method ``count(path)``.
    """
    readers = [find_reader(name) for name in (reader_names() if reader == "auto" else [reader]) if _loads(name)]
    several = [entry for entry in readers if hasattr(entry, "count")]
    names = []
    for file in files:
        path, member = split_member(file)
        counts = [entry.count(path) for entry in several if member is None and path.exists() and entry.accepts(path)]
        many = len(counts) == 1 and counts[0] > 1
        names += [f"{file}#{number}" for number in range(counts[0])] if many else [str(file)]
    return list(dict.fromkeys(names))


def _loads(name: str) -> bool:
    try:
        find_reader(name)
    except ReaderError:
        return False  # whoever opens a run with it says why
    return True


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
    own = [metadata.EntryPoint(name, f"{__name__}.{place}", GROUP) for name, place in OWN.items()]
    return {entry.name: entry for entry in [*metadata.entry_points(group=GROUP), *own]}


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
        Settings of the reader; and for all of them ``run_number``, as :func:`run_number` takes it.

    Returns
    -------
    xarray.Dataset
        A run dataset, temperature lazy, whose attribute ``simulation`` is its number. Close it after use, or use it
        in a ``with`` statement. :func:`notes_of` tells what the reader noticed.

    Raises
    ------
    FileNotFoundError, ReaderError, FieldError
        Naming the file and what is wrong with it.
    """
    name, (path, member) = str(path), split_member(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; expected a raw run")
    chosen = choose_reader(path) if reader == "auto" else find_reader(reader)
    settings = dict(options or {})
    if member is not None:
        if not hasattr(chosen, "count"):
            raise ReaderError(f"{name}: no such file; reader {chosen.name!r} knows no files of several runs")
        settings["member"] = member
    pattern = settings.pop(NUMBER_OPTION, None)
    run = chosen.open(path, settings)
    try:
        if run.sizes.get("simulation") is not None:
            raise FieldError(f"{path}: holds a corpus, expected one run")
        validate(run, str(path), values=False)
        stated = run.attrs.get("simulation", run.attrs.get("number"))
        if pattern is not None or not isinstance(stated, int | np.integer) or stated < 0:
            run.attrs["simulation"] = run_number(path, pattern)
    except Exception:
        run.close()
        raise
    run.encoding["source"] = name
    run.encoding["reader"] = chosen.name
    return run
