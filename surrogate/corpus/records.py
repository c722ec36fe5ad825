"""What is known of raw runs on their way into a corpus: one record a run, and the findings that are held against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import pandas as pd

from surrogate.geometry import Domain
from surrogate.parameters import ParameterSpace

SEVERE = "severe"
WARNING = "warning"

FINDING_COLUMNS = ("simulation", "file", "what", "severity", "message")


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
    """Return findings as a table, severe ones first within each run."""
    table = pd.DataFrame([finding.as_dict() for finding in findings], columns=list(FINDING_COLUMNS))
    return table.sort_values(["simulation", "file", "severity", "what"], kind="stable", ignore_index=True)


@dataclass(frozen=True, eq=False)
class Moments:
    """Moments of the temperature of one run, K.

    Attributes
    ----------
    profile_mean, profile_variance : arrays, shape (radius,)
        Over all snapshots and angles.
    minimum, maximum : float
    snapshots : int
    """

    profile_mean: np.ndarray
    profile_variance: np.ndarray
    minimum: float
    maximum: float
    snapshots: int


def _no_values() -> np.ndarray:
    return np.empty(0)


@dataclass(frozen=True, eq=False)
class RunRecord:
    """One raw run: a first look gives some of it, reading its temperature the rest.

    Attributes
    ----------
    file : str
        As the user named it.
    size, modified : int
        Bytes, and ns of the last change.
    reader : str
        The reader that takes it.
    simulation : int
        Number of the run; -1 where it has none.
    parameters : array, shape (n,)
    space : ParameterSpace or None
        What `parameters` are, where it is not known otherwise; no part of the JSON.
    unread : dict
        By name, why what may have been a parameter is no number.
    times : array, shape (time,)
    shape : tuple of int
        (rows, columns).
    domain : surrogate.geometry.Domain or None
    units : str
        Name of :class:`surrogate.quantities.Units`.
    checksum : str
        SHA-256 of the file.
    digest : str
        Of the temperatures; empty as long as they were not read.
    series : dict of arrays, shape (time,)
    moments : Moments or None
    findings : tuple of Finding
    """

    file: str
    size: int = 0
    modified: int = 0
    reader: str = ""
    simulation: int = -1
    parameters: np.ndarray = field(default_factory=_no_values)
    space: ParameterSpace | None = None
    unread: Mapping[str, str] = field(default_factory=dict)
    times: np.ndarray = field(default_factory=_no_values)
    shape: tuple[int, ...] = ()
    domain: Domain | None = None
    units: str = "dimensional"
    checksum: str = ""
    digest: str = ""
    series: dict[str, np.ndarray] = field(default_factory=dict)
    moments: Moments | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether nothing severe is held against it."""
        return all(finding.severity != SEVERE for finding in self.findings)

    def origin(self) -> dict[str, Any]:
        """Return what a store tells of where the run comes from."""
        names = ("file", "size", "modified", "reader", "simulation", "checksum", "digest")
        return {name: getattr(self, name) for name in names}

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold; NaN becomes None."""
        return {entry.name: _plain(getattr(self, entry.name)) for entry in fields(self) if entry.name != "space"}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> RunRecord:
        """Rebuild from :meth:`to_json`, or from a part of it.

        >>> record = RunRecord("a.nc", times=np.array([0.0, 4.5]), findings=(Finding(3, "a.nc", "short", WARNING, ""),))
        >>> RunRecord.from_json(record.to_json()).to_json() == record.to_json()
        True
        """
        found = dict(content)
        for name in ("parameters", "times"):
            if name in found:
                found[name] = np.array(found[name], dtype=float)
        found["shape"] = tuple(found.get("shape", ()))
        found["domain"] = Domain(*found["domain"]) if found.get("domain") else None
        found["series"] = {name: np.array(row, dtype=float) for name, row in found.get("series", {}).items()}
        moments = found.get("moments")
        if moments is not None:
            profiles = {name: np.array(moments[name]) for name in ("profile_mean", "profile_variance")}
            found["moments"] = Moments(**{**moments, **profiles})
        found["findings"] = tuple(Finding(**entry) for entry in found.get("findings", ()))
        return cls(**found)


def _plain(value: Any) -> Any:
    """Turn arrays, tuples and records into what JSON can hold."""
    if isinstance(value, np.ndarray):
        return [number if np.isfinite(number) else None for number in value.tolist()]
    if isinstance(value, Finding | Moments):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value
