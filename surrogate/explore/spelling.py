"""How the page writes the five parameters, and reads what is typed."""

from __future__ import annotations

from dataclasses import dataclass

from surrogate.parameters import Parameter
from surrogate.units import to_magnitude


@dataclass(frozen=True)
class Spelling:
    """How the page writes one parameter.

    Attributes
    ----------
    label, symbol : str
        Words, and HTML.
    unit : str
        Shown; `pint_unit` is the same as pint reads it.
    digits : str
        Format of the number.
    """

    label: str
    symbol: str
    unit: str
    pint_unit: str
    digits: str


SPELLINGS = {
    "reference_viscosity": Spelling("Reference viscosity", "<i>η</i><sub>ref</sub>", "Pa s", "Pa s", ".3g"),
    "activation_energy": Spelling("Activation energy", "<i>E</i>", "kJ/mol", "kJ/mol", ".4g"),
    "activation_volume": Spelling("Activation volume", "<i>V</i>", "cm³/mol", "cm**3/mol", ".3g"),
    "crustal_enrichment": Spelling("Crustal enrichment", "<i>Λ</i>", "", "dimensionless", ".3g"),
    "initial_temperature": Spelling("Initial temperature", "<i>T</i><sub>ini</sub>", "K", "K", ".4g"),
}


def written(parameter: Parameter, value: float, unit: bool = False) -> str:
    """Write a value, SI units, as the page does.

    Examples
    --------
    >>> from surrogate.parameters import PARAMETERS
    >>> written(PARAMETERS[0], 1e21), written(PARAMETERS[1], 3e5, unit=True)
    ('1e21', '300 kJ/mol')
    """
    spelling = SPELLINGS[parameter.name]
    number = value / to_magnitude(f"1 {spelling.pint_unit}", parameter.unit, parameter.name)
    text = f"{number:{spelling.digits}}".replace("e+", "e")
    return f"{text} {spelling.unit}".strip() if unit else text


def read(parameter: Parameter, text: str) -> float:
    """Read what was typed: a bare number is in the unit shown; any other unit may be written behind it.

    Returns
    -------
    float
        SI units.

    Raises
    ------
    ValueError
        Naming the parameter and what was expected.

    Examples
    --------
    >>> from surrogate.parameters import PARAMETERS
    >>> read(PARAMETERS[1], "300"), read(PARAMETERS[1], "3e5 J/mol")
    (300000.0, 300000.0)
    """
    spelling = SPELLINGS[parameter.name]
    try:
        shown = to_magnitude(text, spelling.pint_unit, spelling.label)
        value = to_magnitude(f"{shown!r} {spelling.pint_unit}", parameter.unit, spelling.label)
    except ValueError:
        value = 0.0
    if value <= 0:
        wanted = f"a positive number in {spelling.unit}" if spelling.unit else "a positive number"
        raise ValueError(f"{spelling.label}: expected {wanted}, got {text!r}")
    return value
