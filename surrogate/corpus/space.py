"""Which parameters a corpus has: what the configuration names, or what its runs state and do not have in common."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

import numpy as np

from surrogate.config import ParameterSettings
from surrogate.corpus.records import SEVERE, WARNING, Finding, RunRecord
from surrogate.parameters import EVOLUTION_PARAMETERS, Parameter, Parameters, ParameterSpace, Stated, known_parameter

DECADES = 100.0
"""Ratio of the largest to the smallest of positive values from which on an axis is logarithmic, if nobody says."""

_Notes = dict[str, list[str]]  # what is said, and of which parameters

SAME = 1e-9
"""Relative difference up to which values are the same."""


class SpaceError(ValueError):
    """Runs from which no parameters of a corpus follow; the message names what is missing."""


@dataclass(frozen=True)
class CorpusParameters:
    """The parameters of a corpus.

    Attributes
    ----------
    space : ParameterSpace
        Those that vary, or that the configuration names and that vary.
    constants : dict of Stated
        Those that are the same in every run, by name.
    notes : tuple of str
        What was taken from the runs because nobody said it, and what is left out.
    """

    space: ParameterSpace
    constants: Mapping[str, Stated] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def select(self, record: RunRecord) -> tuple[np.ndarray, str]:
        """Return the values of a run, shape (n,), and why it does not fit ("" if it does)."""
        if record.space is None:
            return record.parameters, ""
        try:
            values = self.space.select(Parameters.from_array(record.parameters, record.space))
        except ValueError as error:
            why = [reason for name, reason in record.unread.items() if name in self.space.names]
            return np.full(len(self.space), np.nan), "; ".join([str(error), *why])
        return values, self.contradiction(record)

    def contradiction(self, record: RunRecord) -> str:
        """Say which parameter of a run has not the value that it has in all others."""
        point = None if record.space is None else Parameters.from_array(record.parameters, record.space)
        for name, constant in self.constants.items():
            if point is None or name not in point:
                continue  # it was the same, and nobody says that it changed
            try:
                value = ParameterSpace([Parameter(name, constant.unit)]).select(point)[0]
            except ValueError as error:
                return str(error)
            if not _same(np.array([value, constant.value])):
                return f"{name} is {value:g}{_unit(constant.unit)}, and {constant.value:g} in all other runs"
        return ""

    def fit(self, record: RunRecord) -> RunRecord:
        """Return a run with the values of these parameters, or with the finding that it has none."""
        values, problem = self.select(record)
        if problem:
            finding = Finding(record.simulation, record.file, "parameters", SEVERE, problem)
            return replace(record, findings=(*record.findings, finding))
        outside = [
            Finding(record.simulation, record.file, "parameter", WARNING, line) for line in self.space.outside(values)
        ]
        return replace(record, parameters=values, space=self.space, findings=(*record.findings, *outside))


def agree(records: Sequence[RunRecord], wanted: Mapping[str, ParameterSettings] | None = None) -> CorpusParameters:
    """Decide the parameters of a corpus.

    Those that are `wanted` count; if none is, those that more than half of the runs state. One that is the same in
    every run is left out, unless all are. Units, ranges and axes that nobody states are those of the simulator for a
    name that it knows, and else taken from the values.

    Parameters
    ----------
    records : sequence of RunRecord
        Readable runs, each with the parameters that it states.
    wanted : mapping of ParameterSettings, optional

    Raises
    ------
    SpaceError
        Naming a parameter that no run has, or whose unit is not known or does not convert.
    """
    wanted = wanted or {}
    points = [Parameters.from_array(run.parameters, run.space) for run in records if run.space is not None]
    counts = Counter(name for point in points for name in point)
    notes: _Notes = defaultdict(list)
    for name in wanted:
        if name not in counts:
            near = get_close_matches(name, counts, 1)
            why = next((run.unread[name] for run in records if name in run.unread), "")
            raise SpaceError(
                f"parameters: no run has {name}"
                + (f" (did you mean {near[0]}?)" if near else "")
                + (f": {why}" if why else "")
                + f"; found {', '.join(counts) or 'none'}"
            )
    frequent = [name for name, count in counts.items() if 2 * count > len(points)]
    names = list(wanted) or [
        *(name for name in EVOLUTION_PARAMETERS.names if name in frequent),
        *(name for name in frequent if name not in EVOLUTION_PARAMETERS.names),
    ]
    others = [f"{name} ({count} runs)" for name, count in counts.items() if name not in names]
    if others:
        reason = "not among `parameters`" if wanted else f"stated by less than half of the {len(points)} runs"
        notes[f"left out, {reason}"] = others
    unread = dict.fromkeys(name for run in records for name in run.unread if name not in names)
    if unread:
        notes["left out, no numbers"] = list(unread)
    entries = [_described(name, points, wanted.get(name), notes) for name in names]
    chosen = CorpusParameters(ParameterSpace(entries))
    table = np.array([values for run in records if not (found := chosen.select(run))[1] for values in [found[0]]])
    if not len(table):
        raise SpaceError("; ".join(dict.fromkeys(f"{run.file}: {chosen.select(run)[1]}" for run in records[:3])))
    varies = [len(table) == 1 or not _same(table[:, column]) for column in range(len(entries))]
    if not any(varies):
        notes[f"none varies among {len(table)} runs"] = names
        varies = [True] * len(entries)
    constants = {
        entry.name: Stated(float(table[0, column]), entry.unit)
        for column, entry in enumerate(entries)
        if not varies[column]
    }
    if constants:
        notes["left out, the same in every run"] = [
            f"{name} = {constant.value:g}{_unit(constant.unit)}" for name, constant in constants.items()
        ]
    space = [
        _spanning(entry, table[:, column], wanted.get(entry.name), notes)
        for column, entry in enumerate(entries)
        if varies[column]
    ]
    lines = tuple(f"{what}: {', '.join(which)}" for what, which in notes.items())
    return CorpusParameters(ParameterSpace(space), constants, lines)


def _described(name: str, points: Sequence[Parameters], settings: ParameterSettings | None, notes: _Notes) -> Parameter:
    """Return what is known of a parameter before its values are looked at."""
    stated = [point.space[name] for point in points if name in point]
    units = Counter(entry.unit for entry in stated if entry.unit)
    known = known_parameter(name)
    told = settings.unit if settings is not None else None
    unit = told or (known.unit if known else units.most_common(1)[0][0] if units else "")
    if units and not told and known is None and len(stated) > sum(units.values()):
        missing = len(stated) - sum(units.values())
        raise SpaceError(
            f"parameters: {name} has no unit in {missing} of {len(stated)} runs, and {unit!r} in others; "
            f"parameters.{name}.unit says which it is"
        )
    if not unit:
        unit = "dimensionless"
        notes["no unit is stated, taken as dimensionless"].append(name)
    elif not told and known is None:
        notes["unit taken from the runs"].append(f"{name}: {unit}")
    elif not told and not units:
        notes["no unit is stated, taken as in the simulator"].append(f"{name} in {unit}")
    first = known or stated[0]
    if known is None:
        first = replace(first, unit=unit, low=np.nan, high=np.nan)
    else:
        try:
            first = first.in_unit(unit)
        except ValueError:  # the same name for something else
            first = Parameter(name, unit)
    spans = {entry for entry in stated if np.isfinite([entry.low, entry.high]).all() and entry.unit}
    converted = []
    for entry in spans:
        try:
            converted.append(entry.in_unit(unit))
        except ValueError:
            continue  # the run that states it is told so
    if converted:
        first = replace(
            first,
            low=min(entry.low for entry in converted),
            high=max(entry.high for entry in converted),
            logarithmic=converted[0].logarithmic,
        )
    return first if settings is None else settings.describe(first)


def _spanning(entry: Parameter, values: np.ndarray, settings: ParameterSettings | None, notes: _Notes) -> Parameter:
    """Take range and axis from the values where nobody told them."""
    if np.isfinite([entry.low, entry.high]).all():
        return entry
    low, high = float(values.min()), float(values.max())
    if (settings is None or settings.logarithmic is None) and not entry.logarithmic:
        entry = replace(entry, logarithmic=low > 0 and high >= DECADES * low)
    entry = replace(
        entry, low=low if np.isnan(entry.low) else entry.low, high=high if np.isnan(entry.high) else entry.high
    )
    if len(values) > 1:
        notes["range and axis taken from the runs"].append(f"{entry.name} {entry.span}")
    return entry


def _same(values: np.ndarray) -> bool:
    return bool(np.ptp(values) <= SAME * np.abs(values).max())


def _unit(unit: str) -> str:
    return "" if unit == "dimensionless" else f" {unit}"
