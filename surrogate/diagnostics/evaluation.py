"""Evaluate predictions of unseen runs: from fields to the numbers of a table.

:func:`score` gives every measure for every snapshot, :func:`evaluate` the JSON-ready summary of many methods; tables
and sentences are made of it by :mod:`surrogate.report`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from surrogate.config import EvaluationSettings
from surrogate.diagnostics import accuracy, physics, pod
from surrogate.diagnostics.pairing import Fields, Pair, Snapshots, pair, snapshots_of
from surrogate.diagnostics.published import published_for
from surrogate.diagnostics.report_card import RANGE_TOLERANCE, RunCard, card_of, together
from surrogate.fields import FieldError, parameter_table, space_of
from surrogate.planet import MARS, Planet

ANGLE_MODES = 5
"""Dimension of the subspaces of POD modes that are compared."""

TAIL = 5.0
"""Percent of the runs that are worse than ``run_tail``."""


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
        On dims (simulation, time), NaN for padding: ``relative_accuracy``, or without kelvin ``range_accuracy``
        (percent; the range is that of all temperatures of the truth), ``mean_square_error``,
        ``root_mean_square_error`` (K), ``variance_scaled_error``, ``lateral_anomaly_error``, ``profile_error`` (K),
        ``lateral_anomaly_error_square`` and ``lateral_anomaly_square`` (K2), and ``true_*`` and ``predicted_*`` of
        ``surface_heat_flux``, ``core_mantle_boundary_heat_flux`` (W/m2) and ``mean_temperature`` (K).
    """
    both = pair(truth, prediction, name)  # the whole of it, before the first run is read
    runs = [
        _score_run(Pair(both.truth.run(number), both.prediction.run(number)), planet, conductivity)
        for number in range(truth.sizes["simulation"])
    ]
    scale = accuracy.temperature_maximum(truth) if scale is None else scale
    return _stacked(runs, truth, scale, accuracy.temperature_span(truth))


def _stacked(runs: Sequence[xr.Dataset], truth: xr.Dataset, scale: float, span: float) -> xr.Dataset:
    """Scores of runs, padded to the same length, on the coordinates of the truth."""
    length = truth.sizes["time"]
    scores = xr.concat([run.pad(time=(0, length - run.sizes["time"])) for run in runs], "simulation")
    if "range_accuracy" in scores:
        scores["range_accuracy"] = (100.0 - 100.0 / span * scores["range_accuracy"]).assign_attrs(units="percent")
    scores["mean_square_error"] = (scores["mean_square_error"] / scale**2).assign_attrs(units="1")
    names = [coordinate for coordinate in truth.coords if set(truth[coordinate].dims) <= {"simulation", "time"}]
    return scores.assign_coords({coordinate: truth[coordinate] for coordinate in names})


def _score_run(both: Pair, planet: Planet, conductivity: physics.Conductivity) -> xr.Dataset:
    """Scores of one run; errors whose scale is that of all runs are those of the temperature itself."""
    error_square, norm_square = accuracy.lateral_anomaly_squares(both)
    kelvin = both.units.dimensional
    square = "K2" if kelvin else "1"
    values = {
        both.units.accuracy: accuracy.relative_accuracy(both) if kelvin else accuracy.mean_absolute_error(both),
        "mean_square_error": accuracy.mean_square_error(both, scale=1.0),
        "root_mean_square_error": accuracy.root_mean_square_error(both),
        "variance_scaled_error": accuracy.variance_scaled_error(both),
        "lateral_anomaly_error": accuracy.lateral_anomaly_error(both),
        "lateral_anomaly_error_square": error_square.assign_attrs(units=square),
        "lateral_anomaly_square": norm_square.assign_attrs(units=square),
        "profile_error": accuracy.profile_error(both),
    }
    for kind, snapshots in (("true", both.truth), ("predicted", both.prediction)):
        values[f"{kind}_surface_heat_flux"] = physics.surface_heat_flux(snapshots, planet, conductivity)
        values[f"{kind}_core_mantle_boundary_heat_flux"] = physics.core_mantle_boundary_heat_flux(
            snapshots, planet, conductivity
        )
        values[f"{kind}_mean_temperature"] = physics.mean_temperature(snapshots)
    return xr.Dataset({name: ("time", entry.values, entry.attrs) for name, entry in values.items()})


def _summary_of(scores: xr.Dataset, real: xr.DataArray) -> dict[str, dict[str, float]]:
    """Summarise the scores of one method (:func:`score`) over snapshots and runs.

    Heat flux errors are root-mean-square errors over the root-mean-square flux of the truth: the flux through the
    core-mantle boundary changes its sign, so that ratios of single snapshots would mean nothing.
    """
    headline = next(name for name in ("relative_accuracy", "range_accuracy") if name in scores)
    result = {headline: summarise(scores[headline], real, higher_is_better=True)}
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


class _Modes(NamedTuple):
    """Singular values of a run, as the paper counts and with the mean removed, and its leading weighted modes."""

    plain: np.ndarray
    weighted: np.ndarray
    leading: xr.Dataset


def _modes_of(run: Snapshots, count: int) -> _Modes:
    return _Modes(
        pod.singular_values(run, count),
        pod.singular_values(run, count, remove_mean=True, weighted=True),
        pod.decompose(run, ANGLE_MODES),
    )


PERFECT = {"singular_value_sum_ratio": 100.0, "weighted_sum_ratio": 100.0, "subspace_angle": 0.0}
"""What the comparison of the modes of a run with themselves gives."""


def _compared(true: _Modes, predicted: _Modes) -> dict[str, float]:
    shared = min(true.leading.sizes["mode"], predicted.leading.sizes["mode"])
    angles = pod.subspace_angles(true.leading, predicted.leading, shared)
    return {
        "singular_value_sum_ratio": pod.sum_ratio(true.plain, predicted.plain),
        "weighted_sum_ratio": pod.sum_ratio(true.weighted, predicted.weighted),
        # Without variation in time there is no mode, which is as far from those of the truth as can be.
        "subspace_angle": float(np.sqrt(np.mean(angles**2))) if angles.size else 90.0,
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
    both = pair(truth, prediction)
    return _modes_summary(
        [
            _compared(_modes_of(true, count), _modes_of(predicted, count))
            for true, predicted in zip(both.truth.runs(), both.prediction.runs(), strict=True)
        ]
    )


class _MethodRuns(NamedTuple):
    """What is found of one method, run by run."""

    scores: list[xr.Dataset]
    modes: list[dict[str, float]]
    cards: list[RunCard]


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
        JSON-ready: ``truth`` (``runs``, ``snapshots``, ``grid``, ``units``, ``temperature_scale`` K, ``report_card`` of
        the simulations, and of every run its number, ``simulation``, and the time of its last snapshot, ``end`` Gyr),
        ``methods`` (per method a summary of every measure of :func:`score`, the entries of :func:`compare_modes`,
        ``report_card``, ``accuracy_of_runs``, percent, and ``accuracy_correlation``, see :func:`rank_correlations`),
        ``published`` (the paper's numbers, for another corpus, if this one is like it) and ``published_source``.
    """
    if "simulation" not in truth["temperature"].dims:
        raise FieldError("evaluate: expected a corpus of unseen runs, got a single run")
    settings = settings or EvaluationSettings()
    whole = snapshots_of(truth)
    headline = whole.units.accuracy
    pairs = {name: pair(whole, prediction, name) for name, prediction in predictions.items()}

    def card(run: Snapshots) -> RunCard:
        # Unseen runs lie where they were drawn: no range to hold their parameters against.
        return card_of(run, planet, conductivity, RANGE_TOLERANCE, crust_heating, {})

    cards: list[RunCard] = []
    found = {name: _MethodRuns([], [], []) for name in predictions}
    hottest, coldest = -np.inf, np.inf
    for number, run in enumerate(whole.runs()):
        modes = _modes_of(run, settings.singular_values)
        cards.append(card(run))
        hottest, coldest = max(hottest, accuracy.temperature_maximum(run)), min(coldest, float(run.temperature.min()))
        for name, both in pairs.items():
            predicted = both.prediction.run(number)
            scores = _score_run(Pair(run, predicted), planet, conductivity)
            holes = int((~np.isfinite(scores[headline])).sum())
            if holes:
                raise FieldError(
                    f"{name}: run {int(truth['simulation'][number])}: the predicted temperature is not finite "
                    f"in {holes} of {scores.sizes['time']} snapshots"
                )
            found[name].scores.append(scores)
            found[name].modes.append(_compared(modes, _modes_of(predicted, settings.singular_values)))
            found[name].cards.append(card(predicted))
    scale = hottest if scale is None else scale
    methods = {}
    for name, runs in found.items():
        scores = _stacked(runs.scores, truth, scale, hottest - coldest)
        means = _run_means(*_real(scores[headline], whole.mask))
        methods[name] = {
            **_summary_of(scores, whole.mask),
            **_modes_summary(runs.modes),
            "accuracy_of_runs": means.tolist(),
            "accuracy_correlation": rank_correlations(truth, means),
            "report_card": together(runs.cards),
        }
    return {
        "truth": {
            "runs": truth.sizes["simulation"],
            "snapshots": int(whole.mask.sum()),
            "grid": list(whole.temperature.shape[-2:]),
            "units": whole.units.name,
            "temperature_scale": scale,
            "report_card": together(cards),
            "simulation": truth["simulation"].values.tolist(),
            "end": np.nanmax(truth["snapshot_time"].values, axis=1).tolist(),
        },
        "methods": methods,
        **published_for(space_of(truth), planet),
    }


def rank_correlations(corpus: xr.Dataset, values: Sequence[float] | np.ndarray) -> dict[str, dict[str, float]]:
    """Rank correlation (Spearman) of one number per run with every parameter of the corpus.

    Returns
    -------
    dict
        Name of the parameter to ``coefficient``, -1 to 1, and ``chance``, the probability of one as large if there
        were no relation. Parameters, or values, that do not vary have no entry.
    """
    from scipy.stats import spearmanr

    if len(values) < 3 or not np.ptp(values) > 0:
        return {}
    found = {}
    for name, column in zip(space_of(corpus).names, parameter_table(corpus).T, strict=True):
        if np.ptp(column) > 0:
            result = spearmanr(column, values)
            found[name] = {"coefficient": float(result.statistic), "chance": float(result.pvalue)}
    return found


def accuracy_of_runs(truth: Fields | Pair, prediction: Fields | None = None) -> np.ndarray:
    """Mean of :func:`headline_accuracy` over the snapshots of every run of a corpus, percent, shape (simulation,)."""
    both = pair(truth, prediction)
    return _run_means(*_real(accuracy.headline_accuracy(both), both.truth.mask))


def summarise(scores: xr.DataArray, snapshots: xr.DataArray, higher_is_better: bool = False) -> dict[str, float]:
    """Summarise one number per snapshot over snapshots and runs.

    Parameters
    ----------
    scores : xarray.DataArray, dims (simulation, time)
    snapshots : xarray.DataArray of bool, dims (simulation, time)
        Which snapshots are real.
    higher_is_better : bool
        True for an accuracy, False for an error: decides which end is the worst.

    Returns
    -------
    dict
        ``mean`` over all snapshots alike (a long run counts more, as in the paper); of the means per run the
        ``run_median``, ``run_tail`` (5 % of the runs are worse) and ``run_worst``; ``snapshot_worst``.

    Raises
    ------
    surrogate.fields.FieldError
        If a real snapshot has no score: a prediction with holes must not look better for them.

    Examples
    --------
    >>> scores = xr.DataArray([[1.0, 3.0], [4.0, np.nan]], dims=("simulation", "time"))
    >>> summary = summarise(scores, np.isfinite(scores))
    >>> round(summary["mean"], 2), summary["run_median"], summary["run_worst"], summary["snapshot_worst"]
    (2.67, 3.0, 4.0, 4.0)
    """
    values, real = _real(scores, snapshots)
    return {
        "mean": float(values[real].mean()),
        **_run_summary(_run_means(values, real), higher_is_better),
        "snapshot_worst": _worst(values[real], higher_is_better),
    }


def summarise_ratio(numerator: xr.DataArray, denominator: xr.DataArray, snapshots: xr.DataArray) -> dict[str, float]:
    """Summarise sqrt(sum of numerators / sum of denominators): over everything (``mean``) and per run.

    For errors relative to a norm that is near zero in some snapshots, whose single ratios mean nothing.
    """
    above, real = _real(numerator, snapshots)
    below, _ = _real(denominator, snapshots)
    pooled = float(np.sqrt(above[real].sum() / below[real].sum()))
    runs = np.sqrt(_run_means(above, real) / _run_means(below, real))
    return {"mean": pooled, **_run_summary(runs, higher_is_better=False)}


def _real(scores: xr.DataArray, snapshots: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    values = np.asarray(scores.transpose("simulation", "time").values, dtype=float)
    real = np.asarray(snapshots.transpose("simulation", "time").values, dtype=bool)
    holes = real & ~np.isfinite(values)
    if holes.any():
        raise FieldError(
            f"{scores.name or 'score'}: not finite in {int(holes.sum())} of {int(real.sum())} snapshots, "
            f"first in run {int(np.argwhere(holes)[0, 0])} of the dataset: the prediction has NaN or infinite values"
        )
    return values, real


def _run_means(values: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Mean over the real snapshots of each run, shape (simulation,)."""
    means: np.ndarray = np.where(real, values, 0.0).sum(axis=1) / real.sum(axis=1)
    return means


def _run_summary(means: np.ndarray, higher_is_better: bool) -> dict[str, float]:
    return {
        "run_median": float(np.median(means)),
        "run_tail": float(np.percentile(means, TAIL if higher_is_better else 100.0 - TAIL)),
        "run_worst": _worst(means, higher_is_better),
    }


def _worst(values: np.ndarray, higher_is_better: bool) -> float:
    return float(values.min() if higher_is_better else values.max())
