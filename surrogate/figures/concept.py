"""What a forward model is, and what a surrogate replaces, on one run of the corpus."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch

from surrogate.diagnostics import core_mantle_boundary_heat_flux, lateral_mean, mean_temperature, surface_heat_flux
from surrogate.diagnostics.physics import Conductivity
from surrogate.fields import annulus_of, parameters_of
from surrogate.figures.annulus import draw_field, field_bar
from surrogate.figures.pairs import UNITS
from surrogate.figures.style import COLOURS, PAGE, TEMPERATURE, new_figure, styled, temperature_norm
from surrogate.parameters import PARAMETERS
from surrogate.planet import MARS, Planet

EQUATIONS = (
    r"$\nabla\cdot\mathbf{u} = 0$",
    r"$-\nabla p + \nabla\cdot[\eta\,(\nabla\mathbf{u}+\nabla\mathbf{u}^T)]$"
    "\n"
    r"$\quad + \,Ra\,\alpha\,T\,\mathbf{e}_r = 0$",
    r"$\frac{DT}{Dt} = \nabla\cdot(k\nabla T) + H + \dots$",
    r"$\eta = \eta_{\mathrm{ref}}\,\exp\left(\frac{E+PV}{RT} - \dots\right)$",
)

DRAWN_UNITS = {
    "reference_viscosity": "Pa s",
    "activation_energy": r"kJ mol$^{-1}$",
    "activation_volume": r"cm$^3$ mol$^{-1}$",
    "crustal_enrichment": "",
    "initial_temperature": "K",
}


def _number(value: float) -> str:
    if 1e-3 < abs(value) < 1e5:
        return f"{value:.4g}"
    power = int(np.floor(np.log10(abs(value))))
    return rf"{value / 10.0**power:.2f}\times 10^{{{power}}}"


@styled
def concept(run: xr.Dataset, planet: Planet = MARS, conductivity: Conductivity = "olivine") -> Figure:
    """Draw the chain from parameters over equations, fields and profiles to observables, and the surrogate's short cut.

    Parameters
    ----------
    run : xarray.Dataset
        One run: its fields, profiles and fluxes are what is drawn.
    planet : Planet
    conductivity : {"constant", "olivine"}

    Returns
    -------
    matplotlib.figure.Figure
    """
    annulus = annulus_of(run)
    figure = new_figure(PAGE, 82)
    axes = figure.subplots(1, 5, width_ratios=[1.0, 1.45, 1.3, 1.0, 1.1])
    titles = ("parameters", "equations", "temperature fields", "profiles", "observables")
    for panel, title in zip(axes, titles, strict=True):
        panel.set_title(title, fontweight="bold", pad=16)
    values = parameters_of(run).as_dict()
    for line, parameter in enumerate(PARAMETERS):
        value = values[parameter.name] * UNITS.get(parameter.name, 1.0)
        text = rf"${parameter.symbol} = {_number(value)}$ {DRAWN_UNITS[parameter.name]}"
        axes[0].text(0.0, 0.86 - 0.18 * line, text, transform=axes[0].transAxes, va="center")
    for line, equation in enumerate(EQUATIONS):
        axes[1].text(0.0, 0.88 - 0.25 * line, equation, transform=axes[1].transAxes, va="center")
    for panel in axes[:2]:
        panel.set_axis_off()
    last = run.sizes["time"] - 1
    norm = temperature_norm(run["temperature"].values)
    draw_field(axes[2], run["temperature"].values[last], annulus, norm)
    axes[2].text(0.98, 0.98, f"{float(run['time'][last]):.2g} Gyr", transform=axes[2].transAxes, ha="right", va="top")
    field_bar(figure, axes[2], norm, TEMPERATURE, "temperature [K]", location="bottom", shrink=0.9, aspect=18)
    profiles = lateral_mean(run).values
    chosen = np.unique(np.linspace(0, last, 4).astype(int))
    for index in chosen:
        shade = TEMPERATURE(0.25 + 0.55 * (1 - index / max(last, 1)))
        axes[3].plot(profiles[index], annulus.depth / 1e3, color=shade, label=f"{float(run['time'][index]):.1f} Gyr")
    axes[3].set(xlabel="temperature [K]", ylabel="depth [km]", ylim=(annulus.depth.max() / 1e3, 0))
    axes[3].legend(handlelength=1.0, loc="lower left")
    series = {
        "surface heat flux\n[mW m$^{-2}$]": 1e3 * surface_heat_flux(run, planet, conductivity).values,
        "core heat flux\n[mW m$^{-2}$]": 1e3 * core_mantle_boundary_heat_flux(run, planet, conductivity).values,
        "mean temperature\n[K]": mean_temperature(run).values,
    }
    axes[4].set_axis_off()
    for line, (label, history) in enumerate(series.items()):
        inset = axes[4].inset_axes((0.3, 0.72 - 0.36 * line, 0.7, 0.26))
        inset.plot(run["time"].values, history, color="0.2")
        inset.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=6)
        inset.tick_params(labelbottom=line == 2, labelsize=6)
        inset.locator_params(nbins=3)
        if line == 2:
            inset.set_xlabel("time [Gyr]")
    for one, other in zip(axes[:-1], axes[1:], strict=True):
        _arrow(figure, one, other, (0.8, 1.06), (0.2, 1.06), "0.3", 0.0)
    _arrow(figure, axes[0], axes[2], (0.5, 0.0), (0.12, -0.02), COLOURS["fnn"], 0.35)
    axes[1].text(0.45, -0.13, "surrogate: milliseconds", color=COLOURS["fnn"], ha="center", va="top",
                 transform=axes[1].transAxes)  # fmt: skip
    return figure


def _arrow(
    figure: Figure, one: Axes, other: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, bend: float
) -> None:
    arrow = ConnectionPatch(
        start, end, "axes fraction", "axes fraction", axesA=one, axesB=other, arrowstyle="-|>", color=colour,
        linewidth=1.0, connectionstyle=f"arc3,rad={bend}", mutation_scale=8,
    )  # fmt: skip
    arrow.set_in_layout(False)
    figure.add_artist(arrow)
