"""Parameters of a corpus: names, symbols, units, ranges and natural axes; the space they span and points in it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, NamedTuple, Self, overload

import numpy as np

from surrogate.units import read_quantity, read_stated, to_magnitude

RESERVED = (
    *("self", "parameters", "path", "time", "method", "interval", "band", "extrapolate", "samples", "seed"),
    *("simulation", "split", "temperature", "sample", "component", "parameter"),
)
"""What no parameter can be called: arguments of a question, and dimensions and variables of every answer."""


@dataclass(frozen=True)
class Parameter:
    """What is known about one parameter.

    Attributes
    ----------
    name : str
    unit : str
        As pint spells it; "dimensionless" where it has none, "" where a file does not say.
    low, high : float
        Range, in `unit`; NaN where it is not known.
    symbol, description : str
        `symbol` is LaTeX.
    logarithmic : bool
        Whether the natural axis of the parameter is log10.
    """

    name: str
    unit: str = "dimensionless"
    low: float = np.nan
    high: float = np.nan
    symbol: str = ""
    description: str = ""
    logarithmic: bool = False

    def natural(self, value: Any) -> Any:
        """Map values in `unit` to the natural axis (log10 or unchanged)."""
        return np.log10(value) if self.logarithmic else np.asarray(value, dtype=float)

    def from_natural(self, value: Any) -> Any:
        """Map values on the natural axis back to `unit`."""
        return np.power(10.0, value) if self.logarithmic else np.asarray(value, dtype=float)

    @property
    def positive(self) -> bool:
        """Whether only positive values make sense: on a logarithmic axis, or where the whole range is positive."""
        return self.logarithmic or self.low > 0

    @property
    def title(self) -> str:
        """Name in words."""
        return self.name.replace("_", " ")

    @property
    def label(self) -> str:
        """Axis label: words, symbol and unit."""
        symbol = f" ${self.symbol}$" if self.symbol else ""
        return self.title + symbol + ("" if self.unit in ("", "dimensionless") else f" [{self.unit}]")

    @property
    def span(self) -> str:
        """Range, unit and axis, for a reader.

        >>> Parameter("rayleigh_number", low=1e4, high=1e7, logarithmic=True).span
        '1e+04 .. 1e+07, logarithmic'
        """
        unit = "" if self.unit in ("", "dimensionless") else f" {self.unit.replace('**', '')}"
        return f"{self.low:.4g} .. {self.high:.4g}{unit}{', logarithmic' if self.logarithmic else ''}"

    def in_unit(self, unit: str) -> Parameter:
        """Return the same parameter in another unit, its range converted; one without a unit just gets it."""
        if self.unit in ("", unit):
            return replace(self, unit=unit)
        low, high = read_quantity([self.low, self.high], unit, self.name, self.unit).tolist()
        return replace(self, unit=unit, low=low, high=high)

    def read(self, value: Any) -> float:
        """Read a number (taken to be in `unit`), a string with a unit or a pint quantity.

        Raises
        ------
        ValueError
            Naming the parameter, if the value has another dimension, is not finite or cannot be.
        """
        number = to_magnitude(value, self.unit, self.name)
        if self.positive and number <= 0:
            raise ValueError(f"{self.name}: expected a positive value in {self.unit}, got {number}")
        return number


@dataclass(frozen=True)
class ParameterSpace(Sequence[Parameter]):
    """The parameters of a corpus, in the order in which every array of parameters holds them.

    It is stored with the design, the corpus, the models and the bundle. Arrays of parameters have the shape (..., n)
    and are in the units of the parameters.

    Attributes
    ----------
    parameters : tuple of Parameter

    Examples
    --------
    >>> space = ParameterSpace([Parameter("rayleigh_number", low=1e4, high=1e7, logarithmic=True),
    ...     Parameter("internal_heating", low=0, high=20)])
    >>> space.scale([[1e4, 20.0]]).tolist(), space.unscale([[1.0, 0.5]]).round(3).tolist()
    ([[0.0, 1.0]], [[10000000.0, 10.0]])
    >>> space.names, len(space), space["internal_heating"].high
    (('rayleigh_number', 'internal_heating'), 2, 20)
    """

    parameters: tuple[Parameter, ...]

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        object.__setattr__(self, "parameters", tuple(parameters))
        names = [parameter.name for parameter in self.parameters]
        repeated = sorted({name for name in names if names.count(name) > 1})
        wrong = [name for name in names if not name.isidentifier()]
        if not names or repeated or wrong:
            raise ValueError(f"parameters: expected one or more different identifiers, got {names}")
        reserved = [name for name in names if name in RESERVED]
        if reserved:
            raise ValueError(f"parameters: {', '.join(reserved)} has another meaning here; expected another name")

    @overload
    def __getitem__(self, key: int | str) -> Parameter: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Parameter, ...]: ...
    def __getitem__(self, key: int | str | slice) -> Parameter | tuple[Parameter, ...]:
        return self.parameters[self.names.index(key) if isinstance(key, str) else key]

    def __len__(self) -> int:
        return len(self.parameters)

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def low(self) -> np.ndarray:
        """Lower ends of the ranges on the natural axes, shape (n,)."""
        return np.array([float(parameter.natural(parameter.low)) for parameter in self.parameters])

    @property
    def high(self) -> np.ndarray:
        """Upper ends of the ranges on the natural axes, shape (n,)."""
        return np.array([float(parameter.natural(parameter.high)) for parameter in self.parameters])

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Lower and upper end of each range by name, in the unit of the parameter."""
        return {parameter.name: (parameter.low, parameter.high) for parameter in self.parameters}

    def with_ranges(self, ranges: Mapping[str, tuple[float, float]]) -> ParameterSpace:
        """Return the same parameters with the ranges given, by name; the others keep theirs."""
        return ParameterSpace(
            [
                replace(parameter, low=float(ranges[parameter.name][0]), high=float(ranges[parameter.name][1]))
                if parameter.name in ranges
                else parameter
                for parameter in self.parameters
            ]
        )

    def spanned_by(self, values: Any) -> ParameterSpace:
        """Return the same parameters with the ranges that a table of values, shape (run, n), covers."""
        table = self.check(values)
        return self.with_ranges(
            dict(zip(self.names, zip(table.min(axis=0), table.max(axis=0), strict=True), strict=True))
        )

    def check(self, values: Any) -> np.ndarray:
        """Return values as an array of floats of shape (..., n).

        Raises
        ------
        ValueError
            If the last axis does not hold the parameters.
        """
        array = np.asarray(values, dtype=float)
        if array.shape[-1:] != (len(self),):
            raise ValueError(
                f"parameters: expected the values of {', '.join(self.names)}, shape (..., {len(self)}), "
                f"got shape {array.shape}"
            )
        return array

    def natural(self, values: Any) -> np.ndarray:
        """Map values, shape (..., n), to the natural axes."""
        array = self.check(values)
        return np.stack([entry.natural(array[..., column]) for column, entry in enumerate(self.parameters)], axis=-1)

    def from_natural(self, values: Any) -> np.ndarray:
        """Map values on the natural axes, shape (..., n), back to the units of the parameters."""
        array = self.check(values)
        return np.stack(
            [entry.from_natural(array[..., column]) for column, entry in enumerate(self.parameters)], axis=-1
        )

    def scale(self, values: Any) -> np.ndarray:
        """Map values, shape (..., n), to the unit cube: 0 and 1 are the ends of the ranges, on the natural axes.

        A parameter whose range is a single value maps to 0.
        """
        span = self.high - self.low
        return np.asarray((self.natural(values) - self.low) / np.where(span > 0, span, np.inf))

    def unscale(self, unit: Any) -> np.ndarray:
        """Map points of the unit cube, shape (..., n), to values within the ranges."""
        values = self.from_natural(self.low + (self.high - self.low) * self.check(unit))
        # 10 ** log10(x) may leave the range by one digit.
        low, high = ([getattr(entry, end) for entry in self.parameters] for end in ("low", "high"))
        return np.asarray(np.clip(values, low, high))

    def draw(self, count: int, seed: int) -> np.ndarray:
        """Draw a scrambled Sobol sample of the ranges, shape (count, n); a larger one begins with a smaller one.

        >>> bool((EVOLUTION_PARAMETERS.draw(16, 1)[:8] == EVOLUTION_PARAMETERS.draw(8, 1)).all())
        True
        """
        from scipy.stats import qmc

        sampler = qmc.Sobol(d=len(self), scramble=True, rng=np.random.default_rng(seed))
        with warnings.catch_warnings():
            # Any number of points is allowed; only a power of two is balanced.
            warnings.filterwarnings("ignore", message="The balance properties of Sobol", category=UserWarning)
            return self.unscale(sampler.random(count))

    def read(self, values: Mapping[str, Any]) -> np.ndarray:
        """Read one value of each parameter, shape (n,): numbers, strings with units, pint quantities.

        Raises
        ------
        ValueError
            Naming the parameter that is missing, unknown or in the wrong unit.
        """
        self.check_names(values)
        return np.array([entry.read(values[entry.name]) for entry in self.parameters])

    def check_names(self, names: Any) -> None:
        """Refuse names that do not belong here and say which are missing.

        Raises
        ------
        ValueError
            Naming them, with what a misspelt one may mean.
        """
        missing = [name for name in self.names if name not in names]
        complaints = [f"missing {', '.join(missing)}"] if missing else []
        for name in names:
            if name not in self.names:
                near = get_close_matches(str(name), self.names, 1)
                complaints.append(f"unknown {name}" + (f" (did you mean {near[0]}?)" if near else ""))
        if complaints:
            raise ValueError(f"parameters: {'; '.join(complaints)}; expected {', '.join(self.names)}")

    def outside(self, values: Any) -> list[str]:
        """Describe every value of a point, shape (n,), that lies outside its range, one line each."""
        lines = []
        for entry, value in zip(self.parameters, self.check(values), strict=True):
            # Table round trips may cost the last digit of an extreme value: allow for it.
            slack = 1e-9 * max(abs(entry.low), abs(entry.high))
            if value < entry.low - slack or value > entry.high + slack:
                unit = "" if entry.unit == "dimensionless" else f" {entry.unit}"
                lines.append(f"{entry.name} = {value:g}{unit} is outside {entry.low:g} .. {entry.high:g}")
        return lines

    def select(self, point: Parameters) -> np.ndarray:
        """Return the values of these parameters, shape (n,), out of a point that may hold others and in other units.

        Raises
        ------
        ValueError
            Naming the parameter that the point lacks, or whose value cannot be: no conversion, not positive.
        """
        missing = [name for name in self.names if name not in point]
        if missing:
            raise ValueError(f"lacks the parameter {', '.join(missing)}; it has {', '.join(point)}")
        values = []
        for entry in self.parameters:
            unit = point.space[entry.name].unit or entry.unit
            value = read_quantity(point[entry.name], entry.unit, f"parameter {entry.name}", unit)
            values.append(entry.read(float(value)))
        return np.array(values)

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Return what JSON can hold: by name everything that is known of each parameter."""
        content = {}
        for parameter in self.parameters:
            entry = asdict(parameter)
            name = entry.pop("name")
            content[name] = {key: None if value != value else value for key, value in entry.items()}
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Mapping[str, Any]]) -> Self:
        """Rebuild from :meth:`as_dict`.

        >>> ParameterSpace.from_dict(EVOLUTION_PARAMETERS.as_dict()) == EVOLUTION_PARAMETERS
        True
        """
        known = {entry.name for entry in fields(Parameter)}
        return cls(
            [
                Parameter(name, **{key: value for key, value in entry.items() if key in known and value is not None})
                for name, entry in content.items()
            ]
        )


EVOLUTION_PARAMETERS = ParameterSpace(
    [
        Parameter(
            "reference_viscosity",
            "Pa s",
            1e19,
            1e22,
            r"\eta_{\mathrm{ref}}",
            "viscosity at the reference temperature and pressure of the rheology",
            logarithmic=True,
        ),
        Parameter("activation_energy", "J/mol", 1e5, 5e5, "E", "activation energy of diffusion creep"),
        Parameter("activation_volume", "m**3/mol", 4e-6, 1e-5, "V", "activation volume of diffusion creep"),
        Parameter(
            "crustal_enrichment",
            "dimensionless",
            1.0,
            50.0,
            r"\Lambda",
            "concentration of heat-producing elements in the crust over that in the mantle",
        ),
        Parameter(
            "initial_temperature",
            "K",
            1600.0,
            1800.0,
            r"T_{\mathrm{ini}}",
            "initial temperature of the mantle between its thermal boundary layers",
        ),
    ]
)
"""The parameters of the simulator's thermal evolutions, with the ranges of the reference corpus (arXiv:2108.10105)."""

CONVECTION_PARAMETERS = ParameterSpace(
    [
        Parameter(
            "rayleigh_number",
            low=1e4,
            high=1e7,
            symbol=r"\mathrm{Ra}",
            description="buoyancy over diffusion, of the temperature difference between the walls",
            logarithmic=True,
        ),
        Parameter(
            "internal_heating",
            low=0.0,
            high=20.0,
            symbol="H",
            description="heat production over what the temperature difference would conduct",
        ),
    ]
)
"""The parameters of the simulator's dimensionless convection."""

MODEL_PARAMETERS = {"evolution": EVOLUTION_PARAMETERS, "convection": CONVECTION_PARAMETERS}
"""The parameters of each model of the simulator, by ``simulator.model`` of the configuration."""


def known_parameter(name: str) -> Parameter | None:
    """Return what the simulator knows of a parameter of that name."""
    return next((entry for entry in EVOLUTION_PARAMETERS if entry.name == name), None)


class Stated(NamedTuple):
    """A value as a file or a table states it; `unit` is "" where it states none."""

    value: float
    unit: str

    @classmethod
    def read(cls, name: str, value: Any, where: str, unit: str | None = None) -> Stated:
        """Read a value of parameter `name`; one that the simulator knows comes in the unit that it has there.

        Parameters
        ----------
        name : str
        value, unit : optional
            As :func:`surrogate.units.read_stated` takes them.
        where : str
            File and variable, or table, line and column, for the error.

        Raises
        ------
        UnitError
            If it is no finite number, or its unit is not known or does not convert.
        """
        known = known_parameter(name)
        number, found = read_stated(value, where, unit)
        if known is None or not found:
            return cls(number, found)
        return cls(float(read_quantity(number, known.unit, where, found)), known.unit)


@dataclass(frozen=True, init=False)
class Parameters(Mapping[str, float]):
    """One point of a parameter space: a mapping whose values are also attributes, in the units of the parameters.

    Parameters
    ----------
    *values : float, str or quantity
        All values in the order of the space.
    space : ParameterSpace, optional
        Default: those of the simulator's thermal evolutions.
    **named : optional
        Values by name, instead.

    Examples
    --------
    >>> point = Parameters(reference_viscosity="1e21 Pa s", activation_energy="300 kJ/mol", activation_volume=6e-6,
    ...     crustal_enrichment=10, initial_temperature=1700)
    >>> point.activation_energy, point["crustal_enrichment"]
    (300000.0, 10.0)
    """

    values_: tuple[float, ...]
    space: ParameterSpace

    def __init__(self, *values: Any, space: ParameterSpace = EVOLUTION_PARAMETERS, **named: Any) -> None:
        if values and len(values) != len(space):
            space.check(np.zeros(len(values)))  # says what was expected
        given = {**dict(zip(space.names, values, strict=False)), **named}
        object.__setattr__(self, "values_", tuple(float(value) for value in space.read(given)))
        object.__setattr__(self, "space", space)

    @classmethod
    def create(
        cls, values: Mapping[str, Any] | None = None, space: ParameterSpace = EVOLUTION_PARAMETERS, **named: Any
    ) -> Parameters:
        """Build from a mapping and keywords, which win; every parameter of the space must be there, and nothing else.

        Raises
        ------
        ValueError
            Naming the parameter that is missing, unknown or in the wrong unit.
        """
        return cls(space=space, **{**(values or {}), **named})

    @classmethod
    def from_array(cls, values: Any, space: ParameterSpace = EVOLUTION_PARAMETERS) -> Parameters:
        """Build from numbers, shape (n,), in the order of the space."""
        array = np.asarray(values, dtype=float)
        if array.ndim != 1:
            raise ValueError(f"parameters: expected the values of {', '.join(space.names)}, got shape {array.shape}")
        return cls(*space.check(array).tolist(), space=space)

    def __getitem__(self, name: str) -> float:
        try:
            return self.values_[self.space.names.index(name)]
        except ValueError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.space.names)

    def __len__(self) -> int:
        return len(self.values_)

    def __getattr__(self, name: str) -> float:
        # Only what is no real attribute comes here; `space` does when an instance is being unpickled.
        if name.startswith("_") or name in ("space", "values_") or name not in self.space.names:
            raise AttributeError(f"{type(self).__name__} has no {name!r}")
        return self[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.space.names]

    def as_array(self) -> np.ndarray:
        """Return the values, shape (n,), in the order of the space."""
        return np.array(self.values_)

    def outside(self, ranges: Mapping[str, tuple[float, float]] | None = None) -> list[str]:
        """Describe every value outside `ranges` (default: those of the space), one line each."""
        return self.space.with_ranges(ranges or {}).outside(self.as_array())
