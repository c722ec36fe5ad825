"""Observations of a planet as data: values with errors, intervals, one-sided bounds; with units, sources and notes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from surrogate.parameters import ParameterSpace
from surrogate.quantities import DIMENSIONAL, VARIABLES, Units
from surrogate.units import to_magnitude

FLUX_MISMATCH = 0.10
"""Structural error of heat fluxes: a cylinder has 7 % more volume per surface than the sphere, simulators a bias."""

FLUXES = ("total_surface_heat_flux", "surface_heat_flux", "core_mantle_boundary_heat_flux", "urey_ratio")

MEASURED = ("time", "value", "error", "low", "high", "surrogate_error")
"""Attributes of an observation that may carry a unit."""

SAME = (
    {"total_surface_heat_flux", "surface_heat_flux", "urey_ratio"},
    {"crust_concentration", "crust_heat_flux", "crustal_enrichment"},
)
"""Quantities of which, at one time, two say the same."""

FOLLOWS = ("lithosphere_gradient", {"lithosphere_thickness", "potential_temperature"})
"""A quantity that follows from others."""

SOFTNESS = 1e-3
"""Width, as a share of its length, of the ends of an interval of what is known exactly: a parameter, say."""


class ObservationError(ValueError):
    """Observations that cannot be used; the message names them, what was expected and what came."""


@dataclass(frozen=True)
class Observation:
    """One thing that is known of a planet.

    Attributes
    ----------
    quantity : str
        An observable (:attr:`surrogate.query.Observables.names`) or a parameter of the surrogate.
    time : float or str
        Gyr since the start of the evolution, or with a unit; of no account for a parameter.
    value, error : float or str, optional
        Measured value and its standard error: numbers in the unit of :data:`surrogate.quantities.VARIABLES` (of a
        parameter: of the space), or texts with units.
    low, high : float or str, optional
        An interval instead; one of them may be left out.
    structural_error : float, optional
        What the model misses, as a share of the predicted value. Default: 0.1 for heat fluxes, else 0.
    surrogate_error : float or str, optional
        Standard error of the surrogate, where its bundle does not know it.
    use : tuple of str
        Names of the sets in which it is used.
    source, note : str
    units : Units
        Of the corpus that it is compared with.

    Examples
    --------
    >>> flux = Observation("total_surface_heat_flux", 4.5, low="14 mW/m2", high="25 mW/m2")
    >>> round(flux.low, 6), flux.high, flux.structural_error, flux.text
    (0.014, 0.025, 0.1, '0.014 .. 0.025 W m-2')
    """

    quantity: str
    time: Any = 4.5
    value: Any = None
    error: Any = None
    low: Any = None
    high: Any = None
    structural_error: float | None = None
    surrogate_error: Any = None
    use: tuple[str, ...] = ("default",)
    source: str = ""
    note: str = ""
    units: Units = field(default=DIMENSIONAL, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_given", {name: getattr(self, name) for name in MEASURED})
        given = {name for name in ("value", "error", "low", "high") if getattr(self, name) is not None}
        if given not in ({"value", "error"}, {"low"}, {"high"}, {"low", "high"}):
            got = ", ".join(sorted(given)) or "none"
            raise ObservationError(f"{self.quantity}: expected value and error, or low, high or both, got {got}")
        if self.structural_error is None:
            object.__setattr__(self, "structural_error", FLUX_MISMATCH if self.quantity in FLUXES else 0.0)
        elif not self.structural_error >= 0:
            raise ObservationError(
                f"{self.quantity}: structural_error: expected a share from 0, got {self.structural_error}"
            )
        object.__setattr__(self, "time", self._read("time", self.units.unit("time")))
        object.__setattr__(self, "use", (self.use,) if isinstance(self.use, str) else tuple(self.use))
        if self.quantity in VARIABLES:
            self._convert(self.units.unit(self.quantity))

    def _read(self, name: str, unit: str) -> float | None:
        value, unit = getattr(self, name), "dimensionless" if unit == "1" else unit
        if value is None:
            return None
        try:
            return to_magnitude(value, unit, f"{self.quantity}: {name}", difference=name.endswith("error"))
        except ValueError as error:
            raise ObservationError(str(error)) from None

    def _convert(self, unit: str) -> None:
        for name in ("value", "error", "low", "high", "surrogate_error"):
            object.__setattr__(self, name, self._read(name, unit))
        if self.error is not None and not self.error > 0:
            raise ObservationError(f"{self.quantity}: error: expected more than 0, got {self.error:g}")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ObservationError(f"{self.quantity}: expected low < high, got {self.low:g} and {self.high:g}")

    def of(self, space: ParameterSpace, units: Units = DIMENSIONAL) -> Observation:
        """Return the same with numbers as a surrogate has them: a dimensionless one takes no units."""
        if self.quantity in VARIABLES or self.quantity not in space.names:
            return replace(self, **self._given, units=units) if units != self.units else self  # type: ignore[attr-defined]
        read = replace(self)
        read._convert(space[self.quantity].unit)
        return read

    def record(self) -> dict[str, Any]:
        """Return what JSON can hold: the attributes, with numbers in the units of the corpus."""
        names = [name for name in self.__dataclass_fields__ if name != "units"]
        return {name: getattr(self, name) for name in names}

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the interval, infinite where it has none; of a value, the value twice."""
        if self.value is not None:
            return self.value, self.value
        return -np.inf if self.low is None else self.low, np.inf if self.high is None else self.high

    @property
    def name(self) -> str:
        """Quantity and time, as results call it."""
        when = f"{self.time:g} Gyr" if self.units.dimensional else f"{self.time:g}"
        return f"{self.quantity} at {when}" if self.quantity in VARIABLES else self.quantity

    @property
    def text(self) -> str:
        """What is known, in words."""
        unit = self.units.unit(self.quantity) if self.quantity in VARIABLES else ""
        if self.value is not None:
            words = f"{self.value:.4g} +- {self.error:.2g}"
        elif self.low is None or self.high is None:
            words = f"> {self.low:.4g}" if self.high is None else f"< {self.high:.4g}"
        else:
            words = f"{self.low:.4g} .. {self.high:.4g}"
        return f"{words} {'' if unit == '1' else unit}".strip()


@dataclass(frozen=True)
class Observations(Sequence[Observation]):
    """What is known of a planet.

    Attributes
    ----------
    entries : tuple of Observation
    caveats : tuple of str
        What is said beside every result.

    Examples
    --------
    >>> [entry.quantity for entry in MARS]
    ['total_surface_heat_flux', 'lithosphere_thickness', 'potential_temperature', 'core_temperature']
    >>> MARS.only("lithosphere_thickness")[0].text
    '5.4e+05 +- 1.2e+05 m'
    """

    entries: tuple[Observation, ...]
    caveats: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", tuple(self.entries))
        named: dict[tuple[str, float], Observation] = {}
        for entry in self.entries:
            if (entry.quantity, entry.time) in named:
                raise ObservationError(f"{entry.name}: given twice")
            named[entry.quantity, entry.time] = entry
        for time in {entry.time for entry in self.entries}:
            here = {entry.quantity for entry in self.entries if entry.time == time}
            for group in SAME:
                if len(group & here) > 1:
                    raise ObservationError(
                        f"{' and '.join(sorted(group & here))} at {time:g} Gyr count the same thing twice: keep one"
                    )
            if FOLLOWS[0] in here and here >= FOLLOWS[1]:
                raise ObservationError(
                    f"{FOLLOWS[0]} at {time:g} Gyr follows from {' and '.join(sorted(FOLLOWS[1]))}: it counts twice"
                )

    def __getitem__(self, index: Any) -> Any:
        return self.entries[index]

    def __len__(self) -> int:
        return len(self.entries)

    def only(self, *names: str) -> Observations:
        """Return those of these quantities, or of these names with their times.

        Raises
        ------
        ObservationError
            Naming the one that is not there.
        """
        self._check(names)
        return replace(
            self, entries=tuple(entry for entry in self.entries if {entry.quantity, entry.name} & set(names))
        )

    def without(self, *names: str) -> Observations:
        """Return all but those of these quantities or names."""
        self._check(names)
        return replace(
            self, entries=tuple(entry for entry in self.entries if not {entry.quantity, entry.name} & set(names))
        )

    def _check(self, names: Iterable[str]) -> None:
        known = [entry.quantity for entry in self.entries] + [entry.name for entry in self.entries]
        for name in names:
            if name not in known:
                raise ObservationError(f"{name}: no such observation; there are {', '.join(known) or 'none'}")

    def sources(self) -> Iterator[str]:
        """Lines that say what is used and where it comes from."""
        for entry in self.entries:
            yield f"{entry.name}: {entry.text}" + (f" ({entry.source})" if entry.source else "")


def read_observations(source: Any = "mars", chosen: str = "default") -> Observations:
    """Read observations.

    Parameters
    ----------
    source : Observations, sequence of Observation, path, or "mars"
        A YAML file holds ``observations``, a list of mappings with the attributes of :class:`Observation`, and
        ``caveats``, a list of sentences; ``surrogate observations`` prints the one of Mars.
    chosen : str
        Name of the set that is used, of those that the entries of a file name under ``use``.

    Raises
    ------
    ObservationError
        Naming file and entry.
    """
    if isinstance(source, Observations):
        return source
    if isinstance(source, str | os.PathLike):
        text = mars_text() if source == "mars" else _text_of(Path(source))
        return _parse(text, str(source), chosen)
    return Observations(tuple(source))


def mars_text() -> str:
    """Return the YAML of the observations of Mars."""
    return (files("surrogate") / "data" / "observations_mars.yaml").read_text(encoding="utf-8")


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ObservationError(f"{path}: {error.strerror or error}; expected a YAML file of observations") from None


@lru_cache(maxsize=8)
def _parse(text: str, source: str, chosen: str) -> Observations:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ObservationError(f"{source}: not valid YAML: {error}") from None
    if not isinstance(content, Mapping) or not isinstance(content.get("observations"), list):
        raise ObservationError(f"{source}: expected a list under the key observations")
    unknown = sorted(set(content) - {"observations", "caveats"})
    if unknown:
        raise ObservationError(f"{source}: unknown key {', '.join(unknown)}; expected observations and caveats")
    entries = []
    for number, entry in enumerate(content["observations"], 1):
        known = set(Observation.__dataclass_fields__) - {"units"}
        if not isinstance(entry, Mapping) or "quantity" not in entry or set(entry) - known:
            wrong = sorted(set(entry) - known) if isinstance(entry, Mapping) else entry
            raise ObservationError(f"{source}: observation {number}: expected some of {sorted(known)}, got {wrong}")
        try:
            entries.append(Observation(**entry))
        except ObservationError as error:
            raise ObservationError(f"{source}: {error}") from None
    sets = sorted({name for entry in entries for name in entry.use})
    if chosen not in sets:
        raise ObservationError(f"{source}: no observation is used in a set {chosen!r}; there are {', '.join(sets)}")
    used = tuple(entry for entry in entries if chosen in entry.use)
    return Observations(used, tuple(map(str, content.get("caveats", ()))))


MARS = read_observations("mars")
"""The default observations of Mars."""
