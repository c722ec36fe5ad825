"""A first look at raw runs: what they are and whether they can be opened, before any temperature is read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.annulus import Annulus
from surrogate.corpus.parallel import Workers
from surrogate.corpus.readers import open_run
from surrogate.fields import annulus_of, parameters_of
from surrogate.files import checksum, fingerprint, read_json, write_json

ANNOUNCED_BYTES = 2**26
"""What is fetched of a file before it is read, at most."""


@dataclass(frozen=True)
class Source:
    """A raw run to be read.

    Attributes
    ----------
    file : str
        As the user named it.
    reader : str
    options : dict
    """

    file: str
    reader: str = "auto"
    options: dict[str, Any] = field(default_factory=dict)


def _files_of(path: Path) -> list[Path]:
    return sorted(entry for entry in path.rglob("*") if entry.is_file()) if path.is_dir() else [path]


def identity(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Size (bytes) and time of last change (ns) of a file, or of all files of a folder together."""
    states = [entry.stat() for entry in _files_of(Path(path))]
    return {
        "size": sum(state.st_size for state in states),
        "modified": max((state.st_mtime_ns for state in states), default=0),
    }


def size_of(path: str | os.PathLike[str]) -> int:
    """Bytes of a file or folder; 0 if it is not there, as whoever reads it will say."""
    try:
        return int(identity(path)["size"])
    except OSError:
        return 0


def announce(path: str | os.PathLike[str]) -> None:
    """Tell the system that a file will be read soon, so that it fetches (the beginning of) it while others are read."""
    if not hasattr(os, "posix_fadvise"):
        return
    try:
        with open(path, "rb", buffering=0) as stream:
            os.posix_fadvise(stream.fileno(), 0, ANNOUNCED_BYTES, os.POSIX_FADV_WILLNEED)
    except OSError:  # a folder; or broken, as whoever reads it will say
        return


def source_checksum(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file; of a folder, that of the list of its files and their checksums."""
    path = Path(path)
    if path.is_file():
        return checksum(path)
    import hashlib

    listing = "".join(f"{entry.relative_to(path)} {checksum(entry)}\n" for entry in _files_of(path))
    return hashlib.sha256(listing.encode()).hexdigest()


def run_number(run: xr.Dataset, path: str | os.PathLike[str]) -> int:
    """Find the number of a run: attribute ``simulation`` or ``number``, the last digits of its name, or -1.

    >>> run_number(xr.Dataset(), "raw/run_00012.nc")
    12
    """
    for name in ("simulation", "number"):
        value = run.attrs.get(name)
        if isinstance(value, int | np.integer) and value >= 0:
            return int(value)
    digits = re.findall(r"\d+", Path(path).stem)
    return int(digits[-1]) if digits else -1


def survey(source: Source) -> dict[str, Any]:
    """Look at a raw run without reading its temperature.

    Returns
    -------
    dict
        ``file``, ``size``, ``modified``, and either ``error`` or ``reader``, ``simulation``, ``length``, ``start``,
        ``end`` (Gyr), ``radius_faces``, ``angle_faces``.
    """
    record: dict[str, Any] = {"file": source.file}
    try:
        record |= identity(source.file)
        with open_run(source.file, source.reader, source.options) as run:
            annulus = annulus_of(run)
            parameters_of(run)
            times = run.time.values
            record |= {
                "reader": run.encoding.get("reader", source.reader),
                "simulation": run_number(run, source.file),
                "length": len(times),
                "start": float(times[0]),
                "end": float(times[-1]),
                "radius_faces": annulus.radius_faces.tolist(),
                "angle_faces": annulus.angle_faces.tolist(),
            }
    except Exception as error:  # every library has its own kind of error for a broken file
        record["error"] = f"{type(error).__name__}: {error}"
        record["simulation"] = run_number(xr.Dataset(), source.file)
    return record


@dataclass
class Survey:
    """What was seen of many runs.

    Attributes
    ----------
    asked : str
        Fingerprint of reader and options.
    runs : list of dict
        As :func:`survey` gives them, by run number, then by name; in place of faces, ``grid``: a key of `grids`.
    grids : dict
        Faces of radius and angle; thousands of runs share one grid, which is held once.
    """

    asked: str = ""
    runs: list[dict[str, Any]] = field(default_factory=list)
    grids: dict[str, list[list[float]]] = field(default_factory=dict)

    @property
    def readable(self) -> list[dict[str, Any]]:
        """The runs that could be opened."""
        return [record for record in self.runs if "error" not in record]

    def annulus(self, record: Mapping[str, Any]) -> Annulus:
        """Grid of a readable run."""
        radius_faces, angle_faces = self.grids[record["grid"]]
        return Annulus(np.array(radius_faces), np.array(angle_faces))

    def add(self, record: dict[str, Any]) -> None:
        """Take what :func:`survey` found."""
        if "error" not in record:
            faces = [record.pop("radius_faces"), record.pop("angle_faces")]
            record["grid"] = fingerprint(faces)
            self.grids.setdefault(record["grid"], faces)
        self.runs.append(record)

    def write(self, path: Path) -> None:
        """Keep what was seen of readable runs for other jobs of the same ingest."""
        write_json(path, {"asked": self.asked, "runs": self.readable, "grids": self.grids})


def survey_all(
    files: Sequence[str],
    reader: str,
    options: dict[str, Any],
    workers: Workers,
    kept: Path,
    told: Callable[[int, int], None],
) -> Survey:
    """Look at every file; those that have not changed since they were last seen are not opened again.

    Parameters
    ----------
    files : sequence of str
    reader, options
        As :func:`surrogate.corpus.readers.open_run` takes them.
    workers : Workers
    kept : Path
        Where :meth:`Survey.write` may have kept an earlier survey.
    told : callable
        Called as ``told(done, total)``.
    """
    result = Survey(fingerprint([reader, options]))
    known = {}
    if kept.exists():
        earlier = read_json(kept)
        if earlier["asked"] == result.asked:
            result.grids = earlier["grids"]
            known = {record["file"]: record for record in earlier["runs"]}
    calls = []
    for file in files:
        if file in known and _unchanged(known[file]):
            result.runs.append(known[file])
        else:
            calls.append((Source(file, reader, options),))
    # All that is looked at here is read afterwards: the workers start at once, if they are worth it.
    for record in workers.each(survey, calls, size=sum(size_of(source.file) for (source,) in calls), together=4):
        result.add(record)
        told(len(result.runs), len(files))
    result.runs.sort(key=lambda record: (record["simulation"] < 0, record["simulation"], record["file"]))
    return result


def _unchanged(record: Mapping[str, Any]) -> bool:
    try:
        return identity(record["file"]) == {name: record[name] for name in ("size", "modified")}
    except OSError:
        return False
