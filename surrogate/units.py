"""Numbers with units: what comes from outside is read with pint here; inside, everything is a plain float."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pint

GAS_CONSTANT = 8.314
"""Universal gas constant, J/mol/K."""

YEAR = 3.15576e7
"""One Julian year, s."""

GIGAYEAR = 1e9 * YEAR
"""One billion Julian years, s."""


_UNIT = r"[A-Za-z_µμΩ°%]+[²³]?(?:(?:\*\*|\^)[+-]?\d{1,2})?"
_NUMBER_AND_UNIT = re.compile(
    r"\s*(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    rf"\s*\*?\s*(?P<unit>(?:{_UNIT}(?:(?:\s*[*/·]\s*|\s+){_UNIT})*)?)\s*"
)


@lru_cache(maxsize=1)
def unit_registry() -> pint.UnitRegistry:
    """Return the one pint registry of this package (built on first use: it takes a few hundred ms)."""
    import pint

    registry: pint.UnitRegistry = pint.UnitRegistry()
    return registry


def to_magnitude(value: Any, unit: str, name: str) -> float:
    """Convert a number, a string with a unit or a pint quantity to a plain float in `unit`.

    Parameters
    ----------
    value : float, str or pint.Quantity
        A bare number is taken to be in `unit` already.
    unit : str
        The unit wanted, as pint spells it, e.g. ``"Pa s"``.
    name : str
        What the value is, for the error message.

    Returns
    -------
    float
        The magnitude in `unit`.

    Raises
    ------
    ValueError
        If the value cannot be read, is not finite, or has the wrong dimension.

    Examples
    --------
    >>> to_magnitude("1e20 Pa s", "Pa s", "reference viscosity")
    1e+20
    >>> to_magnitude("300 kJ/mol", "J/mol", "activation energy")
    300000.0
    """
    import pint

    try:
        if isinstance(value, str):
            value = _quantity(value)
        if hasattr(value, "to") and hasattr(value, "magnitude"):
            value = value.to(unit).magnitude
        if isinstance(value, bool | np.bool_ | bytes):
            raise TypeError(f"{type(value).__name__} is not a number")
        number = float(value)
    except pint.DimensionalityError as error:
        raise ValueError(f"{name}: expected a value in {unit}, got {value!s}: {error}") from error
    except (pint.PintError, TypeError, ValueError, AssertionError, AttributeError) as error:
        raise ValueError(f"{name}: expected a number in {unit}, got {value!r}") from error
    if not np.isfinite(number):
        raise ValueError(f"{name}: expected a finite number in {unit}, got {number}")
    return number


def _quantity(text: str) -> Any:
    # pint alone would read "1,7e3 K" as 17000 K, stop at a semicolon, take "K" for 1 K and compute "9**9**9".
    match = _NUMBER_AND_UNIT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a number with a unit")
    number = float(match["number"])
    return unit_registry().Quantity(number, match["unit"]) if match["unit"] else number
