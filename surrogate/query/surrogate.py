"""`Surrogate`: a trained bundle that answers questions about thermal evolutions."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.diagnostics import check as report_card
from surrogate.query.answering import Answers
from surrogate.query.arguments import OutOfRangeWarning, QueryError, read_sets, read_times
from surrogate.query.asking import Method
from surrogate.query.latents import decoded, encoded
from surrogate.query.sensitivity import jacobian, sobol_indices
from surrogate.query.trust import beyond_ranges


class Surrogate(Answers):
    """A trained surrogate of thermal evolutions.

    Made by :meth:`load`. Answers follow the field convention (:mod:`surrogate.fields`): temperature in K on
    ``(time, radius, angle)`` for one set of parameters, ``(simulation, time, radius, angle)`` for many.

    Attributes
    ----------
    folder : Path
        The bundle.
    description : dict
        Content of its ``bundle.json``.
    annulus : Annulus
        Grid of the answers.
    planet : Planet
    conductivity : str
        Law of the simulations, "olivine" or "constant".
    parameter_ranges : dict
        Lowest and highest value of each parameter among the training runs, SI units.
    time_range : tuple of float
        First and last trained time, Gyr.
    default_times : array, shape (time,), Gyr
    largest_answer : float
        Gigabytes of temperature that :meth:`predict` returns in memory, 4 unless changed; more come as a Dask array.
    """

    def plot(
        self,
        parameters: Any = None,
        *,
        time: Any = None,
        method: Method = "fnn",
        interval: float | None = None,
        **keywords: Any,
    ) -> Any:
        """Draw one evolution on the sector, its profiles below; arguments as in :meth:`predict`.

        Parameters
        ----------
        time : optional
            At most five times. Default: four, equally spaced to the last trained one.
        interval : float, optional
            Level of the intervals around the profiles.

        Returns
        -------
        matplotlib.figure.Figure
            Save it with ``figure.savefig("evolution.png")``.
        """
        from surrogate.query.picture import MOST, draw_evolution

        sets = read_sets(parameters, keywords)
        times = read_times(time, np.linspace(*self.time_range, 5)[1:])
        if len(sets.values) != 1 or len(times) > MOST:
            raise QueryError(
                f"plot: expected one set and at most {MOST} times, got {len(sets.values)} and {len(times)}"
            )
        run = self.predict(sets.values[0], time=times, method=method)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OutOfRangeWarning)  # said by the line above
            profiles = self.profile(sets.values[0], time=times, method=method, interval=interval)
        return draw_evolution(run, profiles)

    def animate(
        self,
        path: str | os.PathLike[str],
        parameters: Any = None,
        *,
        time: Any = None,
        method: Method = "fnn",
        **keywords: Any,
    ) -> Path:
        """Write one evolution as a film, a picture per time; arguments as in :meth:`predict`.

        Parameters
        ----------
        path : path
            Ends in .mp4, which needs ffmpeg, or .gif.

        Returns
        -------
        Path

        Raises
        ------
        QueryError
            If more than one set is asked for, for another suffix, or for .mp4 without ffmpeg.
        """
        from surrogate.query.picture import animate_evolution

        sets, path = read_sets(parameters, keywords), Path(path)
        if len(sets.values) != 1:
            raise QueryError(f"animate: expected one set of parameters, got {len(sets.values)}")
        try:
            animate_evolution(self.predict(sets.values[0], time=time, method=method), path)
        except ValueError as error:
            raise QueryError(str(error)) from None
        return path

    def export(self, path: str | os.PathLike[str], format: str = "savedmodel") -> Path:
        """Write the FNN and the decoder as one graph that other programs run without this package.

        Its input ``parameters_and_time`` has the shape (n, 6), float32: the five parameters in SI units and the time in
        Gyr. Its output is temperature in K, (n, radius, angle), wall rows included. It agrees with :meth:`predict` to
        single precision; ranges are not checked and there are no intervals.

        Parameters
        ----------
        path : path
            A folder (SavedModel) or a file that ends with ``.onnx``; written whole or not at all.
        format : {"savedmodel", "onnx"}
            ONNX needs the extra ``export``.

        Returns
        -------
        Path

        Raises
        ------
        QueryError
            If the format is unknown or a package is missing.
        """
        from surrogate.query.exporting import export

        return export(self.engine, path, format)

    def encode(self, temperature: Any) -> xr.DataArray:
        """Compress temperature fields.

        Parameters
        ----------
        temperature : xarray.Dataset, DataArray or array, shape (..., radius, angle), K
            On the grid of the surrogate, wall rows included.

        Returns
        -------
        xarray.DataArray, dims (..., component)
        """
        return encoded(self.engine, temperature)

    def decode(self, latents: Any) -> xr.DataArray:
        """Expand latents.

        Parameters
        ----------
        latents : xarray.DataArray or array, shape (..., component)

        Returns
        -------
        xarray.DataArray
            Temperature in K, dims (..., radius, angle).
        """
        return decoded(self.engine, self.annulus, latents)

    def jacobian(self, parameters: Any = None, *, time: Any = None, **keywords: Any) -> xr.Dataset:
        """Differentiate what people read off fields by the parameters; see :func:`surrogate.query.jacobian`."""
        return jacobian(self, parameters, time=time, **keywords)

    def sobol_indices(
        self, *, time: Any = None, samples: int = 1024, method: Method = "fnn", seed: int = 0
    ) -> xr.Dataset:
        """Attribute the variance of answers to the parameters; see :func:`surrogate.query.sobol_indices`."""
        return sobol_indices(self, time=time, samples=samples, method=method, seed=seed)

    def ranges(self, parameters: Any = None, *, time: Any = None, **keywords: Any) -> xr.Dataset:
        """Say by which parameter, and how far, a question leaves the trained ranges; nothing is predicted.

        Parameters
        ----------
        parameters, time, keywords : optional
            As in :meth:`predict`.

        Returns
        -------
        xarray.Dataset
            On ([simulation,] parameter): ``value`` in SI units, ``low`` and ``high`` of the training runs, and
            ``beyond``: by how much of that range, on the natural axis of the parameter, the value lies below (negative)
            or above it; 0 inside. ``beyond_time`` on (time) tells the same of the times.

        Examples
        --------
        >>> from surrogate import Surrogate
        >>> ranges = Surrogate.load("demo").ranges([1e23, 3e5, 7e-6, 25, 1700], time=[4.5, 9])
        >>> beyond = ranges.beyond.to_series()
        >>> beyond[beyond != 0].round(2).to_dict(), ranges.beyond_time.values.tolist()
        ({'reference_viscosity': 0.34}, [0.0, 1.0])
        """
        sets, times = read_sets(parameters, keywords), read_times(time, self.default_times)
        return beyond_ranges(sets, times, self.parameter_ranges, self.time_range)

    def check(self, parameters: Any = None, *, method: Method = "fnn", **keywords: Any) -> dict[str, Any]:
        """Hold a predicted evolution against what every thermal evolution must keep, at all trained times.

        Returns
        -------
        dict
            The report card of :func:`surrogate.diagnostics.check`, and ``beyond_ranges``: by parameter, what
            :meth:`ranges` calls ``beyond`` of the set that is farthest out, for each parameter that leaves its range.
        """
        answer = self.predict(parameters, method=method, **keywords)
        beyond = self.ranges(parameters, **keywords).beyond
        table = np.atleast_2d(beyond.values)
        farthest = table[np.abs(table).argmax(axis=0), np.arange(table.shape[1])]
        outside = {str(name): float(by) for name, by in zip(beyond.parameter.values, farthest, strict=True) if by}
        card: dict[str, Any] = report_card(answer, self.planet, self.conductivity)  # type: ignore[arg-type]
        return card | {"beyond_ranges": outside}
