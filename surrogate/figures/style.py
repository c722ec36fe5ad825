"""One style for every figure: sizes, fonts, colours, colour maps, scales."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import matplotlib
import numpy as np
from cmcrameri import cm
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure

from surrogate.files import atomic
from surrogate.methods import METHODS
from surrogate.parameters import Parameter
from surrogate.quantities import DIMENSIONAL, Units
from surrogate.units import unit_registry

MILLIMETRE = 1 / 25.4
"""Inches."""

COLUMN, PAGE = 85.0, 170.0
"""Width of one and of two columns of a journal page, mm."""

TEMPERATURE, DIFFERENCE, SEQUENTIAL, DENSITY = cm.lajolla, cm.vik, cm.batlow, cm.oslo_r
"""Perceptually uniform colour maps (Crameri 2018): temperature, signed differences, errors, numbers of runs."""

TRUTH_COLOUR = "black"

SPLIT_COLOURS = {"train": "#0072B2", "validation": "#E69F00", "test": "#D55E00"}
"""Told apart by colour-blind readers too, as those of the methods (Okabe & Ito)."""

SETTINGS = {
    "font.family": "sans-serif",
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.0,
    "legend.frameon": False,
    "figure.titlesize": 9.0,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "image.cmap": "cmc.batlow",
    "pdf.fonttype": 42,
    "svg.hashsalt": "surrogate",
    "svg.fonttype": "none",
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
}

Drawing = TypeVar("Drawing", bound=Callable[..., Any])


def styled(function: Drawing) -> Drawing:
    """Decorate a function that draws: it runs in this style, whatever the session is set to."""
    # Not the backend: a context does not give it back, and a notebook would show no figure afterwards.
    settings: Any = {name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"}
    settings |= SETTINGS

    @wraps(function)
    def wrapper(*arguments: Any, **keywords: Any) -> Any:
        with matplotlib.rc_context(settings):
            return function(*arguments, **keywords)

    return wrapper  # type: ignore[return-value]


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of `width` x `height` mm whose parts never overlap."""
    return Figure(figsize=(width * MILLIMETRE, height * MILLIMETRE), layout="constrained")


class Axis(NamedTuple):
    """How a parameter is drawn: factor from its unit to a readable one, symbol and that unit in LaTeX."""

    factor: float
    symbol: str
    unit: str
    logarithmic: bool

    @property
    def label(self) -> str:
        """Symbol and unit, after the logarithm if the axis has it."""
        symbol = rf"$\log_{{10}}$ {self.symbol}" if self.logarithmic else self.symbol
        return symbol + (f" [{self.unit}]" if self.unit else "")

    def values(self, natural: Any) -> np.ndarray:
        """Map values on the natural axis of the parameter to this one."""
        return np.asarray(natural) * (1.0 if self.logarithmic else self.factor)


def axis_of(parameter: Parameter) -> Axis:
    """Choose a prefix for the unit of a parameter, so that its range is written in few digits.

    Examples
    --------
    >>> from surrogate.parameters import EVOLUTION_PARAMETERS
    >>> axis_of(EVOLUTION_PARAMETERS["activation_energy"]).label
    '$E$ [kJ mol$^{-1}$]'
    """
    symbol = rf"${parameter.symbol}$" if parameter.symbol else parameter.title
    if parameter.unit == "dimensionless":
        return Axis(1.0, symbol, "", parameter.logarithmic)
    size = max(abs(parameter.low), abs(parameter.high))
    for prefix in () if parameter.logarithmic or 1.0 <= size < 1e4 else ("k", "M", "G", "c", "m", "µ", "n"):
        try:
            factor = float(unit_registry().Quantity(1.0, parameter.unit).to(prefix + parameter.unit).magnitude)
        except Exception:  # no such unit: pint has an error for every reason
            continue
        if 1.0 <= size * factor < 1000.0:
            return Axis(factor, symbol, _in_latex(prefix + parameter.unit), False)
    return Axis(1.0, symbol, _in_latex(parameter.unit), parameter.logarithmic)


def _in_latex(unit: str) -> str:
    """Spell a unit as it stands on an axis: "kJ mol$^{-1}$"."""
    plain = f"{unit_registry().Unit(unit):~C}"
    factors = re.findall(r"([*/]?)([^\W\d_]+)(?:\*\*(\d+))?", plain)
    powers = [(name, ("-" if sign == "/" else "") + (power or "1")) for sign, name, power in factors]
    return " ".join(name + (f"$^{{{power}}}$" if power != "1" else "") for name, power in powers)


def colour_of(method: str) -> str:
    """Colour of a method; grey for one that is not known."""
    return METHODS[method].colour if method in METHODS else "#555555"


def line_of(method: str) -> Any:
    """Dashes of a method's curve, which tell it from another that it often lies on."""
    return (0, (3, 1.5)) if method in METHODS and METHODS[method].dashed else "-"


def nice_limit(value: float) -> float:
    """Smallest of 1, 2, 2.5, 5 times a power of ten that is not below `value`.

    >>> nice_limit(0.31), nice_limit(180.0), nice_limit(0.0)
    (0.5, 200.0, 1.0)
    """
    if not np.isfinite(value) or value <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1.0, 2.0, 2.5, 5.0, 10.0) if step * power >= value * (1 - 1e-9)))


STRETCH = 2.0
"""Power of the temperature scale: half of the colours for the convecting interior, the rest for the cold lid."""


def temperature_norm(*fields: Any, units: Units = DIMENSIONAL) -> Normalize:
    """Colour scale that all `fields` share, from and to a multiple of 50 K; of a planet, stretched where it is hot."""
    step = 50 * units.degree
    low = step * np.floor(min(float(np.nanmin(np.asarray(field))) for field in fields) / step)
    high = step * np.ceil(max(float(np.nanmax(np.asarray(field))) for field in fields) / step)
    return PowerNorm(STRETCH, low, high) if units.dimensional else Normalize(low, high)


def difference_norm(*fields: Any, share: float = 99.5) -> Normalize:
    """Colour scale, symmetric about zero, that holds `share` percent of the values of all `fields`."""
    sizes = np.concatenate([np.abs(np.asarray(field)).ravel() for field in fields])
    limit = nice_limit(float(np.percentile(sizes[np.isfinite(sizes)], share)))
    return Normalize(-limit, limit)


def heading(axes: Axes, text: str, number: int | None = None) -> None:
    """Write a heading above the left end of the axes, after a panel letter, (a) for number 0, if there is one."""
    if number is not None:
        text = rf"$\mathbf{{({chr(ord('a') + number)})}}$ {text}"
    axes.text(0, 1.03, text, transform=axes.transAxes, ha="left", va="bottom")


def column_heading(axes: Axes, text: str) -> None:
    """Write a heading above the middle of the axes; level with its neighbours also where the axes keep a shape."""
    axes.text(0.5, 1.02, text, transform=axes.transAxes, ha="center", va="bottom")


def row_heading(axes: Axes, text: str) -> None:
    """Write a heading left of the axes, upward."""
    axes.text(-0.06, 0.5, text, rotation=90, ha="right", va="center", transform=axes.transAxes)


@styled
def save(figure: Figure, path: str | Path, resolution: int = 150, made_by: str = "") -> None:
    """Write a figure atomically, with `made_by` in its metadata."""
    path = Path(path)
    key = {".png": "Description", ".pdf": "Subject", ".svg": "Description"}.get(path.suffix)
    if key is None:
        raise ValueError(f"{path}: a figure ends in .png, .pdf or .svg")
    # No date: equal data give equal files.
    undated = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}.get(path.suffix, {})
    if figure.get_layout_engine() is not None:
        # Laid out once, not once for each file: another resolution rounds text to another size.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=resolution, metadata={key: made_by, **undated})
