"""How far a question lies from the training runs: in parameter space, and of the answer in latent space.

Distances are means over the nearest training runs. In parameter space they are Euclidean, each parameter scaled by
its trained range to [-1, 1] on its natural axis. In latent space they compare a predicted state with the encoded
training runs at the same age, over the leading latents; a step of 1 there changes the field by about 1 K (root mean
square). Both thresholds are conformal: a new run drawn like the training runs exceeds each with probability
:data:`RARE`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.parameters import PARAMETERS

NEIGHBOURS = 5
"""Nearest training runs whose mean distance counts."""

LEADING = 8
"""Latents that are compared: the leading ones hold what the parameters determine."""

MOST = 512
"""Training runs that are kept, at most: more would make no answer better."""

KNOTS = 10
"""Ages at which latents of the training runs are kept."""

NEARNESS_FILE = "training.nc"
"""File of a bundle that says where the training runs lie."""

RARE = 0.02
"""How often a run drawn like the training runs counts as far from them."""


def natural_ranges(ranges: Mapping[str, tuple[float, float]]) -> np.ndarray:
    """Return the range of each parameter on its natural axis, shape (5, 2)."""
    return np.array([[float(entry.transform(value)) for value in ranges[entry.name]] for entry in PARAMETERS])


@dataclass(frozen=True)
class Nearness:
    """Where the training runs lie.

    Attributes
    ----------
    ranges : array, shape (5, 2)
        Lowest and highest trained value of each parameter on its natural axis.
    points : array, shape (run, 5)
        Scaled parameters of the training runs.
    threshold : float
        Distance in parameter space beyond which a question is far from the training runs.
    knots : array, shape (knot,), Gyr
    latents : array, shape (knot, run, leading)
        NaN where a run has ended.
    latent_threshold : array, shape (knot,)
    """

    ranges: np.ndarray
    points: np.ndarray
    threshold: float
    knots: np.ndarray
    latents: np.ndarray
    latent_threshold: np.ndarray

    @classmethod
    def of_runs(cls, parameters: np.ndarray, ranges: np.ndarray) -> Nearness:
        """Fit to the parameters of training runs, shape (run, 5), SI units; latents are added by :meth:`with_latents`.

        Examples
        --------
        >>> low, high = ([getattr(entry, end) for entry in PARAMETERS] for end in ("low", "high"))
        >>> ranges = natural_ranges({entry.name: (entry.low, entry.high) for entry in PARAMETERS})
        >>> nearness = Nearness.of_runs(np.geomspace(low, high, 11), ranges)
        >>> middle, corner = nearness.distance(np.array([np.sqrt(np.multiply(low, high)), high]))
        >>> bool(corner > middle)
        True
        """
        empty = np.zeros((0,))
        nearness = cls(ranges, scaled(parameters, ranges), np.inf, empty, np.zeros((0, len(parameters), 0)), empty)
        own = nearness.distance(parameters, np.arange(len(parameters)))
        return cls(ranges, nearness.points, conformal(own, 1 - RARE), empty, nearness.latents, empty)

    def with_latents(self, knots: np.ndarray, truth: np.ndarray, predicted: np.ndarray) -> Nearness:
        """Keep latents of the training runs.

        Parameters
        ----------
        knots : array, shape (knot,), Gyr
        truth : array, shape (run, knot, latent)
            Encoded training runs; NaN where a run has ended.
        predicted : array, shape (run, knot, latent)
            Predictions for the same runs, best by members that did not see them: what they are like at new points.
        """
        kept = np.moveaxis(truth[..., :LEADING], 0, 1).astype(np.float32)
        nearness = Nearness(self.ranges, self.points, self.threshold, knots, kept, np.full(len(knots), np.inf))
        own = nearness.latent_distance(predicted, knots, np.arange(len(predicted)))
        own[~np.isfinite(truth).all(axis=-1)] = np.nan
        thresholds = np.array([conformal(column[np.isfinite(column)], 1 - RARE) for column in own.T])
        return Nearness(self.ranges, self.points, self.threshold, knots, kept, thresholds)

    def distance(self, parameters: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
        """Mean distance to the nearest training runs, shape (n,).

        Parameters
        ----------
        parameters : array, shape (n, 5), SI units
        own : array of int, shape (n,), optional
            Row of the training run that a set is itself, which does not count; -1 if it is none.
        """
        away = np.linalg.norm(scaled(parameters, self.ranges)[:, None] - self.points[None], axis=-1)
        return _nearest(away, own)

    def latent_distance(self, latents: np.ndarray, times: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
        """Mean distance of latents, shape (n, time, latent), to those of the nearest training runs at these times."""
        reference = _at(self.knots, self.latents, times)
        squares = (reference**2).sum(axis=-1)[None]
        result = np.empty(latents.shape[:2])
        rows = max(1, 4_000_000 // max(squares.size, 1))
        for start in range(0, len(latents), rows):
            part = latents[start : start + rows, :, :LEADING]
            product = np.moveaxis(np.moveaxis(part, 0, 1) @ np.moveaxis(reference, 1, 2), 0, 1)
            away = np.sqrt(np.maximum((part**2).sum(axis=-1, keepdims=True) + squares - 2 * product, 0.0))
            result[start : start + rows] = _nearest(away, None if own is None else own[start : start + rows])
        return result

    def latent_thresholds(self, times: np.ndarray) -> np.ndarray:
        """Thresholds at times, Gyr."""
        return np.interp(times, self.knots, self.latent_threshold)

    def write(self, path: Path) -> None:
        """Write to NetCDF."""
        xr.Dataset(
            {
                "ranges": (("parameter", "end"), self.ranges),
                "points": (("run", "parameter"), self.points.astype(np.float32)),
                "threshold": self.threshold,
                "knots": (("knot",), self.knots),
                "latents": (("knot", "run", "leading"), self.latents),
                "latent_threshold": (("knot",), self.latent_threshold),
            }
        ).to_netcdf(path, engine="h5netcdf", encoding={"latents": {"zlib": True, "shuffle": True}})

    @classmethod
    def read(cls, path: Path) -> Nearness:
        """Read what :meth:`write` wrote."""
        stored = xr.load_dataset(path, engine="h5netcdf")
        names = ("ranges", "points", "threshold", "knots", "latents", "latent_threshold")
        values: list[Any] = [stored[name].values for name in names]
        values[2] = float(values[2])
        return cls(*values)


def kept_runs(count: int) -> np.ndarray:
    """Return rows of the training runs that are kept, out of `count`; equally spaced."""
    return np.unique(np.linspace(0, count - 1, MOST).round().astype(int))


def scaled(parameters: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    """Parameters, shape (n, 5), SI units, on their natural axes, the trained ranges scaled to [-1, 1]."""
    natural = np.stack([entry.transform(parameters[:, i]) for i, entry in enumerate(PARAMETERS)], axis=1)
    return np.asarray(2 * (natural - ranges[:, 0]) / np.maximum(ranges[:, 1] - ranges[:, 0], 1e-12) - 1)


def conformal(values: np.ndarray, level: float) -> float:
    """Value that a further one exceeds with probability at most 1 - `level`; the largest if there are too few.

    >>> conformal(np.arange(1.0, 100.0), 0.9)
    90.0
    """
    rank = min(int(np.ceil((len(values) + 1) * level - 1e-9)), len(values))
    return float(np.sort(values)[rank - 1]) if len(values) else np.inf


def _nearest(away: np.ndarray, own: np.ndarray | None) -> np.ndarray:
    """Mean of the smallest entries along the last axis of distances, shape (n, ..., run); NaN is infinitely far."""
    away = np.where(np.isnan(away), np.inf, away)
    if own is not None:
        rows = np.flatnonzero(own >= 0)
        away[rows, ..., own[rows]] = np.inf
    count = max(1, min(NEIGHBOURS, away.shape[-1] - 1))
    least = np.partition(away, count - 1, axis=-1)[..., :count]
    finite = np.isfinite(least)
    return np.asarray(np.where(finite, least, 0.0).sum(axis=-1) / np.maximum(finite.sum(axis=-1), 1))


def _at(knots: np.ndarray, values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Interpolate values, shape (knot, ...), linearly to times, shape (time, ...); constant beyond the ends."""
    position = np.interp(times, knots, np.arange(len(knots)))
    lower = np.minimum(position.astype(int), len(knots) - 2)
    share = (position - lower).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray(values[lower] + share * (values[lower + 1] - values[lower]))
