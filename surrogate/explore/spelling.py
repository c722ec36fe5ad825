"""How the page writes parameters of any name and unit, and reads what is typed."""

from __future__ import annotations

import re
from html import escape

from surrogate.parameters import Parameter
from surrogate.units import to_magnitude

SHOWN_UNITS = {"J/mol": "kJ/mol", "m**3/mol": "cm**3/mol", "m": "km", "W/m**2": "mW/m**2"}
"""Units that people say instead of those of the data."""


def shown_unit(parameter: Parameter) -> str:
    """Return the unit in which the page speaks of a parameter, as pint spells it."""
    return SHOWN_UNITS.get(parameter.unit, parameter.unit)


def unit_text(parameter: Parameter) -> str:
    """Write the unit as the page shows it; empty where there is none.

    >>> unit_text(Parameter("activation_volume", "m**3/mol"))
    'cm³/mol'
    """
    unit = shown_unit(parameter)
    return "" if unit == "dimensionless" else unit.replace("**2", "²").replace("**3", "³")


def symbol_html(parameter: Parameter) -> str:
    r"""Write the symbol, which is LaTeX, as HTML.

    >>> symbol_html(Parameter("x", symbol=r"\eta_{\mathrm{ref}}"))
    '<i>&eta;</i><sub>ref</sub>'
    """
    text = re.sub(r"\\(?:mathrm|text|rm)\{([^{}]*)\}", r"\1", escape(parameter.symbol))
    base, _, below = re.sub(r"\\([A-Za-z]+)", r"&\1;", text).partition("_")
    return (f"<i>{base}</i>" if base else "") + (f"<sub>{below.strip('{}')}</sub>" if below else "")


def written(parameter: Parameter, value: float, unit: bool = True) -> str:
    """Write a value, in the unit of the parameter, as the page does.

    Examples
    --------
    >>> from surrogate.parameters import EVOLUTION_PARAMETERS as space
    >>> written(space["reference_viscosity"], 1e21, unit=False), written(space["activation_energy"], 3e5)
    ('1e21', '300 kJ/mol')
    """
    number = value / to_magnitude(f"1 {shown_unit(parameter)}", parameter.unit, parameter.name, difference=True)
    text = re.sub(r"e\+?(-?)0*", r"e\1", f"{number:.4g}")
    return f"{text} {unit_text(parameter)}".strip() if unit else text


def read(parameter: Parameter, text: str) -> float:
    """Read what was typed: a bare number is in the unit shown; any other unit may be written behind it.

    Returns
    -------
    float
        In the unit of the parameter.

    Raises
    ------
    ValueError
        Naming the parameter and what was expected.

    Examples
    --------
    >>> from surrogate.parameters import EVOLUTION_PARAMETERS as space
    >>> read(space["activation_energy"], "300"), read(space["activation_energy"], "3e5 J/mol")
    (300000.0, 300000.0)
    """
    try:
        shown = to_magnitude(text, shown_unit(parameter), parameter.name)
        return parameter.read(to_magnitude(f"{shown!r} {shown_unit(parameter)}", parameter.unit, parameter.name))
    except ValueError:
        kind = "a positive number" if parameter.positive else "a number"
        wanted = f"{kind} in {unit_text(parameter)}" if unit_text(parameter) else kind
        raise ValueError(f"{parameter.title.capitalize()}: expected {wanted}, got {text!r}") from None
