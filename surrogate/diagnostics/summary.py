"""From one number per snapshot to the few that a table holds."""

from __future__ import annotations

import numpy as np
import xarray as xr

from surrogate.fields import FieldError

TAIL = 5.0
"""Percent of the runs that are worse than ``run_tail``."""


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
    return {"mean": float(values[real].mean()), **_runs(_run_means(values, real), higher_is_better),
            "snapshot_worst": _worst(values[real], higher_is_better)}  # fmt: skip


def summarise_ratio(numerator: xr.DataArray, denominator: xr.DataArray, snapshots: xr.DataArray) -> dict[str, float]:
    """Summarise sqrt(sum of numerators / sum of denominators): over everything (``mean``) and per run.

    For errors relative to a norm that is near zero in some snapshots, whose single ratios mean nothing.
    """
    above, real = _real(numerator, snapshots)
    below, _ = _real(denominator, snapshots)
    pooled = float(np.sqrt(above[real].sum() / below[real].sum()))
    runs = np.sqrt(_run_means(above, real) / _run_means(below, real))
    return {"mean": pooled, **_runs(runs, higher_is_better=False)}


def run_means(scores: xr.DataArray, snapshots: xr.DataArray) -> xr.DataArray:
    """Mean over the real snapshots of each run, dims (simulation,)."""
    values, real = _real(scores, snapshots)
    coordinates = {"simulation": scores["simulation"]} if "simulation" in scores.coords else None
    return xr.DataArray(_run_means(values, real), coordinates, ("simulation",), scores.name, scores.attrs)


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
    return np.where(real, values, 0.0).sum(axis=1) / real.sum(axis=1)


def _runs(means: np.ndarray, higher_is_better: bool) -> dict[str, float]:
    return {
        "run_median": float(np.median(means)),
        "run_tail": float(np.percentile(means, TAIL if higher_is_better else 100.0 - TAIL)),
        "run_worst": _worst(means, higher_is_better),
    }


def _worst(values: np.ndarray, higher_is_better: bool) -> float:
    return float(values.min() if higher_is_better else values.max())
