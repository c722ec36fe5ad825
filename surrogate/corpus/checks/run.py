"""One raw run: what its metadata tell, and the checks that are made block by block while it is read."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.config import CorpusSettings
from surrogate.corpus.readers import NUMBER_OPTION, ReaderError, notes_of, open_run, run_number, split_member
from surrogate.corpus.readers.plausibility import implausible_axes
from surrogate.corpus.records import SEVERE, WARNING, Finding, Moments, RunRecord
from surrogate.corpus.regrid import resample
from surrogate.fields import geometry_of, parameters_of, units_of
from surrogate.geometry import Geometry
from surrogate.quantities import DIMENSIONAL, Units

BUDGET_ATTRIBUTE = "budget_relative_error"
"""Attribute of a run: relative error of its energy budget over the whole evolution, as its solver states it."""

BOUNDARY_DRIFT = 1.0
"""Degrees of the units: a surface that changes more in time, or a wall that varies more along itself, is flagged."""

BLOCK_BYTES = 2**22
"""What is read at a time: small enough for the cache, large enough for the chunks of most files."""


def files_below(path: Path) -> list[Path]:
    """Return a file itself, or all files of a folder."""
    return sorted(entry for entry in path.rglob("*") if entry.is_file()) if path.is_dir() else [path]


def file_record(file: str | os.PathLike[str]) -> RunRecord:
    """Return the record of a file (or folder) as it lies there: its size and its last change, nothing if it is gone."""
    try:
        states = [entry.stat() for entry in files_below(split_member(file)[0])]
    except OSError:
        states = []
    modified = max((state.st_mtime_ns for state in states), default=0)
    return RunRecord(str(file), sum(state.st_size for state in states), modified)


def number_in_name(file: str, options: Mapping[str, Any]) -> int:
    """Return the number that a run which cannot be opened has by its name; -1 if none is found there."""
    try:
        return run_number(file, options.get(NUMBER_OPTION))
    except ReaderError:
        return -1


def describe_run(record: RunRecord, run: xr.Dataset) -> RunRecord:
    """Return the record of an open run with what its metadata tell."""
    geometry, parameters = geometry_of(run), parameters_of(run)
    return replace(
        record,
        reader=run.encoding.get("reader", record.reader),
        simulation=int(run.attrs.get("simulation", run.attrs.get("number", record.simulation))),
        parameters=parameters.as_array(),
        space=parameters.space,
        unread=notes_of(run).unread,
        times=np.asarray(run.time.values, dtype=float),
        shape=geometry.shape,
        domain=geometry.domain,
        units=units_of(run).name,
    )


def read_blocks(run: xr.Dataset, new_times: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Yield the temperature of a run, or what it is at other times, as float32 arrays of a few MB.

    Parameters
    ----------
    run : xarray.Dataset
    new_times : array, shape (new time,), optional
        Within those of the run: it is interpolated linearly.
    """
    times = run.time.values
    if new_times is not None and np.array_equal(new_times, times):
        new_times = None
    length = max(1, BLOCK_BYTES // (4 * int(np.prod(run.temperature.shape[-2:]))))
    together = (run.temperature.encoding.get("chunksizes") or (1,))[0]  # snapshots of the file that share chunks
    length = max(length // together, 1) * together
    for start in range(0, len(times if new_times is None else new_times), length):
        if new_times is None:
            values = run.temperature.isel(time=slice(start, start + length)).values
        else:
            part = new_times[start : start + length]
            low = max(int(np.searchsorted(times, part[0], side="right")) - 1, 0)
            high = min(int(np.searchsorted(times, part[-1], side="left")) + 1, len(times))
            low, high = min(low, high - 2), max(high, low + 2)
            values = resample(times[low:high], run.temperature.isel(time=slice(low, high)).values, part)
        yield np.ascontiguousarray(values, dtype=np.float32)


@dataclass
class RunCheck:
    """Checks and moments of one run, fed block by block so that no run has to fit into memory.

    Attributes
    ----------
    simulation : int
    file : str
    settings : CorpusSettings
    geometry : Geometry or None
        Where it is known, fields are looked at where they close on themselves.
    units : Units
    findings : list of Finding
    """

    simulation: int
    file: str
    settings: CorpusSettings
    geometry: Geometry | None = None
    units: Units = DIMENSIONAL
    findings: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._digest = hashlib.sha256()
        self._count = 0
        self._columns = 1
        self._not_finite = 0
        self._repeated = 0
        self._minimum, self._maximum = np.inf, -np.inf
        self._reference: np.ndarray | None = None
        self._sum, self._squares = np.zeros((2, 1))
        self._surface = 0.0
        self._surface_drift = 0.0
        self._wall_spread = 0.0
        self._seam = ""
        self._previous: tuple[bytes, float, float] | None = None

    def report(self, what: str, message: str, severity: str = SEVERE) -> None:
        """Add a finding."""
        self.findings.append(Finding(self.simulation, self.file, what, severity, message))

    @property
    def severe(self) -> bool:
        """Whether the run must be left out."""
        return any(finding.severity == SEVERE for finding in self.findings)

    def metadata(self, run: xr.Dataset) -> None:
        """Check what is known before any temperature is read."""
        self.geometry, self.units = geometry_of(run), units_of(run)
        attributes, snapshots = run.attrs, run.sizes["time"]
        for line in notes_of(run).warnings:
            self.report("odd file", line, WARNING)
        if notes_of(run).left_out:
            self.report("left out", f"no place in a corpus: {', '.join(notes_of(run).left_out)}", WARNING)
        for line, impossible in implausible_axes(run):
            self.report("implausible", line, SEVERE if impossible else WARNING)
        if snapshots < self.settings.minimum_snapshots:
            self.report("too short", f"{snapshots} snapshots, expected at least {self.settings.minimum_snapshots}")
        if attributes.get("status", "done") != "done":
            self.report("stopped early", f"the solver says {attributes['status']!r}", WARNING)
        error = attributes.get(BUDGET_ATTRIBUTE)
        if error is not None and not abs(float(error)) <= self.settings.budget_tolerance:
            self.report(
                "energy budget",
                f"relative error {float(error):.3g}, tolerated {self.settings.budget_tolerance:g}",
            )

    def feed(self, temperature: np.ndarray) -> bool:
        """Take the next snapshots; return whether all values so far are finite.

        Parameters
        ----------
        temperature : array of float32, shape (time, radius, angle), K; it is not kept
        """
        lowest, highest = temperature.min(axis=(1, 2)).tolist(), temperature.max(axis=(1, 2)).tolist()
        finite = np.isfinite(lowest) & np.isfinite(highest)
        for snapshot, low, high, good in zip(temperature, lowest, highest, finite, strict=True):
            # A checksum of each snapshot, and a digest of all of these, costs a third of a digest of everything.
            checksum = zlib.crc32(np.ascontiguousarray(snapshot).data).to_bytes(4, "little")
            self._digest.update(checksum)
            if good:
                self._repeated += (checksum, low, high) == self._previous
                self._previous = checksum, low, high
        self._not_finite += int((~finite).sum())
        self._add(temperature if finite.all() else temperature[finite])
        return not self._not_finite

    def _add(self, temperature: np.ndarray) -> None:
        """Add finite snapshots to the moments."""
        if not len(temperature):
            return
        if self.geometry is not None and not self._seam:
            self._seam = self.geometry.broken_seam(temperature)
        self._minimum = min(self._minimum, float(temperature.min()))
        self._maximum = max(self._maximum, float(temperature.max()))
        surface = temperature[:, -1].mean(axis=-1, dtype=float)
        if self._reference is None:
            self._reference, self._surface = temperature[0].mean(axis=-1), surface[0]
            self._sum, self._squares = np.zeros((2, temperature.shape[1]))
        # Sums of what is left after a fixed profile is taken off stay small, so that single precision within a row
        # is enough; rows are added up in double precision.
        rest = temperature - self._reference[:, None]
        self._sum += rest.sum(axis=2).sum(axis=0, dtype=float)
        self._squares += np.einsum("trc,trc->tr", rest, rest).sum(axis=0, dtype=float)
        self._count += len(temperature)
        self._columns = temperature.shape[-1]
        self._wall_spread = max(self._wall_spread, float(np.ptp(temperature[:, [0, -1]], axis=-1).max()))
        self._surface_drift = max(self._surface_drift, float(np.abs(surface - self._surface).max()))

    def finish(self) -> None:
        """Check what only the whole run shows."""
        (low, high), drift = self.units.plausible, BOUNDARY_DRIFT * self.units.degree
        if self._not_finite:
            self.report(
                "not finite",
                f"variable 'temperature' has NaN or infinite values in {self._not_finite} of "
                f"{self._count + self._not_finite} snapshots",
            )
        if self._minimum < low or self._maximum > high:
            self.report(
                "out of range",
                f"variable 'temperature' spans {self._minimum:.4g} .. {self._maximum:.4g}, "
                f"expected {'kelvin' if self.units.dimensional else 'dimensionless values'} within {low:g} .. {high:g}"
                + (
                    "; dimensionless values need their unit and scales in source.options"
                    if self.units.dimensional and 0 < self._maximum < 20
                    else ""
                ),
            )
        if self._seam:
            self.report("seam", f"variable 'temperature': {self._seam}")
        if self._surface_drift > drift:
            moves = self.units.temperature.text(self._surface_drift)
            self.report("boundary drift", f"the surface temperature moves by {moves} in time", WARNING)
        if self._wall_spread > drift:
            spread = self.units.temperature.text(self._wall_spread)
            self.report("boundary drift", f"a wall varies by {spread} along itself", WARNING)
        if self._repeated:
            severity = SEVERE if self._repeated > 0.5 * self._count else WARNING
            self.report("stalled", f"{self._repeated} of {self._count} snapshots repeat the one before", severity)

    @property
    def digest(self) -> str:
        """Digest of the temperature, float32: SHA-256 of the CRC-32 of its snapshots."""
        return self._digest.hexdigest()

    def moments(self) -> Moments:
        """Return the moments of all finite snapshots."""
        if self._reference is None:
            raise ValueError(f"{self.file}: no finite snapshot to take moments of")
        values = self._count * self._columns
        shift = self._sum / values
        variance = np.maximum(self._squares / values - shift**2, 0.0)
        return Moments(self._reference + shift, variance, self._minimum, self._maximum, self._count)


def examine_run(record: RunRecord, reader: str, options: Mapping[str, Any], settings: CorpusSettings) -> RunRecord:
    """Read and check one raw run without storing it; the record of one that cannot be read has no digest."""
    check = RunCheck(number_in_name(record.file, options), record.file, settings)
    try:
        with open_run(record.file, reader, options) as run:
            found = describe_run(record, run)
            check.simulation = found.simulation
            check.metadata(run)
            for block in read_blocks(run):
                check.feed(block)
            check.finish()
            record = replace(found, digest=check.digest)
    except Exception as error:  # a broken file must not stop the others
        check.report("unreadable", f"{type(error).__name__}: {error}")
    return replace(record, simulation=check.simulation, findings=tuple(check.findings))
