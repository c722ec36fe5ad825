"""How training went: losses, and what more runs would bring."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from surrogate.figures.style import PAGE, colour_of, heading, new_figure, styled
from surrogate.methods import METHODS, title_of
from surrogate.quantities import DIMENSIONAL, DIMENSIONLESS, Units

LOSS_COLUMNS = ("epoch", "loss", "validation_loss")
CURVE_COLUMNS = ("method", "runs", "mean_square_error", "lateral_anomaly_error")
COMPRESSION_COLUMNS = ("run", "method", "latents", "compression", "lateral_anomaly_error")


def _require(table: pd.DataFrame, columns: tuple[str, ...], name: str) -> None:
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(f"{name}: the table lacks {missing}; it has {list(table.columns)}")


def _units_in(table: pd.DataFrame, name: str) -> Units:
    """Tell by its column of accuracies what a table measures."""
    for units in (DIMENSIONAL, DIMENSIONLESS):
        if units.accuracy in table:
            return units
    raise ValueError(f"{name}: the table lacks {DIMENSIONAL.accuracy!r}; it has {list(table.columns)}")


def _last_stage(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["stage"] == table["stage"].max()] if "stage" in table else table


def kept_epoch(table: pd.DataFrame) -> pd.Series:
    """Row of the epoch whose weights were kept: the best of the last stage, where a training has stages.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns epoch, validation_loss and, for a training in several stages, stage.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"epoch": [1, 2, 3], "validation_loss": [0.1, 0.3, 0.2], "stage": [1, 2, 2]})
    >>> int(kept_epoch(table)["epoch"])
    3
    """
    last = _last_stage(table)
    return last.iloc[int(last["validation_loss"].to_numpy().argmin())]


@styled
def losses(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Training and validation loss of every network per epoch.

    Parameters
    ----------
    tables : mapping
        Network to a table with columns epoch, loss, validation_loss.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(PAGE, 64)
    axes = figure.subplots(1, len(tables), squeeze=False)[0]
    for number, (panel, (name, table)) in enumerate(zip(axes, tables.items(), strict=True)):
        _require(table, LOSS_COLUMNS, f"losses of {name}")
        best, last = kept_epoch(table), _last_stage(table)
        panel.plot(table["epoch"], table["loss"], color="0.55", linewidth=0.8)
        panel.plot(last["epoch"], last["validation_loss"], color=colour_of(name))
        if len(last) < len(table):  # its losses are of another quantity than those before
            first = table[: len(table) - len(last)]
            panel.plot(first["epoch"], first["validation_loss"], color=colour_of(name), alpha=0.4)
            panel.axvline(last["epoch"].min() - 0.5, ymax=0.9, color="0.5", linewidth=0.8, linestyle=":")
        panel.plot(best["epoch"], best["validation_loss"], "o", color=colour_of(name), markersize=4, clip_on=False)
        panel.text(0.98, 0.98, f"best {best['validation_loss']:.2g}", transform=panel.transAxes, ha="right", va="top")
        panel.set(yscale="log", xlabel="epoch")
        heading(panel, METHODS[name].title if name in METHODS else name, number)
        panel.locator_params(axis="x", nbins=5, integer=True)
        panel.yaxis.set_minor_formatter(NullFormatter())
        panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
        panel.yaxis.set_major_formatter("{x:.2g}")
    axes[0].set_ylabel("loss")
    # One legend for all panels, where it lies on no curve; in black what has a colour of its own in each.
    handles = [
        Line2D([], [], color="0.55", linewidth=0.8, label="training"),
        Line2D([], [], color="black", label="validation"),
        Line2D([], [], color="black", marker="o", markersize=4, linestyle="", label="epoch that is kept"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


@styled
def learning_curve(table: pd.DataFrame, published: pd.DataFrame | None = None) -> Figure:
    """Errors of unseen runs against the number of training runs.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns method, runs, mean_square_error, relative_accuracy or range_accuracy (percent), lateral_anomaly_error.
    published : pandas.DataFrame, optional
        Columns method, runs, mean_square_error of another corpus, drawn apart.

    Returns
    -------
    matplotlib.figure.Figure
    """
    _require(table, CURVE_COLUMNS, "learning curve")
    units = _units_in(table, "learning curve")
    figure = new_figure(PAGE, 66)
    axes = figure.subplots(1, 3)
    for name, part in table.groupby("method", sort=False):
        part = part.sort_values("runs")
        for panel, column in zip(axes, ("mean_square_error", units.accuracy, "lateral_anomaly_error"), strict=True):
            panel.plot(
                part["runs"], part[column], "o-", markersize=3.5, color=colour_of(str(name)), label=title_of(str(name))
            )
    runs = sorted(set(table["runs"]))
    if published is not None:
        for name, part in published.groupby("method", sort=False):
            axes[0].plot(
                part["runs"],
                part["mean_square_error"],
                "s:",
                markersize=3,
                color="0.6",
                label=f"{title_of(str(name))}, paper (other corpus)",
            )
    for number, (panel, title) in enumerate(zip(axes, ("latents", "temperature", "lateral anomaly"), strict=True)):
        ticks = sorted({*runs, *published["runs"]}) if published is not None and number == 0 else runs
        panel.set(xscale="log", xlabel="training runs")
        panel.set_xticks(ticks, [str(value) for value in ticks], minor=False)
        panel.xaxis.set_minor_formatter(NullFormatter())
        heading(panel, title, number)
    axes[0].set(yscale="log", ylabel="mean square error (scaled)")
    axes[0].yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
    axes[0].yaxis.set_major_formatter("{x:.2g}")
    axes[0].yaxis.set_minor_formatter(NullFormatter())
    axes[1].set_ylabel(f"{units.accuracy_title} [%]")
    axes[2].set_ylabel("error over the norm of the anomaly")
    axes[0].legend()
    return figure


@styled
def compression_curve(table: pd.DataFrame) -> Figure:
    """Accuracy of unseen runs against the compression of the autoencoder.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns run ("this run", drawn in full lines, or the title of another), method, latents, compression,
        relative_accuracy or range_accuracy (percent), lateral_anomaly_error.

    Returns
    -------
    matplotlib.figure.Figure
    """
    _require(table, COMPRESSION_COLUMNS, "compression curve")
    units = _units_in(table, "compression curve")
    figure = new_figure(PAGE, 78)
    axes = figure.subplots(1, 2)
    runs = list(dict.fromkeys(table["run"]))
    for (run, name), part in table.groupby(["run", "method"], sort=False):
        part, number = part.sort_values("compression"), runs.index(run)
        label = title_of(str(name)) + ("" if run == "this run" else f", {run}")
        for panel, column in zip(axes, (units.accuracy, "lateral_anomaly_error"), strict=True):
            panel.plot(
                part["compression"],
                part[column],
                marker="os^D"[number % 4],
                markersize=3.5,
                label=label,
                linestyle=["-", "--", ":", "-."][number % 4],
                color=colour_of(str(name)),
                markerfacecolor=colour_of(str(name)) if number == 0 else "white",
            )
    values = sorted({round(float(value)) for value in table["compression"]})
    # Compressions that came out alike, such as 142 and 144, share a tick.
    ticks = [value for number, value in enumerate(values) if number == 0 or value > 1.15 * values[number - 1]]
    for number, (panel, title) in enumerate(zip(axes, (units.accuracy_title, "lateral anomaly"), strict=True)):
        panel.set(xscale="log", xlabel="compression (values of a snapshot per latent)")
        panel.set_xticks(ticks, [str(value) for value in ticks], minor=False)
        panel.xaxis.set_minor_formatter(NullFormatter())
        heading(panel, title, number)
    axes[0].set_ylabel(f"{units.accuracy_title} [%]")
    axes[1].set_ylabel("error over the norm of the anomaly")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
