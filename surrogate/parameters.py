"""The five parameters of a thermal evolution: names, symbols, units, ranges, transforms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from surrogate.units import to_magnitude


@dataclass(frozen=True)
class Parameter:
    """What is known about one parameter before any corpus is seen.

    Attributes
    ----------
    name, symbol, unit, description : str
        `symbol` is LaTeX; `unit` is spelled as pint reads it ("dimensionless" where it has none).
    low, high : float
        Range of the reference corpus, in `unit`.
    logarithmic : bool
        Whether the natural axis of the parameter is log10.
    """

    name: str
    symbol: str
    unit: str
    low: float
    high: float
    description: str
    logarithmic: bool = False

    def transform(self, value: Any) -> Any:
        """Map values in `unit` to the natural axis (log10 or unchanged)."""
        return np.log10(value) if self.logarithmic else np.asarray(value, dtype=float)

    def inverse(self, value: Any) -> Any:
        """Map values on the natural axis back to `unit`."""
        return np.power(10.0, value) if self.logarithmic else np.asarray(value, dtype=float)

    @property
    def label(self) -> str:
        """Axis label: words, symbol and unit."""
        unit = "" if self.unit == "dimensionless" else f" [{self.unit}]"
        return f"{self.name.replace('_', ' ')} ${self.symbol}${unit}"


PARAMETERS: tuple[Parameter, ...] = (
    Parameter("reference_viscosity", r"\eta_{\mathrm{ref}}", "Pa s", 1e19, 1e22,
              "viscosity at the reference temperature and pressure of the rheology", logarithmic=True),
    Parameter("activation_energy", "E", "J/mol", 1e5, 5e5, "activation energy of diffusion creep"),
    Parameter("activation_volume", "V", "m**3/mol", 4e-6, 1e-5, "activation volume of diffusion creep"),
    Parameter("crustal_enrichment", r"\Lambda", "dimensionless", 1.0, 50.0,
              "concentration of heat-producing elements in the crust over that in the mantle"),
    Parameter("initial_temperature", r"T_{\mathrm{ini}}", "K", 1600.0, 1800.0,
              "initial temperature of the mantle between its thermal boundary layers"),
)  # fmt: skip
"""The five parameters, in the order in which every array of parameters holds them."""

PARAMETER_NAMES: tuple[str, ...] = tuple(parameter.name for parameter in PARAMETERS)


@dataclass(frozen=True)
class Parameters:
    """One point in parameter space, SI units.

    Numbers, strings with a unit ("1e21 Pa s") and pint quantities are accepted by :meth:`create`.

    Examples
    --------
    >>> point = Parameters.create(reference_viscosity="1e21 Pa s", activation_energy="300 kJ/mol",
    ...     activation_volume=6e-6, crustal_enrichment=10, initial_temperature=1700)
    >>> point.activation_energy
    300000.0
    >>> point.outside()
    []
    """

    reference_viscosity: float
    activation_energy: float
    activation_volume: float
    crustal_enrichment: float
    initial_temperature: float

    def __post_init__(self) -> None:
        for parameter in PARAMETERS:
            value = to_magnitude(getattr(self, parameter.name), parameter.unit, parameter.name)
            if value <= 0:
                raise ValueError(f"{parameter.name}: expected a positive value in {parameter.unit}, got {value}")
            object.__setattr__(self, parameter.name, value)

    @classmethod
    def create(cls, values: Mapping[str, Any] | None = None, **keywords: Any) -> Parameters:
        """Build from a mapping and keywords; every one of the five must be there, and nothing else.

        Raises
        ------
        ValueError
            Naming the parameter that is missing, unknown or in the wrong unit.
        """
        given = {**(values or {}), **keywords}
        missing = [name for name in PARAMETER_NAMES if name not in given]
        unknown = [name for name in given if name not in PARAMETER_NAMES]
        if missing or unknown:
            complaint = [f"missing {', '.join(missing)}"] if missing else []
            complaint += [f"unknown {', '.join(map(str, unknown))}"] if unknown else []
            raise ValueError(f"parameters: {'; '.join(complaint)}; expected {', '.join(PARAMETER_NAMES)}")
        return cls(**{name: given[name] for name in PARAMETER_NAMES})

    @classmethod
    def from_array(cls, values: Any) -> Parameters:
        """Build from five numbers in the order of :data:`PARAMETERS`."""
        values = np.asarray(values, dtype=float)
        if values.shape != (len(PARAMETERS),):
            raise ValueError(
                f"parameters: expected the values of {', '.join(PARAMETER_NAMES)}, got shape {values.shape}"
            )
        return cls(*(float(value) for value in values))

    def as_dict(self) -> dict[str, float]:
        """Return the five values by name."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}

    def as_array(self) -> np.ndarray:
        """Return the five values, shape (5,), in the order of :data:`PARAMETERS`."""
        return np.array([getattr(self, name) for name in PARAMETER_NAMES], dtype=float)

    def outside(self, ranges: Mapping[str, tuple[float, float]] | None = None) -> list[str]:
        """Describe every value outside `ranges` (default: the ranges of the reference corpus), one line each."""
        lines = []
        for parameter in PARAMETERS:
            low, high = (ranges or {}).get(parameter.name, (parameter.low, parameter.high))
            value = getattr(self, parameter.name)
            # Table round trips may cost the last digit of an extreme value: allow for it.
            if not low * (1 - 1e-9) <= value <= high * (1 + 1e-9):
                lines.append(f"{parameter.name} = {value:g} {parameter.unit} is outside {low:g} .. {high:g}")
        return lines
