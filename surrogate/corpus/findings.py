"""What is wrong with a run: findings, and the checks of one run, made snapshot by snapshot while it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from surrogate.config import CorpusSettings
from surrogate.corpus.kernels import add_moments, checksum_of, extremes, walls
from surrogate.fields import PLAUSIBLE_TEMPERATURE

SEVERE = "severe"
WARNING = "warning"

COLUMNS = ("simulation", "file", "what", "severity", "message")

BUDGET_ATTRIBUTE = "budget_relative_error"
"""Attribute of a run: relative error of its energy budget over the whole evolution, as its solver states it."""

BOUNDARY_DRIFT = 1.0
"""K. A surface that changes more than this in time, or a wall that varies more than this along angle, is flagged."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with one run.

    Attributes
    ----------
    simulation : int
        Number of the run; -1 where it could not be found out.
    file : str
    what : str
        Short kind, e.g. "not finite".
    severity : str
        "severe": the run is left out; "warning": it is kept and flagged.
    message : str
        What was found and what was expected.
    """

    simulation: int
    file: str
    what: str
    severity: str
    message: str

    def as_dict(self) -> dict[str, Any]:
        """Return the five entries by name."""
        return asdict(self)


def findings_table(findings: Sequence[Finding]) -> pd.DataFrame:
    """Return findings as a table with the columns of :data:`COLUMNS`, severe ones first within each run."""
    table = pd.DataFrame([finding.as_dict() for finding in findings], columns=list(COLUMNS))
    return table.sort_values(["simulation", "file", "severity", "what"], kind="stable", ignore_index=True)


@dataclass
class RunCheck:
    """Checks and statistics of one run, fed block by block so that no run has to fit into memory.

    Attributes
    ----------
    simulation : int
    file : str
    settings : CorpusSettings
    """

    simulation: int
    file: str
    settings: CorpusSettings
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
        self._mark: tuple[bytes, float, float, bytes] | None = None

    def report(self, what: str, message: str, severity: str = SEVERE) -> None:
        """Add a finding."""
        self.findings.append(Finding(self.simulation, self.file, what, severity, message))

    @property
    def severe(self) -> bool:
        """Whether the run must be left out."""
        return any(finding.severity == SEVERE for finding in self.findings)

    def describe(self, attributes: Mapping[str, Any], times: np.ndarray, outside: Sequence[str] = ()) -> None:
        """Check what is known before any temperature is read.

        Parameters
        ----------
        attributes : mapping
            Of the run.
        times : array, shape (time,), Gyr
        outside : sequence of str
            Lines of :meth:`surrogate.parameters.Parameters.outside`.
        """
        if len(times) < self.settings.minimum_snapshots:
            self.report("too short", f"{len(times)} snapshots, expected at least {self.settings.minimum_snapshots}")
        if attributes.get("status", "done") != "done":
            self.report("stopped early", f"the solver says {attributes['status']!r}", WARNING)
        error = attributes.get(BUDGET_ATTRIBUTE)
        if error is not None and not abs(float(error)) <= self.settings.budget_tolerance:
            self.report(
                "energy budget",
                f"relative error {float(error):.3g}, tolerated {self.settings.budget_tolerance:g}",
            )
        for line in outside:
            self.report("parameter", line, WARNING)

    def feed(self, temperature: np.ndarray) -> bool:
        """Take the next snapshots; return whether all values so far are finite.

        Parameters
        ----------
        temperature : array of float32, shape (time, radius, angle), K
        """
        for snapshot in temperature:
            self.take(np.ascontiguousarray(snapshot))
        return self.finite

    @property
    def finite(self) -> bool:
        """Whether all values so far are finite."""
        return not self._not_finite

    def take(self, snapshot: np.ndarray) -> None:
        """Take the next snapshot, a contiguous array of float32, shape (radius, angle), K; it is not kept."""
        # A checksum of each snapshot, and a digest of all of these, costs a third of a digest of everything.
        checksum = checksum_of(snapshot)
        self._digest.update(checksum)
        lowest, highest = extremes(snapshot)
        if not (np.isfinite(lowest) and np.isfinite(highest)):
            self._not_finite += 1
            return
        self._minimum, self._maximum = min(self._minimum, lowest), max(self._maximum, highest)
        if self._reference is None:
            self._reference = snapshot.mean(axis=-1)
            self._surface = walls(snapshot)[1]
            self._sum, self._squares = np.zeros((2, len(snapshot)))
        # Sums of what is left after a fixed profile is taken off stay small, so that single precision within a row
        # is enough; rows are added up in double precision.
        add_moments(snapshot, self._reference, self._sum, self._squares)
        self._count += 1
        self._columns = snapshot.shape[-1]
        spread, surface = walls(snapshot)
        self._wall_spread = max(self._wall_spread, spread)
        self._surface_drift = max(self._surface_drift, abs(surface - self._surface))
        # Checksum, extremes and a row in the middle tell a repeated snapshot, without a copy of the one before.
        mark = (checksum, lowest, highest, snapshot[len(snapshot) // 2].tobytes())
        self._repeated += mark == self._mark
        self._mark = mark

    def finish(self) -> None:
        """Check what only the whole run shows."""
        low, high = PLAUSIBLE_TEMPERATURE
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
                f"expected kelvin within {low:g} .. {high:g}"
                + (
                    "; dimensionless values need their unit and scales in source.options"
                    if 0 < self._maximum < 20
                    else ""
                ),
            )
        if self._surface_drift > BOUNDARY_DRIFT:
            self.report(
                "boundary drift", f"the surface temperature moves by {self._surface_drift:.3g} K in time", WARNING
            )
        if self._wall_spread > BOUNDARY_DRIFT:
            self.report("boundary drift", f"a wall varies by {self._wall_spread:.3g} K along angle", WARNING)
        if self._repeated:
            severity = SEVERE if self._repeated > 0.5 * self._count else WARNING
            self.report("stalled", f"{self._repeated} of {self._count} snapshots repeat the one before", severity)

    @property
    def digest(self) -> str:
        """Digest of the temperature, float32: SHA-256 of the CRC-32 of its snapshots."""
        return self._digest.hexdigest()

    def statistics(self) -> dict[str, Any]:
        """Moments of the run: ``profile_mean`` and ``profile_variance`` over radius, extremes, snapshots."""
        if self._reference is None:
            raise ValueError(f"{self.file}: no finite snapshot to take statistics of")
        values = self._count * self._columns
        shift = self._sum / values
        return {
            "profile_mean": (self._reference + shift).tolist(),
            "profile_variance": np.maximum(self._squares / values - shift**2, 0.0).tolist(),
            **self.extremes(),
            "snapshots": self._count,
        }

    def extremes(self) -> dict[str, float]:
        """Lowest and highest temperature, K."""
        return {"minimum": self._minimum, "maximum": self._maximum}
