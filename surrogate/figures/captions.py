"""What the figures of a pipeline run show, in numbers: sentences made from the measures of that very run.

The report explains each figure in ``workflow/report/<name>.rst``, which ends by including what stands here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from surrogate.config import Config, FigureSettings
from surrogate.diagnostics import made_by, title_of
from surrogate.figures.names import (
    CATALOGUE,
    CURVES,
    NETWORKS,
    PREDICTORS,
    choose_examples,
    entry_of,
    figure_names,
    kept_epoch,
    median_and_worst,
    split_name,
)


def captions(metrics: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], config: Config) -> dict[str, str]:
    """Write the numbers of every figure as reStructuredText.

    Parameters
    ----------
    metrics : mapping
        Result of :func:`surrogate.diagnostics.evaluate`, with its provenance.
    tables : mapping
        Name to table: the losses of every network; ``learning_curve``, if there is one.
    config : Config

    Returns
    -------
    dict
        Name of each figure (:func:`surrogate.figures.names.figure_names`) to its text.
    """
    texts = {}
    for name in figure_names(config):
        base, number = split_name(name)
        said = (
            _example(metrics, config.figures, base, number)
            if CATALOGUE[base].per_example
            else _said(metrics, tables, base, config.figures)
        )
        files = [*_inputs(name), *made_by(metrics)]
        texts[name] = "\n\n".join([said, *files]) + "\n"
    return texts


def _inputs(name: str) -> list[str]:
    entry = entry_of(name)
    sources = [*(["the corpus"] if entry.corpus else [])]
    sources += [f"the predictions of the {title_of(method)}" for method in entry.predictions]
    sources += [f"the {table.replace('_', ' ')}" if table in CURVES else f"the losses of the {title_of(table)}"
                for table in entry.tables]  # fmt: skip
    return [f"*Drawn from {_listed(sources)} alone.*"]


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _each(metrics: Mapping[str, Any], methods: tuple[str, ...], style: str, *place: str, factor: float = 1.0) -> str:
    """One number of every method: "12.3 (FNN), 14.5 (LSTM)"."""
    said = []
    for name in methods:
        value: Any = metrics["methods"][name]
        for key in place:
            value = value[key]
        said.append(f"{factor * value:{style}} ({title_of(name)})")
    return _listed(said)


def _example(metrics: Mapping[str, Any], settings: FigureSettings, base: str, number: int) -> str:
    about, methods = metrics["truth"], metrics["methods"]
    means = np.mean([methods[name]["accuracy_of_runs"] for name in PREDICTORS], axis=0)
    last = max(settings.example_times)
    chosen = choose_examples(about["simulation"], means, about["end"], settings.examples, last)
    position, title = chosen[min(number, len(chosen)) - 1]
    drawn = {"evolution_fnn": ("fnn",), "evolution_lstm": ("lstm",), "reconstruction": ("autoencoder",)}
    shown = drawn.get(base, PREDICTORS)
    accuracies = _listed([f"{methods[name]['accuracy_of_runs'][position]:.2f} % ({title_of(name)})" for name in shown])
    mean = _each(metrics, shown, ".2f", "relative_accuracy", "mean")
    return (
        f"{title}, by the mean over FNN and LSTM. Relative accuracy over all of its snapshots: {accuracies}; over all "
        f"{about['runs']} unseen runs: {mean}."
    )


def _extremes(metrics: Mapping[str, Any], settings: FigureSettings) -> list[str]:
    """Accuracy of the median and the worst run of every predictor."""
    about, said = metrics["truth"], []
    for name in PREDICTORS:
        entry = metrics["methods"][name]
        means = entry["accuracy_of_runs"]
        chosen = median_and_worst(about["simulation"], means, about["end"], max(settings.example_times))
        runs = _listed([f"{means[position]:.2f} % ({kind})" for position, kind in chosen])
        mean = entry["relative_accuracy"]["mean"]
        said.append(f"{runs} of the {title_of(name)}, whose mean over all {about['runs']} is {mean:.2f} %")
    return said


def _compressions(table: pd.DataFrame) -> list[str]:
    """Accuracy of every method of every run at its lowest and highest compression."""
    said = []
    for (run, method), part in table.groupby(["run", "method"], sort=False):
        part = part.sort_values("compression")
        ends = [
            f"{row['relative_accuracy']:.2f} % at {row['compression']:.0f} times ({int(row['latents'])} latents)"
            for _, row in part.iloc[[0, -1]].iterrows()
        ]
        where = "" if run == "this run" else f", {run}"
        said.append(f"{' and '.join(ends)} ({title_of(str(method))}{where})")
    return said


def _said(metrics: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], base: str, settings: FigureSettings) -> str:
    about = metrics["truth"]
    unseen = f"{about['runs']} unseen runs ({about['snapshots']} snapshots)"
    corpus = metrics.get("provenance", {}).get("corpus", {})
    split = corpus.get("split", {})
    if base == "concept":
        grid = " x ".join(map(str, about["grid"]))
        return f"The run is number {about['simulation'][0]}, the first of the {unseen}, on {grid} nodes."
    if base == "coverage":
        parts = _listed([f"{count} {name}" for name, count in split.items()]) if split else f"{about['runs']} test"
        return f"Here: {parts} runs" + (f", {corpus['rejected']} rejected at ingest." if "rejected" in corpus else ".")
    if base == "losses":
        best = []
        for name, table in tables.items():
            if name in CURVES:
                continue
            row = kept_epoch(table)
            best.append(f"{row['validation_loss']:.3g} in epoch {int(row['epoch'])} of {len(table)} ({title_of(name)})")
        return f"Validation losses of the epochs that were kept: {_listed(best)}."
    if base == "learning_curve":
        said = []
        for method, part in tables["learning_curve"].groupby("method", sort=False):
            part = part.sort_values("runs")
            ends = [
                f"{row['mean_square_error']:.3g} ({row['relative_accuracy']:.2f} %) with {int(row['runs'])} runs"
                for _, row in part.iloc[[0, -1]].iterrows()
            ]
            said.append(f"{' and '.join(ends)} ({title_of(str(method))})")
        return f"Mean square errors (relative accuracy): {_listed(said)}."
    if base == "compression_curve":
        return f"Relative accuracy: {_listed(_compressions(tables['compression_curve']))}."
    if base == "extremes":
        return f"Mean relative accuracy of the runs drawn: {_listed(_extremes(metrics, settings))}."
    if base == "accuracy_pairs":
        median, worst = (
            _each(metrics, PREDICTORS, ".2f", "relative_accuracy", entry) for entry in ("run_median", "run_worst")
        )
        return f"Of the {unseen}, the median run has {median} %, the least accurate {worst} %."
    if base == "error_time":
        return (
            f"Mean over the {about['snapshots']} snapshots: "
            f"{_each(metrics, PREDICTORS, '.2e', 'mean_square_error', 'mean')}; worst snapshot: "
            f"{_each(metrics, PREDICTORS, '.2e', 'mean_square_error', 'snapshot_worst')}. Temperatures are divided by "
            f"{about['temperature_scale']:.0f} K."
        )
    if base == "error_maps":
        return (
            "Root-mean-square error, mean over the snapshots: "
            f"{_each(metrics, NETWORKS, '.1f', 'root_mean_square_error', 'mean')} K; of the mean profile: "
            f"{_each(metrics, NETWORKS, '.1f', 'profile_error', 'mean')} K."
        )
    if base == "heat_flux":
        return (
            "Relative errors: surface "
            f"{_each(metrics, NETWORKS, '.1f', 'surface_heat_flux_error', 'mean', factor=100)} %; core-mantle boundary "
            f"{_each(metrics, NETWORKS, '.1f', 'core_mantle_boundary_heat_flux_error', 'mean', factor=100)} %."
        )
    if base == "spectra":
        return (
            "Error of all lateral structure over its norm (1 is what a field without any scores): "
            f"{_each(metrics, NETWORKS, '.2f', 'lateral_anomaly_error', 'mean')}."
        )
    if base == "singular_values":
        return (
            "Sum of the singular values over that of the simulations, mean over the runs: (a) "
            f"{_each(metrics, NETWORKS, '.1f', 'singular_value_sum_ratio', 'mean')} %; (b) "
            f"{_each(metrics, NETWORKS, '.1f', 'weighted_sum_ratio', 'mean')} %."
        )
    if base == "pod_modes":
        return (
            "Angle between the spans of the first five modes of prediction and simulation, run by run (root mean "
            "square; 0 is the same span, 90 a right angle): "
            f"{_each(metrics, NETWORKS, '.0f', 'subspace_angle', 'mean')} degrees."
        )
    raise KeyError(f"figure {base!r} has no numbers to tell")
