"""How far a question lies from the training runs: in their ranges, in parameter space, and of the answer in latents.

Parameters are scaled once: each by its trained range to [-1, 1] on its natural axis. Distances are means over the
nearest training runs, Euclidean in scaled parameters. In latent space they compare a predicted state with the encoded
training runs at the same age, over the leading latents; a step of 1 there changes the field by about 1 K (root mean
square). Both thresholds are conformal: a new run drawn like the training runs exceeds each with probability
:data:`RARE`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.fields import parameter_table, select_split
from surrogate.parameters import Parameter, ParameterSpace
from surrogate.query.engine import Engine
from surrogate.units import to_magnitude

NEIGHBOURS = 5
"""Nearest training runs whose mean distance counts."""

LEADING_LATENTS = 8
"""Latents that are compared: the leading ones hold what the parameters determine."""

MOST_RUNS = 512
"""Training runs that are kept, at most: more would make no answer better."""

KNOTS = 10
"""Ages at which latents of the training runs are kept."""

TRAINING_FILE = "training.nc"
"""File of a bundle that says where the training runs lie."""

RARE = 0.02
"""How often a run drawn like the training runs counts as far from them."""

FAR = 1.0
"""Widths of a trained range beyond its end from which on a question is refused."""


LIKELY_SLIP = 30.0
"""Factor beyond a positive range from which on a value that another prefix would bring inside is a slip."""


@dataclass(frozen=True)
class Nearness:
    """Where the training runs lie.

    Attributes
    ----------
    space : ParameterSpace
        Its ranges are those of the training runs.
    points : array, shape (run, n)
        Scaled parameters of the training runs.
    threshold : float
        Distance in parameter space beyond which a question is far from the training runs.
    knots : array, shape (knot,), Gyr
    latents : array, shape (knot, run, leading)
        NaN where a run has ended.
    latent_threshold : array, shape (knot,)
    """

    space: ParameterSpace
    points: np.ndarray
    threshold: float
    knots: np.ndarray
    latents: np.ndarray
    latent_threshold: np.ndarray

    @classmethod
    def of_runs(cls, parameters: np.ndarray, space: ParameterSpace) -> Nearness:
        """Fit to the parameters of training runs, shape (run, n); latents are added by :meth:`with_latents`.

        Examples
        --------
        >>> from surrogate.parameters import EVOLUTION_PARAMETERS as space
        >>> runs = space.unscale(np.linspace(0, 1, 11)[:, None] * np.ones(5))
        >>> nearness = Nearness.of_runs(runs, space)
        >>> middle, corner = nearness.distance(nearness.scale(space.unscale([[0.5] * 5, [1.0] * 5])))
        >>> bool(corner > middle)
        True
        """
        empty = np.zeros((0,))
        nearness = cls(space, empty, np.inf, empty, np.zeros((0, len(parameters), 0)), empty)
        nearness = replace(nearness, points=nearness.scale(parameters))
        own = nearness.distance(nearness.points, np.arange(len(parameters)))
        return replace(nearness, threshold=conformal(own, 1 - RARE))

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
        kept = np.moveaxis(truth[..., :LEADING_LATENTS], 0, 1).astype(np.float32)
        nearness = replace(self, knots=knots, latents=kept, latent_threshold=np.full(len(knots), np.inf))
        own = nearness.latent_distance(predicted, knots, np.arange(len(predicted)))
        own[~np.isfinite(truth).all(axis=-1)] = np.nan
        thresholds = np.array([conformal(column[np.isfinite(column)], 1 - RARE) for column in own.T])
        return replace(nearness, latent_threshold=thresholds)

    @cached_property
    def _axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which parameters have a logarithmic axis, lower end and width of the ranges on the natural axes."""
        low, high = self.space.low, self.space.high
        width = np.maximum(high - low, 1e-12 * np.maximum(np.abs(high), 1e-12))
        return np.flatnonzero([entry.logarithmic for entry in self.space.parameters]), low, width

    def scale(self, parameters: np.ndarray) -> np.ndarray:
        """Scale parameters, shape (simulation, n), so that the trained ranges are [-1, 1] on the natural axes."""
        logarithmic, low, width = self._axes
        natural = np.array(parameters, dtype=float)
        natural[:, logarithmic] = np.log10(natural[:, logarithmic])
        return np.asarray(2 * (natural - low) / width - 1)

    def distance(self, scaled: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
        """Mean distance to the nearest training runs, shape (simulation,).

        Parameters
        ----------
        scaled : array, shape (simulation, n)
            From :meth:`scale`.
        own : array of int, shape (simulation,), optional
            Row of the training run that a set is itself, which does not count; -1 if it is none.
        """
        return _nearest(np.linalg.norm(scaled[:, None] - self.points[None], axis=-1), own)

    def latent_distance(self, latents: np.ndarray, times: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
        """Mean distance of latents, shape (simulation, time, latent), to those of the nearest runs at these times."""
        position = np.interp(times, self.knots, np.arange(len(self.knots)))
        lower = np.minimum(position.astype(int), len(self.knots) - 2)
        share = (position - lower)[:, None, None]
        reference = self.latents[lower] + share * (self.latents[lower + 1] - self.latents[lower])
        squares = (reference**2).sum(axis=-1)[None]
        result = np.empty(latents.shape[:2])
        rows = max(1, 4_000_000 // max(squares.size, 1))
        for start in range(0, len(latents), rows):
            part = latents[start : start + rows, :, :LEADING_LATENTS]
            product = np.moveaxis(np.moveaxis(part, 0, 1) @ np.moveaxis(reference, 1, 2), 0, 1)
            away = np.sqrt(np.maximum((part**2).sum(axis=-1, keepdims=True) + squares - 2 * product, 0.0))
            result[start : start + rows] = _nearest(away, None if own is None else own[start : start + rows])
        return result

    def relative_distances(
        self, scaled: np.ndarray, times: np.ndarray, latents: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Distances over their thresholds, up to 1 for what is near.

        Returns
        -------
        array, shape (simulation,)
            Of the parameters.
        array, shape (simulation, time)
            Of parameters or latents, the larger of both.
        """
        thresholds = np.maximum(np.interp(times, self.knots, self.latent_threshold), 1e-12)
        nearby = self.distance(scaled) / self.threshold
        return nearby, np.maximum(nearby[:, None], self.latent_distance(latents, times) / thresholds)

    def write(self, path: Path) -> None:
        """Write to NetCDF."""
        xr.Dataset(
            {
                "points": (("run", "parameter"), self.points.astype(np.float32)),
                "threshold": self.threshold,
                "knots": (("knot",), self.knots),
                "latents": (("knot", "run", "leading"), self.latents),
                "latent_threshold": (("knot",), self.latent_threshold),
            }
        ).to_netcdf(path, engine="h5netcdf", encoding={"latents": {"zlib": True, "shuffle": True}})

    @classmethod
    def read(cls, path: Path, space: ParameterSpace) -> Nearness:
        """Read what :meth:`write` wrote."""
        stored = xr.load_dataset(path, engine="h5netcdf")
        points, threshold, knots, latents, latent_threshold = (
            stored[name].values for name in ("points", "threshold", "knots", "latents", "latent_threshold")
        )
        return cls(space, points, float(threshold), knots, latents, latent_threshold)


def beyond(values: np.ndarray, low: Any = -1.0, high: Any = 1.0) -> np.ndarray:
    """Signed distance of values to a range over its width; 0 inside. Of scaled parameters: to the trained ranges.

    >>> beyond(np.array([-2.0, 0.3, 1.0, 5.0])).tolist()
    [-0.5, 0.0, 0.0, 2.0]
    """
    outside = (np.minimum(values - low, 0.0) + np.maximum(values - high, 0.0)) / (high - low)
    return np.where(np.abs(outside) < 1e-9, 0.0, outside)  # a round trip through a table costs the last digit


@dataclass(frozen=True)
class Extrapolation:
    """What is said of a question that leaves the trained ranges.

    Attributes
    ----------
    lines : list of str
        One for each parameter, and the time, that leaves its range.
    refused : list of str
        Those of them that are too far outside, or a likely slip.
    far : array of bool, shape (simulation, time)
        Where they are.
    """

    lines: list[str]
    refused: list[str]
    far: np.ndarray


def describe_extrapolation(
    space: ParameterSpace,
    time: Parameter,
    values: np.ndarray,
    times: np.ndarray,
    outside: np.ndarray,
    late: np.ndarray,
) -> Extrapolation:
    """Say by what, and how far, a question leaves the trained ranges.

    Parameters
    ----------
    space : ParameterSpace
        With the trained ranges.
    time : Parameter
        With the trained range.
    values : array, shape (simulation, n)
    times : array, shape (time,), Gyr
    outside, late : array, shape (simulation, n) and (time,)
        From :func:`beyond`, of the scaled parameters and of the times.
    """
    columns = [*zip(space.parameters, values.T, outside.T, strict=True)]
    columns.append((time, times, late))
    far, lines, refused = np.zeros((len(values), len(times)), dtype=bool), [], []
    for entry, column, by in columns:
        wrong = column[by != 0]
        if not wrong.size:
            continue
        ends = dict.fromkeys((float(wrong.min()), float(wrong.max())))
        slips = {end: slip for end in ends if (slip := likely_slip(end, entry)) is not None}
        absurd = [end for end in slips if 0 < LIKELY_SLIP * end < entry.low or end > LIKELY_SLIP * entry.high > 0]
        too_far = (np.abs(by) > FAR) | np.isin(column, absurd)
        shown = " .. ".join(f"{end:g}" for end in ends) + (f" ({wrong.size} values)" if wrong.size > 1 else "")
        unit = "" if entry.unit == "dimensionless" else f" {entry.unit}"
        line = f"{entry.name} = {shown}{unit} is outside the trained {entry.low:g} .. {entry.high:g} "
        line += f"(by {np.abs(by).max():.2g} of that range)"
        line += f"; did you mean {' or '.join(slips.values())}?" if (slips and too_far.any()) or absurd else ""
        lines.append(line)
        if too_far.any():
            refused.append(line)
            far |= too_far[None, :] if entry.name == "time" and column is times else too_far[:, None]
    return Extrapolation(lines, refused, far)


def likely_slip(value: float, parameter: Parameter) -> str | None:
    """Say what a value outside the range of its parameter may have been meant to be: a prefix or a logarithm forgotten.

    >>> from surrogate.parameters import EVOLUTION_PARAMETERS as space
    >>> likely_slip(300, space["activation_energy"]), likely_slip(21, space["reference_viscosity"])
    ('300 kJ/mol', '1e+21 Pa s')
    >>> likely_slip(4500, Parameter("time", "Gyr", 0.0, 4.5)), likely_slip(1450, space["initial_temperature"])
    ('4500 Myr', '1450 degC')
    """
    if parameter.logarithmic:
        meant = 10.0 ** min(value, 300.0)
        return f"{meant:g} {parameter.unit}" if parameter.low <= meant <= parameter.high else None
    if parameter.unit == "dimensionless":
        return None
    spelled = parameter.unit.replace("**", "")
    others = [prefix + spelled for prefix in ("k", "M", "G", "c", "m", "u")]
    others += ["Myr", "kyr", "yr", "s"] if parameter.unit == "Gyr" else []
    for other in ["degC", *others] if parameter.unit == "K" else others:
        try:
            meant = to_magnitude(f"{value:.12g} {other}", parameter.unit, parameter.name)
        except ValueError:
            continue
        if parameter.low < meant <= parameter.high:
            return f"{value:g} {other}"
    return None


def locate_training(engine: Engine, corpus: xr.Dataset, space: ParameterSpace) -> Nearness:
    """Keep where the training runs of a corpus lie, with thresholds for new runs.

    Parameters
    ----------
    engine : Engine
    corpus : xarray.Dataset
    space : ParameterSpace
        With the ranges of the training runs.
    """
    training = select_split(corpus, "train")
    method = engine.means[0]
    folds = engine.folds(method, training.sizes["simulation"])
    rows = kept_runs(training.sizes["simulation"])
    training = training.isel(simulation=rows)
    parameters, times = parameter_table(training), training["snapshot_time"].values
    knots = np.linspace(np.nanmin(times), np.nanmax(times), KNOTS)
    truth = np.full((len(rows), KNOTS, engine.autoencoder.latents), np.nan, dtype=np.float32)
    for run, count in enumerate(np.isfinite(times).sum(axis=1)):
        nearest = np.abs(times[run, :count] - knots[:, None]).argmin(axis=1)
        kept = np.unique(nearest)
        latents = engine.autoencoder.encode(training["temperature"].isel(simulation=run, time=kept).values)
        reached = knots <= times[run, count - 1] + 0.5 * (knots[1] - knots[0])
        truth[run, reached] = latents[np.searchsorted(kept, nearest)][reached]
    if folds is None:
        predicted = engine.latents(method, parameters, knots)
    else:
        predicted = engine.blind_latents(method, parameters, knots, tuple(fold[rows] for fold in folds))
    return Nearness.of_runs(parameters, space).with_latents(knots, truth, predicted)


def kept_runs(count: int) -> np.ndarray:
    """Return rows of the training runs that are kept, out of `count`; equally spaced."""
    return np.unique(np.linspace(0, count - 1, MOST_RUNS).round().astype(int))


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
