"""What a forward model is, and what a surrogate replaces, on one run of the corpus."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from surrogate.diagnostics import core_mantle_boundary_heat_flux, lateral_mean, mean_temperature, surface_heat_flux
from surrogate.diagnostics.physics import Conductivity
from surrogate.fields import geometry_of, parameters_of, units_of
from surrogate.figures.field import draw_field, temperature_bar
from surrogate.figures.style import PAGE, TEMPERATURE, axis_of, new_figure, styled, temperature_norm
from surrogate.parameters import EVOLUTION_PARAMETERS
from surrogate.planet import MARS, Planet

EQUATIONS = (
    r"$\nabla\cdot\mathbf{u} = 0$",
    r"$-\nabla p + \nabla\cdot[\eta\,(\nabla\mathbf{u}+\nabla\mathbf{u}^T)]$"
    "\n"
    r"$\quad + \,Ra\,\alpha\,T\,\mathbf{e}_r = 0$",
    r"$\frac{DT}{Dt} = \nabla\cdot(k\nabla T) + H + \dots$",
    r"$\eta = \eta_{\mathrm{ref}}\,\exp\left(\frac{E+PV}{RT} - \dots\right)$",
)

"""Of the thermal evolutions whose parameters are those of the simulator; those of another corpus are not known here."""

SURROGATE = "#0072B2"
"""Colour of the short cut."""


def _number(value: float) -> str:
    if value == 0 or 1e-3 < abs(value) < 1e5:
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
    geometry, units = geometry_of(run), units_of(run)
    last = run.sizes["time"] - 1
    figure = new_figure(PAGE, 78)
    figure.set_layout_engine("none")
    # Placed by hand: left, bottom, width, height as shares of the figure.
    places = (
        (0.01, 0.2, 0.17, 0.62),
        (0.215, 0.2, 0.2, 0.62),
        (0.43, 0.3, 0.19, 0.54),
        (0.705, 0.2, 0.11, 0.62),
        (0.87, 0.2, 0.12, 0.62),
    )
    titles = ("parameters", "forward model", "temperature field", "profiles", "observables")
    middles = (0.085, 0.295, 0.53, 0.752, 0.92)
    axes = [figure.add_axes(place) for place in places]
    for middle, title in zip(middles, titles, strict=True):
        figure.text(middle, 0.93, title, ha="center", va="center", fontweight="bold")
    for panel in axes[:2]:
        panel.set_axis_off()
    values = parameters_of(run)
    step = min(0.19, 0.92 / len(values))
    for line, parameter in enumerate(values.space):
        axis = axis_of(parameter)
        text = rf"{axis.symbol} $= {_number(axis.factor * values[parameter.name])}$ {axis.unit}"
        axes[0].text(0.0, 0.92 - step * line, text, va="center", fontsize=min(7.5, 40 * step))
    if set(values) == set(EVOLUTION_PARAMETERS.names):
        for line, equation in enumerate(EQUATIONS):
            axes[1].text(0.0, 0.95 - 0.26 * line, equation, va="center", fontsize=7.5)
    else:
        axes[1].text(0.5, 0.5, "solver\nof this corpus", ha="center", va="center")
    norm = temperature_norm(run["temperature"].values, units=units)
    draw_field(axes[2], run["temperature"].values[last], geometry, norm)
    axes[2].text(
        1.0, 1.0, units.time.text(float(run["time"][last])), transform=axes[2].transAxes, ha="right", va="bottom"
    )
    temperature_bar(
        figure, None, norm, units, orientation="horizontal", gap=0.24, cax=figure.add_axes((0.44, 0.21, 0.18, 0.03))
    )
    profiles = lateral_mean(run).values
    for index in np.unique(np.linspace(0, last, 4).astype(int)):
        shade = TEMPERATURE(0.25 + 0.55 * (1 - index / max(last, 1)))
        axes[3].plot(
            profiles[index],
            units.length.factor * geometry.depth,
            color=shade,
            label=units.time.text(float(run["time"][index])),
        )
    axes[3].set(
        xlabel=units.temperature.label(),
        ylabel=units.length.label(),
        ylim=(units.length.factor * geometry.depth.max(), 0),
    )
    axes[3].legend(handlelength=0.8, handletextpad=0.4, loc="lower left", borderaxespad=0, fontsize=6)
    flux, walls = units.heat_flux, ("surface", "core") if units.dimensional else units.walls[::-1]
    series = {
        f"{walls[0]} {flux.label()}": flux.factor * surface_heat_flux(run, planet, conductivity).values,
        f"{walls[1]} {flux.label()}": flux.factor * core_mantle_boundary_heat_flux(run, planet, conductivity).values,
        units.temperature.label("mean temperature"): mean_temperature(run).values,
    }
    axes[4].set_axis_off()
    for line, (label, history) in enumerate(series.items()):
        inset = axes[4].inset_axes((0.0, 0.74 - 0.37 * line, 1.0, 0.26))
        inset.plot(run["time"].values, history, color="0.2")
        inset.text(1.0, 1.12, label, transform=inset.transAxes, ha="right", va="bottom", fontsize=6)
        inset.tick_params(labelbottom=line == 2, labelsize=6)
        inset.locator_params(nbins=3)
        if line == 2:
            inset.set_xlabel(units.time.label(), fontsize=6)
    reaches = (0.065, 0.078, 0.1, 0.045, 0.075)  # half the width of each heading
    for k in range(4):
        _arrow(figure, (middles[k] + reaches[k], 0.93), (middles[k + 1] - reaches[k + 1], 0.93), "0.3", 0.0)
    _arrow(figure, (0.085, 0.2), (0.45, 0.31), SURROGATE, 0.3)
    figure.text(0.25, 0.06, "surrogate: straight to the field", color=SURROGATE, ha="center", va="center")
    return figure


def _arrow(figure: Figure, start: tuple[float, float], end: tuple[float, float], colour: str, bend: float) -> None:
    figure.add_artist(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            color=colour,
            linewidth=1.0,
            connectionstyle=f"arc3,rad={bend}",
            mutation_scale=8,
            transform=figure.transFigure,
        )
    )
