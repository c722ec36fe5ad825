"""Evaluate predictions of unseen runs: from fields to the numbers of a table.

:func:`score` gives every measure for every snapshot, :func:`evaluate` the JSON-ready summary of many methods, and
:func:`metrics_table` its Markdown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from surrogate.config import EvaluationSettings
from surrogate.diagnostics import accuracy, physics, pod
from surrogate.diagnostics.pairing import mask_of, match
from surrogate.diagnostics.report_card import RANGE_TOLERANCE, card_of, together
from surrogate.diagnostics.summary import run_means, summarise, summarise_ratio
from surrogate.fields import FieldError, select_run
from surrogate.planet import MARS, Planet

ANGLE_MODES = 5
"""Dimension of the subspaces of POD modes that are compared."""


def score(
    truth: xr.Dataset,
    prediction: xr.Dataset,
    planet: Planet = MARS,
    conductivity: physics.Conductivity = "olivine",
    scale: float | None = None,
    name: str = "prediction",
) -> xr.Dataset:
    """Every measure of one method for every snapshot.

    Parameters
    ----------
    truth, prediction : xarray.Dataset
        Corpora of the same unseen runs. Lazy ones are read one run at a time.
    planet : Planet
    conductivity : {"constant", "olivine"}
        Law of the simulations.
    scale : float, optional
        K, of the mean square error; default the largest true temperature.
    name : str
        What to call the prediction in an error.

    Returns
    -------
    xarray.Dataset
        On dims (simulation, time), NaN for padding: ``relative_accuracy`` (percent), ``mean_square_error``,
        ``root_mean_square_error`` (K), ``variance_scaled_error``, ``lateral_anomaly_error``, ``profile_error`` (K),
        ``lateral_anomaly_error_square`` and ``lateral_anomaly_square`` (K2), and ``true_*`` and ``predicted_*`` of
        ``surface_heat_flux``, ``core_mantle_boundary_heat_flux`` (W/m2) and ``mean_temperature`` (K).
    """
    match(truth, prediction, name)  # the whole of it, before the first run is read
    runs = [
        _score_run(select_run(truth, number).load(), select_run(prediction, number).load(), planet, conductivity)
        for number in range(truth.sizes["simulation"])
    ]
    return _stacked(runs, truth, accuracy.temperature_maximum(truth) if scale is None else scale)


def _stacked(runs: Sequence[xr.Dataset], truth: xr.Dataset, scale: float) -> xr.Dataset:
    """Scores of runs, padded to the same length, on the coordinates of the truth."""
    length = truth.sizes["time"]
    scores = xr.concat([run.pad(time=(0, length - run.sizes["time"])) for run in runs], "simulation")
    scores["mean_square_error"] = (scores["mean_square_error"] / scale**2).assign_attrs(units="1")
    names = [coordinate for coordinate in truth.coords if set(truth[coordinate].dims) <= {"simulation", "time"}]
    return scores.assign_coords({coordinate: truth[coordinate] for coordinate in names})


def _score_run(
    truth: xr.Dataset, prediction: xr.Dataset, planet: Planet, conductivity: physics.Conductivity
) -> xr.Dataset:
    """Scores of one run; the mean square error is that of the temperature itself, K2."""
    error_square, norm_square = accuracy.lateral_anomaly_squares(truth, prediction)
    values = {
        "relative_accuracy": accuracy.relative_accuracy(truth, prediction),
        "mean_square_error": accuracy.mean_square_error(truth, prediction, scale=1.0),
        "root_mean_square_error": accuracy.root_mean_square_error(truth, prediction),
        "variance_scaled_error": accuracy.variance_scaled_error(truth, prediction),
        "lateral_anomaly_error": accuracy.lateral_anomaly_error(truth, prediction),
        "lateral_anomaly_error_square": error_square.assign_attrs(units="K2"),
        "lateral_anomaly_square": norm_square.assign_attrs(units="K2"),
        "profile_error": accuracy.profile_error(truth, prediction),
    }
    for kind, dataset in (("true", truth), ("predicted", prediction)):
        values[f"{kind}_surface_heat_flux"] = physics.surface_heat_flux(dataset, planet, conductivity)
        values[f"{kind}_core_mantle_boundary_heat_flux"] = physics.core_mantle_boundary_heat_flux(
            dataset, planet, conductivity
        )
        values[f"{kind}_mean_temperature"] = physics.mean_temperature(dataset)
    return xr.Dataset({name: ("time", entry.values, entry.attrs) for name, entry in values.items()})


def summary_of(scores: xr.Dataset) -> dict[str, dict[str, float]]:
    """Summarise the scores of one method (:func:`score`) over snapshots and runs.

    Heat flux errors are root-mean-square errors over the root-mean-square flux of the truth: the flux through the
    core-mantle boundary changes its sign, so that ratios of single snapshots would mean nothing.
    """
    real = mask_of_scores(scores)
    result = {"relative_accuracy": summarise(scores["relative_accuracy"], real, higher_is_better=True)}
    for name in ("mean_square_error", "root_mean_square_error", "variance_scaled_error", "profile_error"):
        result[name] = summarise(scores[name], real)
    result["lateral_anomaly_error"] = summarise_ratio(
        scores["lateral_anomaly_error_square"], scores["lateral_anomaly_square"], real
    )
    for name in ("surface_heat_flux", "core_mantle_boundary_heat_flux"):
        square = (scores[f"predicted_{name}"] - scores[f"true_{name}"]) ** 2
        result[f"{name}_error"] = summarise_ratio(square, scores[f"true_{name}"] ** 2, real)
    result["mean_temperature_error"] = summarise(
        abs(scores["predicted_mean_temperature"] - scores["true_mean_temperature"]), real
    )
    return result


def mask_of_scores(scores: xr.Dataset) -> xr.DataArray:
    """Which snapshots of a table of scores are real, dims (simulation, time)."""
    return xr.DataArray(np.isfinite(scores["snapshot_time"].values), dims=("simulation", "time"))


class Modes(NamedTuple):
    """Singular values of a run, as the paper counts and with the mean removed, and its leading weighted modes."""

    plain: np.ndarray
    weighted: np.ndarray
    leading: xr.Dataset


def _modes_of(run: xr.Dataset, count: int) -> Modes:
    return Modes(
        pod.singular_values(run, count),
        pod.singular_values(run, count, remove_mean=True, weighted=True),
        pod.decompose(run, ANGLE_MODES),
    )


PERFECT = {"singular_value_sum_ratio": 100.0, "weighted_sum_ratio": 100.0, "subspace_angle": 0.0}
"""What the comparison of the modes of a run with themselves gives."""


def _compared(true: Modes, predicted: Modes) -> dict[str, float]:
    shared = min(true.leading.sizes["mode"], predicted.leading.sizes["mode"])
    angles = pod.subspace_angles(true.leading, predicted.leading, shared)
    return {
        "singular_value_sum_ratio": pod.sum_ratio(true.plain, predicted.plain),
        "weighted_sum_ratio": pod.sum_ratio(true.weighted, predicted.weighted),
        "subspace_angle": float(np.sqrt(np.mean(angles**2))),
    }


def _modes_summary(rows: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    columns = {name: [row[name] for row in rows] for name in PERFECT}
    return {
        name: {
            "mean": float(np.mean(values)),
            "run_median": float(np.median(values)),
            "run_worst": float(max(values, key=lambda value: abs(value - PERFECT[name]))),
        }
        for name, values in columns.items()
    }


def compare_modes(truth: xr.Dataset, prediction: xr.Dataset, count: int = 50) -> dict[str, dict[str, float]]:
    """Compare the singular values and the leading POD modes of every run.

    Parameters
    ----------
    truth, prediction : xarray.Dataset
        Corpora of the same runs. Lazy ones are read one run at a time.
    count : int
        Singular values compared per run, at most its number of snapshots.

    Returns
    -------
    dict
        ``singular_value_sum_ratio`` (percent, the paper's: mean kept, nodes alike), ``weighted_sum_ratio`` (percent,
        time mean removed, weighted by cell volume), ``subspace_angle`` (degrees, root mean square of the principal
        angles of the first 5 weighted modes); of each the ``mean`` over runs, ``run_median`` and ``run_worst``
        (furthest from 100 percent, or largest).
    """
    return _modes_summary([
        _compared(*(_modes_of(select_run(dataset, number).load(), count) for dataset in (truth, prediction)))
        for number in range(truth.sizes["simulation"])
    ])  # fmt: skip


class MethodRuns(NamedTuple):
    """What is found of one method, run by run."""

    scores: list[xr.Dataset]
    modes: list[dict[str, float]]
    cards: list[dict[str, Any]]


def evaluate(
    truth: xr.Dataset,
    predictions: Mapping[str, xr.Dataset],
    planet: Planet = MARS,
    settings: EvaluationSettings | None = None,
    conductivity: physics.Conductivity = "olivine",
    scale: float | None = None,
    crust_heating: physics.CrustHeating = "none",
) -> dict[str, Any]:
    """Evaluate every method on the same unseen runs.

    Lazy corpora are read one run at a time, each once, so that the memory needed does not grow with their number.

    Parameters
    ----------
    truth : xarray.Dataset
        Corpus of the unseen runs.
    predictions : mapping
        Name of the method to a corpus of the same runs.
    planet : Planet
    settings : EvaluationSettings, optional
    conductivity : {"constant", "olivine"}
        Law of the simulations.
    scale : float, optional
        K, of the mean square error; default the largest true temperature.
    crust_heating : {"none", "enriched"}
        Law of the simulations.

    Returns
    -------
    dict
        JSON-ready: ``truth`` (``runs``, ``snapshots``, ``grid``, ``temperature_scale`` K, ``report_card`` of the
        simulations, and of every run its number, ``simulation``, and the time of its last snapshot, ``end`` Gyr),
        ``methods`` (per method the entries of :func:`summary_of` and :func:`compare_modes`, ``report_card``, and
        ``accuracy_of_runs``, percent), ``published`` (the paper's numbers, for another corpus) and
        ``published_source``.
    """
    from surrogate.diagnostics.published import PUBLISHED, PUBLISHED_SOURCE

    if "simulation" not in truth["temperature"].dims:
        raise FieldError("evaluate: expected a corpus of unseen runs, got a single run")
    settings = settings or EvaluationSettings()
    for name, prediction in predictions.items():
        match(truth, prediction, name)

    def card(run: xr.Dataset) -> dict[str, Any]:
        # Unseen runs lie where they were drawn: no range to hold their parameters against.
        return card_of(run, planet, conductivity, RANGE_TOLERANCE, crust_heating, {})

    cards: list[dict[str, Any]] = []
    found = {name: MethodRuns([], [], []) for name in predictions}
    hottest = 0.0
    for number in range(truth.sizes["simulation"]):
        run = select_run(truth, number).load()
        modes = _modes_of(run, settings.singular_values)
        cards.append(card(run))
        hottest = max(hottest, accuracy.temperature_maximum(run))
        for name, prediction in predictions.items():
            predicted = select_run(prediction, number).load()
            scores = _score_run(run, predicted, planet, conductivity)
            holes = int((~np.isfinite(scores["relative_accuracy"])).sum())
            if holes:
                raise FieldError(
                    f"{name}: run {int(truth['simulation'][number])}: the predicted temperature is not finite "
                    f"in {holes} of {run.sizes['time']} snapshots"
                )
            found[name].scores.append(scores)
            found[name].modes.append(_compared(modes, _modes_of(predicted, settings.singular_values)))
            found[name].cards.append(card(predicted))
    scale = hottest if scale is None else scale
    methods = {}
    for name, runs in found.items():
        scores = _stacked(runs.scores, truth, scale)
        methods[name] = {
            **summary_of(scores),
            **_modes_summary(runs.modes),
            "accuracy_of_runs": run_means(scores["relative_accuracy"], mask_of(truth)).values.tolist(),
            "report_card": together(runs.cards),
        }
    return {
        "truth": {
            "runs": truth.sizes["simulation"],
            "snapshots": int(mask_of(truth).sum()),
            "grid": [truth.sizes["radius"], truth.sizes["angle"]],
            "temperature_scale": scale,
            "report_card": together(cards),
            "simulation": truth["simulation"].values.tolist(),
            "end": np.nanmax(truth["snapshot_time"].values, axis=1).tolist(),
        },
        "methods": methods,
        "published": PUBLISHED,
        "published_source": PUBLISHED_SOURCE,
    }
