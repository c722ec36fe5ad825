"""The table of metrics, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

TITLES: dict[str, str] = {
    "autoencoder": "autoencoder",
    "fnn": "FNN",
    "lstm": "LSTM",
    "flow": "flow (one sample)",
    "mean_profile": "mean profile",
    "nearest_run": "nearest run",
    "pod_gaussian_process": "POD + Gaussian process",
}
"""How methods are called in tables and figures; a name that is not here is shown as it is."""

# title, metric, entry, format
COLUMNS: tuple[tuple[str, str, str, str], ...] = (
    ("relative accuracy, %", "relative_accuracy", "mean", ".3f"),
    ("median run", "relative_accuracy", "run_median", ".2f"),
    ("5th percentile", "relative_accuracy", "run_tail", ".2f"),
    ("worst run", "relative_accuracy", "run_worst", ".2f"),
    ("lateral anomaly error", "lateral_anomaly_error", "mean", ".3f"),
    ("VRMSE", "variance_scaled_error", "mean", ".3f"),
    ("profile error, K", "profile_error", "mean", ".1f"),
    ("surface heat flux error, %", "surface_heat_flux_error", "mean", ".2%"),
    ("core-mantle boundary heat flux error, %", "core_mantle_boundary_heat_flux_error", "mean", ".2%"),
    ("mean square error of T / max T", "mean_square_error", "mean", ".2e"),
    ("sum of singular values (paper's), %", "singular_value_sum_ratio", "mean", ".2f"),
    ("the same, weighted, mean removed, %", "weighted_sum_ratio", "mean", ".1f"),
    ("angle of the first 5 modes, degrees", "subspace_angle", "mean", ".0f"),
)


def title_of(method: str) -> str:
    """How a method is called in tables and figures."""
    return TITLES.get(method, method.replace("_", " "))


PREDICTORS = ("fnn", "lstm")
"""Methods that are judged by their accuracy."""

NETWORKS = ("autoencoder", *PREDICTORS, "flow")
"""All others are baselines. The autoencoder sees the truth; a sample of the flow is not meant to be near it."""


class Column(NamedTuple):
    """A column of the table of measures: its head, the group it stands in, and the numbers of one method."""

    head: str
    group: str
    content: Mapping[str, Any]


def metrics_columns(metrics: Mapping[str, Any]) -> list[Column]:
    """Columns of the table: our networks, those of other runs set beside, baselines, and what the paper published."""
    methods = metrics["methods"]
    columns = [
        Column("autoencoder alone" if name == "autoencoder" else title_of(name), "ours", methods[name])
        for name in methods if name in NETWORKS
    ]  # fmt: skip
    for title, other in metrics.get("beside", {}).items():
        mark = "" if other["same_runs"] else " \u2020"
        columns += [
            Column(f"{title_of(name)}, {title}{mark}", title, content) for name, content in other["methods"].items()
        ]
    columns += [Column(title_of(name), "baselines", methods[name]) for name in methods if name not in NETWORKS]
    published = metrics["published"]
    return columns + [Column(f"{title_of(name)}, paper*", "published", published[name]) for name in published]


def metrics_rows(metrics: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of the table of measures; ``**`` marks the best of the predictors and baselines of this run.

    One column per method (:func:`metrics_columns`), last the paper's published numbers, which are of another corpus.
    """
    columns = metrics_columns(metrics)
    rivals = [
        number for number, column in enumerate(columns)
        if column.group == "baselines" or (column.group == "ours" and column.head != "autoencoder alone")
    ]  # fmt: skip
    rows = []
    for title, metric, entry, style in COLUMNS:
        values = [column.content.get(metric, {}).get(entry) for column in columns]
        cells = ["" if value is None else format(value, style).removesuffix("%") for value in values]
        if len(rivals) > 1:
            best = best_of(metric, {str(number): values[number] for number in rivals})
            cells[int(best)] = f"**{cells[int(best)]}**"
        rows.append([title, *cells])
    return ["measure", *(column.head for column in columns)], rows


def remarks(metrics: Mapping[str, Any]) -> list[str]:
    """Say what a reader of the table has to know: of which corpus each column is, and what 1 means."""
    grid = " x ".join(map(str, metrics["truth"]["grid"]))
    said = [f"{metrics['truth']['runs']} unseen runs, {metrics['truth']['snapshots']} snapshots of {grid} nodes."]
    for title, other in metrics.get("beside", {}).items():
        about = other["truth"]
        same = (
            "the same unseen runs"
            if other["same_runs"]
            else f"\u2020 unseen runs of its own ({about['runs']} runs, {about['snapshots']} snapshots, "
            f"{' x '.join(map(str, about['grid']))} nodes)"
        )
        said.append(f"{title}: measured on {same}; from {other['source']}.")
    return [
        *said,
        f"* {metrics['published_source']}. Read beside our numbers, not against them.",
        "Lateral anomaly error and VRMSE: 1 is what a prediction without lateral structure, or of the mean temperature "
        "alone, scores. The autoencoder sees the true fields: it bounds what the predictors in its latent space can "
        "reach. The best predictor of each row is in bold.",
    ]


def metrics_table(metrics: Mapping[str, Any]) -> str:
    """Write the result of :func:`surrogate.diagnostics.evaluation.evaluate` as Markdown.

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
        Result of :func:`surrogate.diagnostics.evaluation.evaluate`.
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
        methods = {name: other["methods"][name] for name in NETWORKS if name in other.get("methods", {})}
        if not methods:
            raise ValueError(f"{source}: expected the metrics.json of a pipeline run, with some of {NETWORKS}")
        same = all(
            other["truth"].get(name) == metrics["truth"][name]
            for name in ("simulation", "snapshots", "grid", "temperature_scale")
        )
        about = {name: other["truth"][name] for name in ("runs", "snapshots", "grid")}
        beside[title] = {"source": source, "methods": methods, "truth": about, "same_runs": same}
    return {**metrics, "beside": beside} if beside else dict(metrics)


def best_of(metric: str, values: Mapping[str, float]) -> str:
    """Name of the best of some methods in one measure."""
    if metric == "relative_accuracy":
        return max(values, key=lambda name: values[name])
    if metric.endswith("sum_ratio"):
        return min(values, key=lambda name: abs(values[name] - 100.0))
    return min(values, key=lambda name: values[name])
