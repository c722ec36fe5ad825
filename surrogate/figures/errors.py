"""Where, when and at which scale predictions are wrong.

Functions take `truth`, the corpus of unseen runs, and `predictions`, method to the corpus of the same runs as
predicted, and return a :class:`matplotlib.figure.Figure`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from surrogate.diagnostics import (
    core_mantle_boundary_heat_flux,
    error_by_radius,
    error_map,
    mean_square_error,
    spectral_error,
    surface_heat_flux,
    temperature_maximum,
)
from surrogate.diagnostics.physics import Conductivity
from surrogate.fields import geometry_of, units_of
from surrogate.figures.field import draw_field, field_bar
from surrogate.figures.style import PAGE, SEQUENTIAL, TRUTH_COLOUR, colour_of, heading, line_of, new_figure, styled
from surrogate.methods import title_of
from surrogate.planet import MARS, Planet


@styled
def error_time(
    truth: xr.Dataset, predictions: Mapping[str, xr.Dataset], scale: float | None = None, bins: int = 15
) -> Figure:
    """Mean square error of every unseen snapshot against its time, with the median in bins of time.

    Parameters
    ----------
    scale : float, optional
        K, see :func:`surrogate.diagnostics.mean_square_error`.
    bins : int
    """
    units, scale = units_of(truth), temperature_maximum(truth) if scale is None else scale
    times = truth["snapshot_time"].values
    real = np.isfinite(times)
    edges = np.linspace(times[real].min(), times[real].max(), bins + 1)
    figure = new_figure(PAGE, 72)
    axes = figure.subplots(1, len(predictions), squeeze=False, sharex=True, sharey=True)[0]
    for number, (panel, (name, prediction)) in enumerate(zip(axes, predictions.items(), strict=True)):
        errors = mean_square_error(truth, prediction, scale).values[real]
        panel.scatter(times[real], errors, 3, colour_of(name), linewidths=0, alpha=0.35, rasterized=errors.size > 3000)
        place = np.clip(np.digitize(times[real], edges) - 1, 0, bins - 1)
        filled = [k for k in range(bins) if (place == k).any()]
        middle = [np.median(errors[place == k]) for k in filled]
        panel.plot((0.5 * (edges[1:] + edges[:-1]))[filled], middle, color="black", label="median")
        panel.axhline(errors.mean(), color="black", linestyle=":", linewidth=0.8, label=f"mean {errors.mean():.2e}")
        panel.set(yscale="log", xlabel=units.time.label())
        panel.legend(loc="upper right")
        heading(panel, title_of(name), number)
    every = np.concatenate([np.asarray(points.get_offsets())[:, 1] for panel in axes for points in panel.collections])
    low, high = 0.3 * float(np.percentile(every, 3)), 12 * float(every.max())  # room for the legend
    for panel in axes:  # a start that is given makes errors that would squeeze all others
        below = sum(int((np.asarray(points.get_offsets())[:, 1] < low).sum()) for points in panel.collections)
        if below:
            panel.annotate(f"{below} points below", (0.98, 0.02), xycoords="axes fraction", ha="right", fontsize=7)
    axes[0].set(ylim=(low, high), ylabel=f"mean square error of T / {units.temperature.text(scale)}")
    return figure


@styled
def heat_flux(
    truth: xr.Dataset,
    predictions: Mapping[str, xr.Dataset],
    planet: Planet = MARS,
    conductivity: Conductivity = "olivine",
) -> Figure:
    """Predicted against simulated heat flux of every unseen snapshot, through surface and core-mantle boundary.

    Parameters
    ----------
    planet : Planet
    conductivity : {"constant", "olivine"}
    """
    figure = new_figure(PAGE, 10 + 2 * min(72.0, PAGE / len(predictions) * 0.9))
    axes = figure.subplots(2, len(predictions), squeeze=False)
    units = units_of(truth)
    rows = zip(units.walls[::-1], (surface_heat_flux, core_mantle_boundary_heat_flux), strict=True)
    shown, factor = units.heat_flux, units.heat_flux.factor
    for line, (wall, flux) in enumerate(rows):
        true = factor * flux(truth, planet, conductivity).values
        real = np.isfinite(true)
        true = true[real]
        every = {n: factor * flux(entry, planet, conductivity).values[real] for n, entry in predictions.items()}
        values = np.concatenate([true, *every.values()])
        low, high = np.percentile(values, [0.1, 99.9])
        margin = 0.05 * (high - low or 1.0)
        limits = (low - margin, high + margin)
        for column, (name, predicted) in enumerate(every.items()):
            panel = axes[line, column]
            panel.plot(limits, limits, color="0.6", linewidth=0.7, zorder=0)
            panel.scatter(true, predicted, 3, colour_of(name), linewidths=0, alpha=0.35, rasterized=true.size > 3000)
            error = np.sqrt(np.mean((predicted - true) ** 2) / np.mean(true**2))
            outside = int(((predicted < limits[0]) | (predicted > limits[1])).sum())
            note = f"relative error {100 * error:.1f} %"
            if outside:
                note += f"\n{outside} point{'s' * (outside > 1)} outside"
            panel.text(0.04, 0.96, note, transform=panel.transAxes, va="top")
            panel.set(xlim=limits, ylim=limits, aspect="equal", xlabel=shown.label("simulated"))
            panel.locator_params(nbins=5)
            heading(panel, title_of(name), line * len(predictions) + column)
        axes[line, 0].set_ylabel(f"{wall}\n{shown.label(f'predicted {shown.title}')}")
    return figure


@styled
def error_maps(truth: xr.Dataset, predictions: Mapping[str, xr.Dataset]) -> Figure:
    """Root-mean-square error over all unseen snapshots in the domain, and by depth."""
    geometry, units = geometry_of(truth), units_of(truth)
    maps = {name: error_map(truth, entry).values for name, entry in predictions.items()}
    inside = np.concatenate([values[1:-1].ravel() for values in maps.values()])
    wide, step = len(maps) <= 3, 5 * units.degree
    norm = Normalize(0, float(np.ceil(np.percentile(inside, 99.5) / step) * step) or step)
    columns = len(maps) + 1 if wide else 3
    rows = -(-(len(maps) + 1) // columns)
    figure = new_figure(PAGE, 66 if wide else 54 * geometry.slenderness * rows + 16)
    axes = figure.subplots(rows, columns, squeeze=False)
    panels = list(axes.ravel())
    for number, (panel, (name, values)) in enumerate(zip(panels, maps.items(), strict=False)):
        draw_field(panel, values, geometry, norm, SEQUENTIAL)
        heading(panel, title_of(name), number)
    for panel in panels[len(maps) + 1 :]:
        panel.set_axis_off()
    last = panels[len(maps)]
    for name, entry in predictions.items():
        last.plot(
            error_by_radius(truth, entry),
            units.length.factor * geometry.depth,
            color=colour_of(name),
            linestyle=line_of(name),
            label=title_of(name),
        )
    last.set(
        xlabel=units.temperature.label("root-mean-square error"),
        ylabel=units.length.label(),
        ylim=(units.length.factor * geometry.depth.max(), 0),
    )
    heading(last, "by depth", len(maps))
    last.set_xlim(0, None)
    last.legend(loc="center right", handlelength=1.2, handletextpad=0.5, borderaxespad=0.0)
    beside = axes[:, : len(maps)] if wide else axes
    field_bar(
        figure,
        beside,
        norm,
        SEQUENTIAL,
        units.temperature.label("root-mean-square error"),
        extend="max",
        location="bottom",
        shrink=0.6,
        aspect=35,
    )
    return figure


@styled
def spectra(truth: xr.Dataset, predictions: Mapping[str, xr.Dataset]) -> Figure:
    """Lateral power by wavenumber: how much structure each method has, and how much of it is wrong."""
    geometry, units = geometry_of(truth), units_of(truth)
    figure = new_figure(PAGE, 74)
    axes = figure.subplots(1, 2, sharey=True)
    simulated = None
    for name, entry in predictions.items():
        found = spectral_error(truth, entry).compute()
        waves = found["wavenumber"].values[1:]
        simulated = found["truth"].values[1:]
        for panel, kind in zip(axes, ("prediction", "error"), strict=True):
            panel.plot(
                waves, found[kind].values[1:], color=colour_of(name), linestyle=line_of(name), label=title_of(name)
            )
    for number, (panel, title) in enumerate(zip(axes, ("predicted power", "power of the error"), strict=True)):
        if simulated is not None:
            panel.plot(waves, simulated, color=TRUTH_COLOUR, label="simulation", zorder=0)
            panel.set_ylim(0.2 * simulated.min(), 3 * simulated.max())
        panel.set(xscale="log", yscale="log", xlabel=f"lateral wavenumber ({geometry.waves})")
        panel.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_formatter(NullFormatter())
        heading(panel, title, number)
    axes[0].set_ylabel("mean square temperature" + (" [K$^2$]" if units.dimensional else ""))
    handles, labels = axes[0].get_legend_handles_labels()
    axes[0].legend([handles[-1], *handles[:-1]], [labels[-1], *labels[:-1]], loc="lower left")  # simulation first
    return figure
