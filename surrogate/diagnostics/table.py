"""The table of metrics, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TITLES: dict[str, str] = {
    "autoencoder": "autoencoder alone",
    "fnn": "FNN",
    "lstm": "LSTM",
    "flow": "flow (one sample)",
    "feedforward": "FNN",
    "recurrent": "LSTM",
    "generative": "flow (one sample)",
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


def metrics_rows(metrics: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of the table of measures; ``**`` marks the best method of a row, the autoencoder aside.

    One column per method, and last the paper's published numbers, which are of another corpus.
    """
    methods, published = dict(metrics["methods"]), metrics["published"]
    heads = ["measure", *(title_of(name) for name in methods), *(f"{title_of(name)}, paper*" for name in published)]
    rows = []
    for title, metric, entry, style in COLUMNS:
        values = {name: content[metric][entry] for name, content in methods.items()}
        rivals = {name: value for name, value in values.items() if name != "autoencoder"}
        best = best_of(metric, rivals) if len(rivals) > 1 else None
        cells = [
            f"**{_cell(value, style)}**" if name == best else _cell(value, style) for name, value in values.items()
        ]
        cells += [_cell(content.get(metric, {}).get(entry), style) for content in published.values()]
        rows.append([title, *cells])
    return heads, rows


def metrics_table(metrics: Mapping[str, Any]) -> str:
    """Write the result of :func:`surrogate.diagnostics.evaluation.evaluate` as Markdown.

    Returns
    -------
    str
        The table (:func:`metrics_rows`), with a line on the corpus above and the explanations below it.
    """
    about = metrics["truth"]
    heads, rows = metrics_rows(metrics)
    lines = ["| " + " | ".join(row) + " |" for row in [heads, *rows]]
    lines.insert(1, "|" + "---|" * len(heads))
    grid = " x ".join(map(str, about["grid"]))
    return "\n".join([
        f"{about['runs']} unseen runs, {about['snapshots']} snapshots of {grid} nodes.", "", *lines, "",
        f"\\* {metrics['published_source']}. Read beside our numbers, not against them.", "",
        "Lateral anomaly error and VRMSE: 1 is what a prediction without lateral structure, or of the mean temperature "
        "alone, scores. The autoencoder sees the true fields: it bounds what the predictors in its latent space can "
        "reach. The best predictor of each row is in bold.", "",
    ])  # fmt: skip


def _cell(value: float | None, style: str) -> str:
    return "" if value is None else format(value, style).removesuffix("%")


def best_of(metric: str, values: Mapping[str, float]) -> str:
    """Name of the best of some methods in one measure."""
    if metric == "relative_accuracy":
        return max(values, key=lambda name: values[name])
    if metric.endswith("sum_ratio"):
        return min(values, key=lambda name: abs(values[name] - 100.0))
    return min(values, key=lambda name: values[name])
