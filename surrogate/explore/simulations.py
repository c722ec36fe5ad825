"""The simulation that stands nearest to a question, and how near."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr

from surrogate.annulus import Annulus
from surrogate.diagnostics import core_mantle_boundary_heat_flux, lateral_mean, surface_heat_flux
from surrogate.explore.toolkit import ExploreError
from surrogate.fields import SPLITS, annulus_of, parameter_table, select_run, select_split
from surrogate.parameters import PARAMETERS
from surrogate.query import Surrogate

NEAR = 0.05
"""Distance up to which a simulation is shown beside an answer.

In units of the trained ranges, root mean square over the five parameters. Two runs so far apart differ by about as
much as a prediction differs from its simulation; further away, one would compare parameters, not methods.
"""

SAME = 1e-6
"""Distance below which a simulation has the parameters of the question."""


@dataclass(frozen=True)
class NearRun:
    """A simulation seen from a question.

    Attributes
    ----------
    position : int
        Row of the corpus.
    simulation : int
        Number of the run.
    split : str
        ``train``, ``validation`` or ``test``.
    distance : float
        In units of the trained ranges, root mean square over the five parameters.
    farthest : str
        Name of the parameter that differs most, in units of its range.
    """

    position: int
    simulation: int
    split: str
    distance: float
    farthest: str

    @property
    def near(self) -> bool:
        """Whether it may stand beside the answer."""
        return self.distance <= NEAR


class Simulations:
    """The runs of a corpus, found by their parameters.

    Parameters
    ----------
    surrogate : Surrogate
    corpus : xarray.Dataset
        A corpus dataset (:mod:`surrogate.fields`) of the same planet, lazy or in memory; its grid may be another.

    Raises
    ------
    ExploreError
        If the corpus is of another planet or sector, or has no runs.
    """

    def __init__(self, surrogate: Surrogate, corpus: xr.Dataset) -> None:
        self.corpus, self.surrogate = corpus, surrogate
        self.annulus = annulus_of(corpus)
        self.parameters = parameter_table(corpus)
        _check(surrogate, corpus, self.annulus)
        ranges = surrogate.parameter_ranges
        self._low = np.array([float(entry.transform(ranges[entry.name][0])) for entry in PARAMETERS])
        high = np.array([float(entry.transform(ranges[entry.name][1])) for entry in PARAMETERS])
        self._span = np.where(high > self._low, high - self._low, 1.0)
        self._scaled = self._scale(self.parameters)
        self._known_splits = "split" in corpus.coords and _trained_on(surrogate, corpus)
        # One instance serves many sessions: the last few runs stay in memory for all of them.
        self.run = lru_cache(maxsize=4)(self._run)

    def _scale(self, values: np.ndarray) -> np.ndarray:
        natural = np.stack([entry.transform(values[..., i]) for i, entry in enumerate(PARAMETERS)], axis=-1)
        return (natural - self._low) / self._span

    def nearest(self, parameters: np.ndarray) -> NearRun:
        """Find the run nearest to five parameters, shape (5,), SI units."""
        apart = np.abs(self._scaled - self._scale(np.asarray(parameters, dtype=float)))
        distance = np.sqrt(np.mean(apart**2, axis=1))
        position = int(np.argmin(distance))
        return NearRun(
            position,
            int(self.corpus["simulation"].values[position]),
            self.split(position),
            float(distance[position]),
            PARAMETERS[int(np.argmax(apart[position]))].name,
        )

    def split(self, position: int) -> str:
        """Name of the split that a run belongs to; empty if the surrogate was trained on another corpus."""
        return SPLITS[int(self.corpus["split"].values[position])] if self._known_splits else ""

    def unseen(self) -> list[int]:
        """Rows of the runs that neither training nor calibration saw; all rows if that is not known."""
        count = self.corpus.sizes["simulation"]
        return [row for row in range(count) if self.split(row) in ("test", "")] or list(range(count))

    def _run(self, position: int) -> xr.Dataset:
        """Return a run in memory, with its profile and its heat fluxes as the surrogate computes them.

        The fluxes are read off the fields by the same formula as those of a prediction.
        """
        run = select_run(self.corpus, position).load()
        law: Any = self.surrogate.conductivity
        fluxes = [function(run, self.surrogate.planet, law) for function in _FLUXES]
        return run.assign({"lateral_mean_temperature": lateral_mean(run), **{str(f.name): f for f in fluxes}})

    def snapshots(self, position: int, times: np.ndarray) -> np.ndarray:
        """Index of the snapshot of a run nearest to each time, shape (time,); -1 beyond its end.

        A snapshot stands for the times up to half a step away.
        """
        known = self.run(position)["time"].values
        index = np.abs(known[None, :] - np.asarray(times)[:, None]).argmin(axis=1)
        step = np.median(np.diff(known)) if known.size > 1 else 0.0
        return np.where(np.abs(known[index] - times) <= 0.501 * step + 1e-9, index, -1)


_FLUXES = (surface_heat_flux, core_mantle_boundary_heat_flux)


def _trained_on(surrogate: Surrogate, corpus: xr.Dataset) -> bool:
    """Tell whether the training runs of a corpus span exactly the ranges of the surrogate."""
    training = parameter_table(select_split(corpus, "train"))
    if not len(training):
        return False
    ends = np.array([surrogate.parameter_ranges[entry.name] for entry in PARAMETERS])
    return np.allclose(np.stack([training.min(axis=0), training.max(axis=0)], axis=1), ends, rtol=1e-9)


def _check(surrogate: Surrogate, corpus: xr.Dataset, annulus: Annulus) -> None:
    where = str(corpus.encoding.get("source", "corpus"))
    if not corpus.sizes.get("simulation"):
        raise ExploreError(f"{where}: holds no run")
    for name, unit, scale in (("radius_faces", "km", 1e-3), ("angle_faces", "degrees", 180 / np.pi)):
        ours, theirs = (scale * getattr(grid, name)[[0, -1]] for grid in (surrogate.annulus, annulus))
        if not np.allclose(ours, theirs, rtol=1e-4, atol=1e-6):
            raise ExploreError(
                f"{where}: a corpus of another planet: its {name.replace('_', ' ')} span {theirs[0]:.6g} .. "
                f"{theirs[1]:.6g} {unit}, those of the surrogate {ours[0]:.6g} .. {ours[1]:.6g} {unit}"
            )
    surface = float(corpus["temperature"].isel(simulation=0, time=0, radius=-1).mean())
    if abs(surface - surrogate.planet.surface_temperature) > 1.0:
        raise ExploreError(
            f"{where}: a corpus of another planet: its surface has {surface:.1f} K, that of the surrogate "
            f"{surrogate.planet.surface_temperature:.1f} K"
        )
