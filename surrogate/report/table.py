"""The table of measures: its columns, rows and remarks, and the Markdown of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from surrogate.methods import METHODS, title_of
from surrogate.quantities import DIMENSIONAL, Units, units_named


class Measure(NamedTuple):
    """A row of the table: its title, the measure and which number of it, and how that is written."""

    title: str
    name: str
    number: str
    style: str


def measures(units: Units) -> tuple[Measure, ...]:
    """Rows of the table for a corpus that is measured so."""
    accuracy, (lower, upper), flux = units.accuracy, units.walls, units.heat_flux.title
    profile = Measure("profile error, K", "profile_error", "mean", ".1f")
    return (
        Measure(f"{units.accuracy_title}, %", accuracy, "mean", ".3f"),
        Measure("median run", accuracy, "run_median", ".2f"),
        Measure("5th percentile", accuracy, "run_tail", ".2f"),
        Measure("worst run", accuracy, "run_worst", ".2f"),
        Measure("lateral anomaly error", "lateral_anomaly_error", "mean", ".3f"),
        Measure("VRMSE", "variance_scaled_error", "mean", ".3f"),
        profile if units.dimensional else profile._replace(title="profile error", style=".4f"),
        Measure(f"{upper} {flux} error, %", "surface_heat_flux_error", "mean", ".2%"),
        Measure(f"{lower} {flux} error, %", "core_mantle_boundary_heat_flux_error", "mean", ".2%"),
        Measure("mean square error of T / max T", "mean_square_error", "mean", ".2e"),
        Measure("sum of singular values (paper's), %", "singular_value_sum_ratio", "mean", ".2f"),
        Measure("the same, weighted, mean removed, %", "weighted_sum_ratio", "mean", ".1f"),
        Measure("angle of the first 5 modes, degrees", "subspace_angle", "mean", ".0f"),
    )


def units_in(metrics: Mapping[str, Any]) -> Units:
    """How the corpus of some measures is measured; in kelvin, if they were made before it was said."""
    return units_named(metrics["truth"].get("units", DIMENSIONAL.name))


def kind_of(key: str) -> str:
    """Kind of a method; one that is not known has to stand beside the baselines."""
    return METHODS[key].kind if key in METHODS else "baseline"


class Column(NamedTuple):
    """A column of the table: its head, the group it stands in, the numbers of one method, whether it competes."""

    head: str
    group: str
    content: Mapping[str, Any]
    rival: bool = False


def metrics_columns(metrics: Mapping[str, Any]) -> list[Column]:
    """Columns of the table: our networks, those of other runs set beside, baselines, and what the paper published."""
    methods = metrics["methods"]
    networks = [name for name in methods if kind_of(name) != "baseline"]
    columns = [
        Column("autoencoder alone", "ours", methods[name])
        if kind_of(name) == "autoencoder"
        else Column(title_of(name), "ours", methods[name], True)
        for name in networks
    ]
    for title, other in metrics.get("beside", {}).items():
        mark = "" if other["same_runs"] else " \u2020"
        columns += [
            Column(f"{title_of(name)}, {title}{mark}", title, content) for name, content in other["methods"].items()
        ]
    columns += [Column(title_of(name), "baselines", methods[name], True) for name in methods if name not in networks]
    published = metrics["published"]
    return columns + [Column(f"{title_of(name)}, paper*", "published", published[name]) for name in published]


def metrics_rows(metrics: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of the table of measures; ``**`` marks the best of the predictors and baselines of this run.

    One column per method (:func:`metrics_columns`), last the paper's published numbers, if the corpus is like its own.
    """
    columns = metrics_columns(metrics)
    rivals = [number for number, column in enumerate(columns) if column.rival]
    rows = []
    for title, name, number, style in measures(units_in(metrics)):
        values = [column.content.get(name, {}).get(number) for column in columns]
        cells = ["" if value is None else format(value, style).removesuffix("%") for value in values]
        if len(rivals) > 1:
            best = best_of(name, {str(place): values[place] for place in rivals})
            cells[int(best)] = f"**{cells[int(best)]}**"
        rows.append([title, *cells])
    return ["measure", *(column.head for column in columns)], rows


def remarks(metrics: Mapping[str, Any]) -> list[str]:
    """Say what a reader of the table has to know: of which corpus each column is, and what 1 means."""
    about, grid = metrics["truth"], " x ".join(map(str, metrics["truth"]["grid"]))
    said = [f"{about['runs']} unseen runs, {about['snapshots']} snapshots of {grid} nodes."]
    for title, other in metrics.get("beside", {}).items():
        about, grid = other["truth"], " x ".join(map(str, other["truth"]["grid"]))
        own = f"\u2020 unseen runs of its own ({about['runs']} runs, {about['snapshots']} snapshots, {grid} nodes)"
        same = "the same unseen runs" if other["same_runs"] else own
        said.append(f"{title}: measured on {same}; from {other['source']}.")
    if metrics["published"]:
        said.append(f"* {metrics['published_source']}. Read beside our numbers, not against them.")
    said.append(
        "Lateral anomaly error and VRMSE: 1 is what a prediction without lateral structure, or of the mean temperature "
        "alone, scores. The autoencoder sees the true fields: it bounds what the predictors in its latent space can "
        "reach. The best predictor of each row is in bold."
    )
    return said


def metrics_table(metrics: Mapping[str, Any]) -> str:
    """Write the result of :func:`surrogate.diagnostics.evaluate` as Markdown.

    Returns
    -------
    str
        The table (:func:`metrics_rows`), with a line on the corpus above and the explanations below it.
    """
    heads, rows = metrics_rows(metrics)
    lines = ["| " + " | ".join(row) + " |" for row in [heads, *rows]]
    lines.insert(1, "|" + "---|" * len(heads))
    first, *others = remarks(metrics)
    below = [line.replace("*", "\\*", 1) if line.startswith("*") else line for line in others]
    return "\n".join([first, "", *lines, "", *(part for line in below for part in (line, ""))])


def set_beside(metrics: Mapping[str, Any], others: Mapping[str, tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Add the networks of other pipeline runs to the measures of this one.

    Parameters
    ----------
    metrics : mapping
        Result of :func:`surrogate.diagnostics.evaluate`.
    others : mapping
        Title to where the measures of another run come from, and these measures.

    Returns
    -------
    dict
        The measures with ``beside``: per title ``source``, ``methods`` (the networks alone), ``truth``, and
        ``same_runs``, which says whether the unseen runs are the same.

    Raises
    ------
    ValueError
        If the measures of another run hold no network.
    """
    beside = {}
    for title, (source, other) in others.items():
        methods = {name: entry for name, entry in other.get("methods", {}).items() if kind_of(name) != "baseline"}
        if not methods:
            raise ValueError(f"{source}: expected the metrics.json of a pipeline run, with some network in it")
        if units_in(other) != units_in(metrics):
            raise ValueError(f"{source}: is of a {units_in(other).name} corpus, this one is {units_in(metrics).name}")
        same = all(
            other["truth"].get(name) == metrics["truth"][name]
            for name in ("simulation", "snapshots", "grid", "temperature_scale")
        )
        about = {name: other["truth"][name] for name in ("runs", "snapshots", "grid")}
        beside[title] = {"source": source, "methods": methods, "truth": about, "same_runs": same}
    return {**metrics, "beside": beside} if beside else dict(metrics)


def best_of(measure: str, values: Mapping[str, float]) -> str:
    """Name of the best of some methods in one measure."""
    if measure.endswith("_accuracy"):
        return max(values, key=lambda name: values[name])
    if measure.endswith("sum_ratio"):
        return min(values, key=lambda name: abs(values[name] - 100.0))
    return min(values, key=lambda name: values[name])
