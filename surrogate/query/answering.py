"""What is asked of parameters and times: fields, profiles, time series, samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from surrogate.query.answer import Variables, add_half_widths, field_answer, large_fields, series_answer
from surrogate.query.arguments import QueryError, read_sets, read_times
from surrogate.query.asking import Question, answers, warn_out_of_range
from surrogate.query.engine import METHODS
from surrogate.query.opening import Opened
from surrogate.query.progress import Progress
from surrogate.query.reductions import mean_of_profile, wall_fluxes
from surrogate.query.trust import outside_ranges, trusted

PIECE = 0.25
"""Gigabytes of rows at the walls that are held at once on the way to heat fluxes."""


class Answers(Opened):
    """Predictions, all with the same arguments."""

    largest_answer = 4.0

    @answers
    def predict(self, question: Question) -> xr.Dataset:
        """Predict temperature fields.

        Returns
        -------
        xarray.Dataset
            ``temperature`` in K on ([simulation], time, radius, angle), a Dask array if it is larger than
            :attr:`largest_answer`, and ``in_range``, 1 where all ranges are kept and ``training_distance`` is at most 1
            (:mod:`surrogate.query.trust`), with the provenance in the attributes.
        """
        gigabytes = 4e-9 * float(np.prod(self.annulus.shape)) * question.distance.size
        expand = self.engine.expand if gigabytes <= self.largest_answer else self._later
        fields, attributes = expand(question.latents), self.attributes(question.method)
        return field_answer(fields, question, self.annulus, self.form, attributes)

    @answers
    def profile(self, question: Question) -> Variables:
        """Predict laterally averaged temperature.

        Returns
        -------
        xarray.Dataset
            ``lateral_mean_temperature`` in K on ([simulation], time, radius), and ``in_range``.
        """
        about = {"units": "K", "long_name": "laterally averaged temperature"}
        return {"lateral_mean_temperature": (("radius",), self.engine.expand(question.latents, "profile"), about)}

    @answers
    def mean_temperature(self, question: Question) -> Variables:
        """Predict the volume-averaged temperature.

        Returns
        -------
        xarray.Dataset
            ``mean_temperature`` in K on ([simulation], time), and ``in_range``.
        """
        values = mean_of_profile(self.engine.expand(question.latents, "profile"), self.annulus)
        return {
            "mean_temperature": ((), values, {"units": "K", "long_name": "volume-averaged temperature of the mantle"})
        }

    @answers
    def heat_flux(self, question: Question) -> Variables:
        """Predict the mean conductive heat flux through both boundaries.

        Returns
        -------
        xarray.Dataset
            ``surface_heat_flux`` and ``core_mantle_boundary_heat_flux``, W/m2, positive outward, on
            ([simulation], time), and ``in_range``.
        """
        latents = question.latents
        rows = max(1, int(PIECE * 1e9 / (16 * self.annulus.shape[1] * latents.shape[1])))
        progress = Progress(latents.shape[0] * latents.shape[1], "fields")
        parts = [
            wall_fluxes(
                self.engine.expand(latents[start : start + rows], "walls", progress),
                self.annulus, self.planet, self.conductivity,
            )
            for start in range(0, len(latents), rows)
        ]  # fmt: skip
        return {name: ((), np.concatenate([part[name].values for part in parts]), flux.attrs)
                for name, flux in parts[0].items()}  # fmt: skip

    def sample(
        self, parameters: Any = None, *, time: Any = None, samples: int = 1, seed: int = 0, **keywords: Any
    ) -> xr.Dataset:
        """Draw evolutions as sharp as a simulation, each one that the parameters allow.

        The other answers are means over all that may happen: right on average, and smooth where the flow is chaotic.
        Use samples for what depends on single plumes, and many of them for a distribution.

        Parameters
        ----------
        parameters, time, keywords : optional
            As in :meth:`predict`.
        samples : int
            Evolutions per set.
        seed : int
            The same seed draws the same evolutions.

        Returns
        -------
        xarray.Dataset
            As :meth:`predict` returns, ``temperature`` on (sample, [simulation], time, radius, angle).

        Raises
        ------
        QueryError
            As :meth:`predict`, and if the bundle holds no flow.
        """
        from surrogate.query.sampling import sample

        question = self._question(parameters, time, "fnn", keywords)
        warn_out_of_range(question.complaints)
        return sample(self, question, samples, seed)

    def _question(
        self, parameters: Any, time: Any, method: str, keywords: Mapping[str, Any],
        interval: float | None = None, band: str = "pointwise",
    ) -> Question:  # fmt: skip
        if method not in METHODS:
            raise QueryError(f"method {method!r}: expected one of {', '.join(METHODS)}")
        sets, times = read_sets(parameters, keywords), read_times(time, self.default_times)
        inside, in_time, lines = outside_ranges(sets, times, self.parameter_ranges, self.time_range)
        latents = self.engine.latents(method, sets.values, times)
        in_range, distance = trusted(self.nearness, sets.values, times, latents, inside, in_time)
        if not lines and not in_range.all():
            lines = [f"far from every training run (up to {distance.max():.2g} times the threshold)"]
        return Question(sets, times, method, latents, in_range, distance, interval, band, tuple(lines))

    def _answer(self, result: xr.Dataset | Variables, question: Question) -> xr.Dataset:
        """Complete what a method computed: as a dataset, with intervals if they were asked for."""
        if not isinstance(result, xr.Dataset):
            result = series_answer(result, question, self.annulus, self.attributes(question.method))
        if question.interval is None:
            return result
        return add_half_widths(result, question, self.calibration(question.method), self.nearness)

    def _later(self, latents: np.ndarray) -> Any:
        """Decode when asked for, in pieces of whole simulations."""
        progress = Progress(latents.shape[0] * latents.shape[1], "fields")
        return large_fields(lambda part: self.engine.expand(part, "field", progress), latents, self.annulus.shape)
