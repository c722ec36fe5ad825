"""The one place where a number from outside becomes a number inside: unit, mask and origin are read here.

What a file, a table, a configuration or a question gives passes through :func:`read_quantity` (or, a single number,
:func:`to_magnitude`); inside the package everything is a plain float in a unit that is known. Units are those of pint,
in its spelling or in that of UDUNITS, which CF files use.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
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

LARGEST_POWER = 12
"""A unit to a higher power is a slip."""

_UNSTATED = ("", "none", "n/a", "unknown", "undefined")
_DIMENSIONLESS = ("1", "-", "dimensionless", "unitless", "nondimensional", "non-dimensional")
_SUPERSCRIPTS = str.maketrans("⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "+-0123456789")
_OTHER_SPELLINGS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"^\[(.*)\]$"), r"\1"),
    (re.compile(r"\s+(?:since|after|from|ref)\s+.*$"), ""),  # time counts from what the file calls its start
    (re.compile(r"\b(?:arc_?)?degrees?_?(?:north|south|east|west|N|S|E|W)\b"), "degree"),
    (re.compile(r"(?:\b(?:deg|degrees?)|°)[\s_]*(?:Celsius|celsius|C)\b"), "degC"),
    (re.compile(r"(?:\b(?:deg|degrees?)|°)[\s_]*(?:Fahrenheit|fahrenheit|F)\b"), "degF"),
    (re.compile(r"(?:\b(?:deg|degrees?)|°)[\s_]*(?:Kelvin|kelvin|K)\b"), "K"),
    (re.compile("°"), "degree"),
    (re.compile("[⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+"), lambda found: "^" + found[0].translate(_SUPERSCRIPTS)),
)
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?"
_TEN = r"10\s*(?:\^|\*\*)\s*(?P<power>[+-]?\d{1,3})"
_VALUE = re.compile(
    rf"\s*(?P<sign>[+-]?)(?:(?:(?P<factor>{_NUMBER})\s*[x×*·]\s*)?{_TEN}(?!\d)|(?P<number>{_NUMBER}))"
    r"\s*\*?\s*(?P<unit>.*)",
    re.DOTALL,
)
_TOKEN = re.compile(
    rf"\s*(?:{_TEN.replace('power', 'ten')}|(?P<number>{_NUMBER})|(?P<open>\()|(?P<close>\))"
    r"|(?P<operator>\*(?!\*)|/|[·⋅×.]|per\b)"
    r"|(?P<word>(?:[^\W\d]|[°%])[\w°]*)(?:\s*(?:\*\*|\^)\s*(?P<power>[+-]?\d+(?:\.\d+)?)|(?P<suffix>[+-]\d+))?)"
)
_CLOCKS = {"Y": "year", "M": "month", "W": "week", "D": "day", "h": "hour", "m": "minute"}


class UnitError(ValueError):
    """A value or a unit that cannot be read; the message names what it is, the unit found and the one expected."""


@lru_cache(maxsize=1)
def unit_registry() -> pint.UnitRegistry[Any]:
    """Return the one pint registry of this package (built on first use: it takes a few hundred ms)."""
    import pint

    registry: pint.UnitRegistry[Any] = pint.UnitRegistry()
    return registry


def read_quantity(value: Any, unit: str, name: str, stated: str | None = None, difference: bool = False) -> np.ndarray:
    """Read numbers that carry their unit, or are in the unit that is expected, or in one that is stated elsewhere.

    Parameters
    ----------
    value : number, str, or array, sequence, pandas or xarray object of them, or a quantity of pint or astropy
        The unit is that of a quantity, the attribute ``units`` of an xarray or pandas object, what stands behind the
        number in a text, or the resolution of ``timedelta64``. Masked values become NaN.
    unit : str
        The unit wanted.
    name : str
        What the value is and where it comes from, for the error: ``"run_1.nc: variable 'time'"``.
    stated : str, optional
        Unit that the configuration states. It must mean the same as the one that the value carries, if it carries one.
    difference : bool
        Of temperatures: convert a difference, so that 10 degC are 10 K.

    Returns
    -------
    array of float
        Of the shape of `value`, in `unit`; single precision stays single.

    Raises
    ------
    UnitError
        If the value is no number (a date, a truth value, an unreadable text), or its unit cannot be converted or
        contradicts the one stated.

    Examples
    --------
    >>> read_quantity(["500 Myr", "1e9 yr", 4.5], "Gyr", "time").tolist()
    [0.5, 1.0, 4.5]
    >>> read_quantity([0.0, 1426.85], "K", "temperature", stated="degC").tolist()
    [273.15, 1700.0]
    >>> float(read_quantity("3x10^5 J mol-1", "kJ/mol", "activation energy"))
    300.0
    """
    numbers, found = _split(value, name)
    if numbers.dtype == object:  # every entry may carry a unit of its own
        entries = [read_quantity(entry, unit, name, stated or found, difference) for entry in numbers.ravel()]
        if any(entry.ndim for entry in entries):
            raise UnitError(f"{name}: expected numbers in {unit}, got a nested sequence")
        return np.array([float(entry) for entry in entries]).reshape(numbers.shape)
    factor, offset = _conversion(found or stated or unit, unit, difference, name)
    if found and stated and _conversion(stated, unit, difference, name) != (factor, offset):
        raise UnitError(f"{name}: its unit is {found!r}, but the configuration states {stated!r}")
    return numbers if (factor, offset) == (1.0, 0.0) else numbers * factor + offset


def to_magnitude(value: Any, unit: str, name: str, difference: bool = False) -> float:
    """Read one finite number: as :func:`read_quantity`, for a single value.

    Parameters
    ----------
    value : float, str or quantity
        A bare number is taken to be in `unit` already.
    unit : str
        The unit wanted, as pint or UDUNITS spell it, e.g. ``"Pa s"``.
    name : str
        What the value is, for the error message.
    difference : bool
        Of temperatures: convert a difference.

    Returns
    -------
    float
        The magnitude in `unit`.

    Raises
    ------
    UnitError
        A ValueError, if the value cannot be read, is not finite, or has the wrong dimension.

    Examples
    --------
    >>> to_magnitude("1e20 Pa s", "Pa s", "reference viscosity")
    1e+20
    >>> to_magnitude("300 kJ/mol", "J/mol", "activation energy")
    300000.0
    """
    if isinstance(value, float | int) and not isinstance(value, bool):
        number = float(value)
    else:
        numbers = read_quantity(value, unit, name, difference=difference)
        if numbers.size != 1 or isinstance(value, list | tuple):
            raise UnitError(f"{name}: expected a number in {unit}, got {numbers.size} values")
        number = float(numbers.reshape(()))
    if not np.isfinite(number):
        raise UnitError(f"{name}: expected a finite number in {unit}, got {number}")
    return number


def read_stated(value: Any, name: str, stated: str | None = None) -> tuple[float, str]:
    """Read one finite number in the unit that it carries, and that unit as pint spells it, "" where there is none.

    Parameters
    ----------
    value, name, stated
        As :func:`read_quantity` takes them.

    Raises
    ------
    UnitError
        If the value cannot be read, is not finite, or has a unit that is not known or contradicts the one stated.

    Examples
    --------
    >>> read_stated("50 MPa", "yield stress"), read_stated(1e6, "Rayleigh number"), read_stated("3", "depth", "km")
    ((50.0, 'MPa'), (1000000.0, ''), (3.0, 'km'))
    """
    numbers, found = _split(value, name)
    if numbers.dtype == object and numbers.size == 1:
        numbers, found = _split(numbers.ravel()[0], name)
    unit = found or stated or ""
    number = read_quantity(value, unit, name, stated) if unit else numbers
    if number.size != 1 or not np.isfinite(number).all():
        raise UnitError(f"{name}: expected one finite number, got {number.tolist()}")
    scale, spelled = _pint_spelling(unit, name) if unit else (1.0, "")
    return scale * float(number.reshape(())), spelled


@lru_cache(maxsize=1024)
def _pint_spelling(unit: str, name: str) -> tuple[float, str]:
    """Return the number in front of a unit, and the unit as pint alone understands it."""
    try:
        scale, parsed = _parse_unit(unit)
    except Exception as error:  # pint has a dozen kinds
        raise UnitError(f"{name}: unit {unit!r}: {error}") from None
    if parsed == unit_registry().dimensionless:
        return scale, "dimensionless"
    try:
        if unit_registry().Unit(unit) == parsed and unit.isascii():
            return scale, unit
    except Exception:  # as above
        pass
    text = f"{parsed:~C}".replace("**", "^").replace("*", " ").replace("^", "**")
    return scale, text if text.isascii() else str(parsed)


def _split(value: Any, name: str) -> tuple[np.ndarray, str | None]:
    """Part a value into numbers (NaN where masked) and the unit that it carries, None if it carries none.

    Texts among several values stay as they are, in an array of objects.
    """
    xarray, pandas = sys.modules.get("xarray"), sys.modules.get("pandas")
    if xarray is not None and isinstance(value, xarray.DataArray | xarray.Variable):
        return _with_unit(value.data, _unit_of(value.attrs), name)
    if pandas is not None and isinstance(value, pandas.Series | pandas.Index):
        inner = value.array.quantity if hasattr(value.array, "quantity") else None
        if inner is None:
            inner = value.to_numpy(float, na_value=np.nan) if value.dtype.kind in "iuf" else value.to_numpy()
        return _with_unit(inner, _unit_of(getattr(value, "attrs", {})), name)
    for magnitude, unit in (("magnitude", "units"), ("value", "unit"), ("value", "units")):  # pint, astropy, unyt
        if hasattr(value, magnitude) and hasattr(value, unit):
            return _with_unit(getattr(value, magnitude), str(getattr(value, unit)) or "dimensionless", name)
    if isinstance(value, bytes | np.bytes_):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return _read_text(value, name)
    try:
        array = np.asarray(value, dtype=object) if _mixed(value) else np.asarray(value)
    except (TypeError, ValueError) as error:
        raise UnitError(f"{name}: expected numbers, got {type(value).__name__}: {error}") from None
    if array.dtype.kind == "m":
        step, count = np.datetime_data(array.dtype)
        numbers = np.where(np.isnat(array), np.nan, array.astype(np.int64) * float(count))
        return numbers, _CLOCKS.get(step, step)
    if array.dtype.kind == "M":
        raise UnitError(f"{name}: dates ({array.dtype}), expected numbers and their unit")
    if array.dtype.kind in "USTO":
        if array.ndim == 0 and not isinstance(array[()], str):
            raise UnitError(f"{name}: expected a number, got {value!r}")
        return (array.astype(object), None) if array.ndim else _read_text(str(array[()]), name)
    if array.dtype.kind not in "iuf":
        raise UnitError(f"{name}: expected numbers, got {array.dtype} ({str(value)[:40]})")
    single = array.dtype.kind == "f" and array.dtype.itemsize <= 4
    numbers = np.asarray(array, dtype=np.float32 if single else np.float64)
    mask = getattr(value, "mask", None)
    return (numbers if mask is None or mask is np.ma.nomask else np.where(mask, np.nan, numbers)), None


def _mixed(value: Any) -> bool:
    """Whether a sequence holds anything but plain numbers: numpy would make texts of all of them."""
    return isinstance(value, list | tuple) and any(
        isinstance(entry, bool) or not isinstance(entry, float | int | np.number) for entry in value
    )


def _with_unit(value: Any, unit: str | None, name: str) -> tuple[np.ndarray, str | None]:
    numbers, inner = _split(value, name)
    if inner and unit and _conversion(inner, unit, False, name) != (1.0, 0.0):
        raise UnitError(f"{name}: its values are in {inner!r}, its attribute units says {unit!r}")
    return numbers, unit if inner is None else inner


def _unit_of(attributes: Any) -> str | None:
    """Return the unit among the attributes of an array, None if there is none."""
    for key, stored in attributes.items():
        if str(key).lower() in ("units", "unit"):
            text = np.ravel(np.asarray(stored))[0] if np.size(stored) == 1 else stored
            text = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
            return None if text.strip().lower() in _UNSTATED else text.strip()
    return None


def _read_text(text: str, name: str) -> tuple[np.ndarray, str | None]:
    """Read a number and its unit. pint alone would take "1,7e3 K" for 17000 K, "K" for 1 K, and compute "9**9**9"."""
    match = _VALUE.fullmatch(_spelled(text))
    if match is None or re.match(r"[\d.+-]", match["unit"]):
        raise UnitError(f"{name}: expected a number, with its unit if need be, got {text!r}")
    number = (match["number"] or match["factor"] or "1").lower().replace("d", "e")
    if match["power"]:
        number = str(Decimal(number).scaleb(int(match["power"])))
    return np.asarray(float(match["sign"] + number)), match["unit"].strip() or None


def _spelled(text: str) -> str:
    for pattern, replacement in _OTHER_SPELLINGS:
        text = pattern.sub(replacement, text)
    return text


@lru_cache(maxsize=1024)
def _affine(found: str, unit: str, difference: bool) -> tuple[float, float]:
    """Return factor and offset that turn values in `found` into `unit`; a ValueError says why there are none."""
    registry = unit_registry()
    (scale, source), (_, target) = _parse_unit(found, difference), _parse_unit(unit, difference)
    roots = [registry.Quantity(1.0, entry).to_root_units().units for entry in (source, target)]
    # pint takes an angle for a number: ten degrees are no enrichment of 0.17, but a bare number is an angle in rad.
    if roots[0] != roots[1] and not (roots[0] == registry.dimensionless and roots[1] == registry.radian):
        raise ValueError(f"{found!r} is no unit of that dimension")
    zero, one = registry.Quantity(np.array([0.0, scale]), source).to(target).magnitude
    return _rounded(one - zero), _rounded(zero)


def _conversion(found: str, unit: str, difference: bool, name: str) -> tuple[float, float]:
    same = found.replace("**", "") == unit.replace("**", "")  # without pint, whose registry takes a while to build
    if same or (found in _DIMENSIONLESS and unit in _DIMENSIONLESS):
        return 1.0, 0.0
    try:
        return _affine(found, unit, difference)
    except Exception as error:  # pint has a dozen kinds, AssertionError among them
        raise UnitError(f"{name}: expected a value in {unit}, got unit {found!r}: {error}") from None


def _rounded(number: float) -> float:
    """Take away what binary fractions added: 9.999999999999999e-07 is 1e-06."""
    short = float(f"{number:.12g}")
    return short if abs(short - number) <= 1e-14 * abs(number) else float(number)


def _parse_unit(text: str, difference: bool = False) -> tuple[float, Any]:
    """Return the number in front of a unit and the unit, e.g. 1e21 and Pa s of "10^21 Pa s"."""
    text = _spelled(text.strip())
    if text.lower() in _DIMENSIONLESS:
        return 1.0, unit_registry().dimensionless
    tokens = list(_tokens(text))
    scale, parts = _product(tokens, len(tokens) > 1)
    if tokens:
        raise ValueError(f"{text!r} cannot be read")
    registry = unit_registry()
    product = registry.dimensionless
    for word, power in parts:
        canonical = f"delta_{registry.get_name(word)}"
        # A degree Celsius counts from the freezing point only where it stands alone.
        relative = canonical in registry and (difference or len(parts) > 1 or power != 1)
        product = product * registry.Unit(canonical if relative else word) ** power
    return scale, product


def _tokens(text: str) -> Iterator[re.Match[str]]:
    place = 0
    while place < len(text.rstrip()):
        match = _TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"{text[place:]!r} cannot be read")
        yield match
        place = match.end()


def _product(tokens: list[re.Match[str]], several: bool) -> tuple[float, list[tuple[str, float]]]:
    """Take a product of units off the front of `tokens`."""
    scale, parts, sign, ready = 1.0, [], 1, True
    while tokens and not tokens[0]["close"]:
        token = tokens.pop(0)
        if token["operator"]:
            if ready:
                raise ValueError(f"an operator too many: {token[0]!r}")
            sign, ready = (-1 if token["operator"] in ("/", "per") else 1), True
            continue
        if token["open"]:
            if sign != -1 or not ready:
                raise ValueError("a bracket that follows no '/'")
            factor, inner = _product(tokens, True)
            if not tokens:
                raise ValueError("a bracket is not closed")
            tokens.pop(0)
        elif token["word"]:
            factor, inner = 1.0, [_word(token)]
        else:
            factor, inner = (10.0 ** int(token["ten"]) if token["ten"] else float(token["number"])), []
            if not several:
                raise ValueError(f"{token[0]!r} is no unit")
        scale *= factor**sign
        parts += [(word, sign * power) for word, power in inner]
        sign, ready = 1, False
    if ready:
        raise ValueError("no unit, or an operator too many at its end")
    return scale, parts


def _word(token: re.Match[str]) -> tuple[str, float]:
    """Return name and power of one unit: "m3" is m^3, but "inH2O" is a name."""
    word, power = token["word"], float(token["power"] or token["suffix"] or 1)
    registry = unit_registry()
    if not _known(word):
        match = re.fullmatch(r"(.*\D)(\d+)", word)
        if match and power == 1:
            word, power = match[1], float(match[2])
        lower = word.lower()
        if (
            not _known(word)
            and len(word) > 2
            and any(lower.startswith(entry[0]) for entry in registry.parse_unit_name(lower))
        ):
            word = lower  # names, unlike symbols, may be capitalised: Kelvin, Megayears; but MYR is not a milliyear
    if not _known(word):
        raise ValueError(f"{word!r} is no unit that is known")
    if abs(power) > LARGEST_POWER:
        raise ValueError(f"{word!r} to the power {power:g}")
    return word, power


def _known(word: str) -> bool:
    return bool(unit_registry().parse_unit_name(word))
