"""What the figures of a pipeline run show, in numbers: sentences made from the measures of that very run.

The report explains each figure in ``workflow/report/<entry>.rst``, which ends by including what stands here; it opens
on ``workflow/report/workflow.rst``, which includes :func:`landing`.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd

from surrogate.config import Config, FigureSettings
from surrogate.figures.catalogue import (
    CATALOGUE,
    CURVES,
    LANDING,
    figure_names,
    split_name,
)
from surrogate.figures.selection import choose_examples, example_times, median_and_worst
from surrogate.methods import METHODS, title_of
from surrogate.report.page import made_by
from surrogate.report.table import kind_of, units_in

CHANCE = 0.01
"""A rank correlation is told if fewer than this share of sets of unrelated numbers had one as large."""

PICTURE_WIDTH = 900
"""Pixels of a picture on the first page of the report, at most."""


def captions(
    metrics: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], config: Config, posterior: Any = None
) -> dict[str, str]:
    """Write the numbers of every figure as reStructuredText.

    Parameters
    ----------
    metrics : mapping
        Result of :func:`surrogate.diagnostics.evaluate`, with its provenance.
    tables : mapping
        Name to table: the losses of every network; ``learning_curve``, if there is one.
    config : Config
    posterior : xarray.Dataset, optional
        Result of the rule of that name, if there is one.

    Returns
    -------
    dict
        Name of each figure (:func:`surrogate.figures.figure_names`) to its text.
    """
    texts = {}
    for name in figure_names(config):
        inverted = CATALOGUE[split_name(name).entry].posterior
        said = _inverted(posterior) if inverted else _said(_Run(metrics, tables, config.figures), name)
        texts[name] = "\n\n".join([said, _sources(name), *made_by(metrics)]) + "\n"
    return texts


def landing(metrics: Mapping[str, Any], pictures: Mapping[str, str | Path], name: str = "") -> str:
    """Write the first page of the report as reStructuredText: five numbers of the run, and pictures.

    Parameters
    ----------
    metrics : mapping
        Result of :func:`surrogate.diagnostics.evaluate`, with its provenance.
    pictures : mapping
        Name of a figure (:data:`surrogate.figures.catalogue.LANDING`) to PNG or SVG file; they become part of the text.
        Other formats are left out.
    name : str
        Of the pipeline run.
    """
    run = _Run(metrics, {}, Config().figures)
    corpus = metrics.get("provenance", {}).get("corpus", {})
    whole = f", of {corpus['runs']} in the corpus" if "runs" in corpus else ""
    title = f"Run {name}" if name else "This run"
    parts = [
        f"**{title} in five numbers**",
        f"- **{run.about['runs']}** simulations{whole}, were never seen in training: all is measured on them.",
    ]
    units = run.units
    told: tuple[tuple[str, Callable[[float], str], str], ...] = (
        (f"Mean {units.accuracy_title} of the temperature", "{:.2f} %".format, units.accuracy),
        (
            "Error of the lateral anomaly over its norm (1: nothing is known of plumes)",
            "{:.2f}".format,
            "lateral_anomaly_error",
        ),
        ("Error of the mean profile", units.degrees, "profile_error"),
        (
            f"Error of the {units.walls[1]} {units.heat_flux.title}",
            lambda share: f"{100 * share:.1f} %",
            "surface_heat_flux_error",
        ),
    )
    for what, written, measure in told:
        values = [
            f"**{written(run.methods[method][measure]['mean'])}** ({title_of(method)})"
            for method in run.of_kinds("mean")
        ]
        if values:
            parts.append(f"- {what}: {_listed(values)}.")
    for figure, path in pictures.items():
        source = _embedded(Path(path))
        if source:
            about = html.escape(LANDING[figure], quote=True)
            parts.append(
                f".. raw:: html\n\n   <p><img src='{source}' alt='{about}' style='max-width:100%'/><br/>{about}</p>"
            )
    parts.append("*Measures* holds the whole table; every picture has its own numbers below it.")
    return "\n\n".join([*parts, *made_by(metrics)]) + "\n"


def _embedded(path: Path) -> str:
    """Picture as a data URI in lines, not wider than it is shown; empty for a format that no page shows."""
    if path.suffix == ".svg":
        kind, content = "svg+xml", path.read_bytes()
    elif path.suffix == ".png":
        from PIL import Image

        buffer = BytesIO()
        with Image.open(path) as picture:
            picture.thumbnail((PICTURE_WIDTH, 10 * PICTURE_WIDTH))
            picture.save(buffer, "PNG", optimize=True)
        kind, content = "png", buffer.getvalue()
    else:
        return ""
    # A browser takes line ends out of an address; docutils refuses lines of more than 10,000 characters.
    return f"data:image/{kind};base64,\n   " + "\n   ".join(wrap(base64.b64encode(content).decode(), 1000))


def _sources(name: str) -> str:
    entry = CATALOGUE[split_name(name).entry]
    sources = [f"the {part}" for part in ("corpus", "posterior") if getattr(entry, part)]
    sources += [f"the predictions of the {title_of(method)}" for method in entry.predictions]
    sources += [
        f"the {table.replace('_', ' ')}" if table in CURVES else f"the losses of the {METHODS[table].title}"
        for table in entry.tables
    ]
    return f"*Drawn from {_listed(sources)} alone.*"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


class _Run:
    """The measures of a run, and how they are told."""

    def __init__(
        self, metrics: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], settings: FigureSettings
    ) -> None:
        self.about, self.methods, self.tables, self.settings = metrics["truth"], metrics["methods"], tables, settings
        self.units = units_in(metrics)
        self.corpus: Mapping[str, Any] = metrics.get("provenance", {}).get("corpus", {})
        self.until = max(example_times(settings, self.about["end"]))
        self.unseen = f"{self.about['runs']} unseen runs ({self.about['snapshots']} snapshots)"

    def of_kinds(self, *kinds: str) -> list[str]:
        """Methods of these kinds that were measured."""
        return [name for name in self.methods if kind_of(name) in kinds]

    def each(self, methods: Sequence[str], style: str, measure: str, number: str = "mean", factor: float = 1.0) -> str:
        """One number of every method: "12.3 (FNN), 14.5 (LSTM)"."""
        return _listed(
            [f"{factor * self.methods[name][measure][number]:{style}} ({title_of(name)})" for name in methods]
        )

    def degrees(self, methods: Sequence[str], measure: str) -> str:
        """Errors of a temperature of every method: "12.3 K (FNN), 14.5 K (LSTM)"."""
        return _listed(
            [f"{self.units.degrees(self.methods[name][measure]['mean'])} ({title_of(name)})" for name in methods]
        )


def _said(run: _Run, name: str) -> str:
    """Say what one figure shows."""
    parts = split_name(name)
    if CATALOGUE[parts.entry].per_example:
        return _example(run, parts.entry, parts.method, parts.number)
    return _SENTENCES[parts.entry](run)


def _inverted(posterior: Any) -> str:
    """Say what the observations gave, and what is to be kept in mind."""
    about = posterior.attrs
    bits = zip(posterior["parameter"].values, posterior["parameter_bits"].values, strict=True)
    gained = _listed([f"{float(value):.2f} ({str(name).replace('_', ' ')})" for name, value in bits])
    failed = [f"{check['name']}: {check['found']}" for check in json.loads(about["checks"]) if not check["passed"]]
    return " ".join(
        [
            f"From {posterior.sizes['observation']} observations, {about['bits']:.2f} bits on all parameters together;",
            f"on each {gained}. ln Z = {about['log_evidence']:.3f} +- {about['log_evidence_error']:.3f},",
            f"effective points: {about['effective_points']:.0f}. {' '.join(json.loads(about['caveats']))}",
            *(f"A check failed: {line}." for line in failed),
        ]
    ).strip()


def _example(run: _Run, entry: str, method: str, number: int) -> str:
    about, methods, predictors = run.about, run.methods, run.of_kinds("mean")
    means = np.mean([methods[name]["accuracy_of_runs"] for name in predictors], axis=0).tolist()
    chosen = choose_examples(about["simulation"], means, about["end"], run.settings.examples, run.until)
    position, title = chosen[min(number, len(chosen)) - 1]
    shown = [method] if method else run.of_kinds("autoencoder") if entry == "reconstruction" else predictors
    accuracies = _listed([f"{methods[name]['accuracy_of_runs'][position]:.2f} % ({title_of(name)})" for name in shown])
    judges = f", by the mean over {_listed([title_of(name) for name in predictors])}" if len(predictors) > 1 else ""
    return (
        f"{title}{judges}. {run.units.accuracy_title.capitalize()} over all of its snapshots: {accuracies}; over all "
        f"{about['runs']} unseen runs: {run.each(shown, '.2f', run.units.accuracy)} %."
    )


def _concept(run: _Run) -> str:
    grid = " x ".join(map(str, run.about["grid"]))
    return f"The run is number {run.about['simulation'][0]}, the first of the {run.unseen}, on {grid} nodes."


def _coverage(run: _Run) -> str:
    split = run.corpus.get("split", {})
    parts = _listed([f"{count} {name}" for name, count in split.items()]) if split else f"{run.about['runs']} test"
    rejected = f", {run.corpus['rejected']} rejected at ingest." if "rejected" in run.corpus else "."
    return f"Here: {parts} runs{rejected}"


def _losses(run: _Run) -> str:
    from surrogate.figures.training import kept_epoch  # it draws, too

    best = []
    for name, table in run.tables.items():
        if name not in CURVES:
            row = kept_epoch(table)
            best.append(
                f"{row['validation_loss']:.3g} in epoch {int(row['epoch'])} of {len(table)} ({METHODS[name].title})"
            )
    return f"Validation losses of the epochs that were kept: {_listed(best)}."


def _learning_curve(run: _Run) -> str:
    said = []
    for method, part in run.tables["learning_curve"].groupby("method", sort=False):
        ends = [
            f"{row['mean_square_error']:.3g} ({row[run.units.accuracy]:.2f} %) with {int(row['runs'])} runs"
            for _, row in part.sort_values("runs").iloc[[0, -1]].iterrows()
        ]
        said.append(f"{' and '.join(ends)} ({title_of(str(method))})")
    return f"Mean square errors ({run.units.accuracy_title}): {_listed(said)}."


def _compression_curve(run: _Run) -> str:
    said = []
    for (source, method), part in run.tables["compression_curve"].groupby(["run", "method"], sort=False):
        ends = [
            f"{row[run.units.accuracy]:.2f} % at {row['compression']:.0f} times ({int(row['latents'])} latents)"
            for _, row in part.sort_values("compression").iloc[[0, -1]].iterrows()
        ]
        where = "" if source == "this run" else f", {source}"
        said.append(f"{' and '.join(ends)} ({title_of(str(method))}{where})")
    return f"{run.units.accuracy_title.capitalize()}: {_listed(said)}."


def _extremes(run: _Run) -> str:
    about, said = run.about, []
    for name in run.of_kinds("mean"):
        means = run.methods[name]["accuracy_of_runs"]
        chosen = median_and_worst(about["simulation"], means, about["end"], run.until)
        runs = _listed([f"{means[position]:.2f} % ({kind})" for position, kind in chosen])
        mean = run.methods[name][run.units.accuracy]["mean"]
        said.append(f"{runs} of the {title_of(name)}, whose mean over all {about['runs']} is {mean:.2f} %")
    return f"Mean {run.units.accuracy_title} of the runs drawn: {_listed(said)}."


def _accuracy_pairs(run: _Run) -> str:
    predictors = run.of_kinds("mean")
    median, worst = (run.each(predictors, ".2f", run.units.accuracy, entry) for entry in ("run_median", "run_worst"))
    told = [f"Of the {run.unseen}, the median run has {median} %, the least accurate {worst} %."]
    for name in predictors:
        found = run.methods[name].get("accuracy_correlation", {})
        clear = [
            f"{'rises' if entry['coefficient'] > 0 else 'falls'} with the {parameter.replace('_', ' ')} "
            f"({entry['coefficient']:+.2f})"
            for parameter, entry in found.items()
            if entry["chance"] < CHANCE
        ]
        if clear:
            told.append(f"The accuracy of the {title_of(name)} {_listed(clear)}: rank correlation over the runs.")
        elif found:
            largest = max(found, key=lambda parameter: abs(found[parameter]["coefficient"]))
            told.append(
                f"No parameter alone orders the accuracy of the {title_of(name)} more than chance may: the largest "
                f"rank correlation is that with the {largest.replace('_', ' ')}, {found[largest]['coefficient']:+.2f}."
            )
    return " ".join(told)


def _error_time(run: _Run) -> str:
    predictors = run.of_kinds("mean")
    return (
        f"Mean over the {run.about['snapshots']} snapshots: {run.each(predictors, '.2e', 'mean_square_error')}; worst "
        f"snapshot: {run.each(predictors, '.2e', 'mean_square_error', 'snapshot_worst')}. Temperatures are divided by "
        f"{run.units.temperature.text(run.about['temperature_scale'])}."
    )


def _error_maps(run: _Run) -> str:
    networks = run.of_kinds("autoencoder", "mean")
    return (
        f"Root-mean-square error, mean over the snapshots: {run.degrees(networks, 'root_mean_square_error')}; of "
        f"the mean profile: {run.degrees(networks, 'profile_error')}."
    )


def _heat_flux(run: _Run) -> str:
    networks = run.of_kinds("autoencoder", "mean")
    upper, lower = (
        run.each(networks, ".1f", f"{wall}_heat_flux_error", factor=100) for wall in ("surface", "core_mantle_boundary")
    )
    return f"Relative errors: {run.units.walls[1]} {upper} %; {run.units.walls[0]} {lower} %."


def _spectra(run: _Run) -> str:
    shown = run.of_kinds("autoencoder", "mean")
    return (
        "Error of all lateral structure over its norm (1 is what a field without any scores): "
        f"{run.each(shown, '.2f', 'lateral_anomaly_error')}."
    )


def _singular_values(run: _Run) -> str:
    shown = run.of_kinds("autoencoder", "mean", "sample")
    plain, weighted = (
        run.each(shown, ".1f", measure) for measure in ("singular_value_sum_ratio", "weighted_sum_ratio")
    )
    return (
        f"Sum of the singular values over that of the simulations, mean over the runs: (a) {plain} %; (b) {weighted} %."
    )


def _pod_modes(run: _Run) -> str:
    return (
        "Angle between the spans of the first five modes of prediction and simulation, run by run (root mean square; 0 "
        "is the same span, 90 a right angle): "
        f"{run.each(run.of_kinds('autoencoder', 'mean'), '.0f', 'subspace_angle')} degrees."
    )


_SENTENCES = {
    "concept": _concept,
    "coverage": _coverage,
    "losses": _losses,
    "learning_curve": _learning_curve,
    "compression_curve": _compression_curve,
    "extremes": _extremes,
    "accuracy_pairs": _accuracy_pairs,
    "error_time": _error_time,
    "error_maps": _error_maps,
    "heat_flux": _heat_flux,
    "spectra": _spectra,
    "singular_values": _singular_values,
    "pod_modes": _pod_modes,
}
"""Entry of the catalogue to what tells its numbers, but for those of one run."""
