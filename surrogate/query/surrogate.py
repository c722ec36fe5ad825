"""`Surrogate`: a trained bundle that answers questions about thermal evolutions."""

from __future__ import annotations

import os
import shutil
import warnings
import weakref
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.annulus import Annulus
from surrogate.diagnostics import check as report_card
from surrogate.files import code_version
from surrogate.planet import Planet
from surrogate.query import bundle as bundles
from surrogate.query.answer import (
    add_half_widths,
    field_answer,
    series_answer,
)
from surrogate.query.arguments import OutOfRangeWarning, QueryError, read_sets, read_times
from surrogate.query.asking import Method, Question, answers, warn_out_of_range
from surrogate.query.description import planet_from_dict, summary
from surrogate.query.engine import METHODS, Engine
from surrogate.query.example import compare_example
from surrogate.query.latents import decoded, encoded
from surrogate.query.nearness import NEARNESS_FILE, Nearness
from surrogate.query.reductions import mean_of_profile, wall_fluxes
from surrogate.query.sensitivity import jacobian, sobol_indices
from surrogate.query.trust import outside_ranges, trusted

GIGABYTE = 1e9
LARGEST_ANSWER = 4.0
"""Gigabytes of temperature that :meth:`Surrogate.predict` returns in memory; more come as a Dask array."""


class Surrogate:
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
    """

    def __init__(self, folder: Path, description: Mapping[str, Any], source: Path | None = None) -> None:
        self.folder, self.description = folder, dict(description)
        self._source = source or folder
        try:
            grid = description["grid"]
            self.annulus = Annulus(np.asarray(grid["radius_faces"]), np.asarray(grid["angle_faces"]))
            self.planet: Planet = planet_from_dict(description["planet"])
            self.conductivity = description["conductivity"]
            self.parameter_ranges: dict[str, tuple[float, float]] = {
                name: (float(entry["low"]), float(entry["high"])) for name, entry in description["parameters"].items()
            }
            self.time_range = (float(description["time"]["first"]), float(description["time"]["last"]))
            self.default_times = np.linspace(*self.time_range, int(description["time"]["count"]))
        except (KeyError, TypeError) as error:
            raise bundles.BundleError(f"{self._source}: bundle.json lacks or misspells {error}") from None
        self.engine = Engine(folder)
        self._calibrations: dict[str, xr.Dataset] = {}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Surrogate:
        """Open a bundle: a folder, a zip file of one, the name of a pipeline run in ``results/``, or ``"demo"``.

        Every file is compared with the checksums in the bundle. Networks are read when first needed. The bundle
        ``demo`` comes with the package; :meth:`inspect` says what it was trained on.

        Raises
        ------
        FileNotFoundError
            If there is nothing of that name.
        BundleError
            If the bundle is incomplete, changed, cut short, or of a newer version.

        Examples
        --------
        >>> Surrogate.load("demo").inspect()["runs"]["train"]
        96
        """
        with bundles.opened(path) as (folder, source):
            result = cls(folder, bundles.read_bundle(folder), source)
        if folder != source:
            weakref.finalize(result, shutil.rmtree, folder, ignore_errors=True)
        return result

    def __repr__(self) -> str:
        return f"<Surrogate {self._source}: {' x '.join(map(str, self.annulus.shape))} nodes>"

    # -- answers --

    @answers
    def predict(self, question: Question) -> xr.Dataset:
        """Predict temperature fields.

        Returns
        -------
        xarray.Dataset
            ``temperature`` in K on ([simulation], time, radius, angle), a Dask array if it is larger than 4 GB, and
            ``in_range``, 1 where all ranges are kept and ``training_distance`` is at most 1
            (:mod:`surrogate.query.trust`), with the provenance in the attributes.
        """
        if 4 * float(np.prod(self.annulus.shape)) * question.distance.size > LARGEST_ANSWER * GIGABYTE:
            temperature = self._lazy(question.latents)
        else:
            temperature = self.engine.expand(question.latents)
        return field_answer(temperature, question, self.annulus, self._attributes(question.method))

    @answers
    def profile(self, question: Question) -> xr.Dataset:
        """Predict laterally averaged temperature.

        Returns
        -------
        xarray.Dataset
            ``lateral_mean_temperature`` in K on ([simulation], time, radius), and ``in_range``.
        """
        values = self.engine.expand(question.latents, "profile")
        about = {"units": "K", "long_name": "laterally averaged temperature"}
        radius = ("radius", self.annulus.radius, {"units": "m", "long_name": "radius in the rescaled cylinder"})
        variables = {"lateral_mean_temperature": (("radius",), values, about)}
        return series_answer(variables, {"radius": radius}, question, self._attributes(question.method))

    @answers
    def mean_temperature(self, question: Question) -> xr.Dataset:
        """Predict the volume-averaged temperature.

        Returns
        -------
        xarray.Dataset
            ``mean_temperature`` in K on ([simulation], time), and ``in_range``.
        """
        values = mean_of_profile(self.engine.expand(question.latents, "profile"), self.annulus)
        about = {"units": "K", "long_name": "volume-averaged temperature of the mantle"}
        return series_answer({"mean_temperature": ((), values, about)}, {}, question, self._attributes(question.method))

    @answers
    def heat_flux(self, question: Question) -> xr.Dataset:
        """Predict the mean conductive heat flux through both boundaries.

        Returns
        -------
        xarray.Dataset
            ``surface_heat_flux`` and ``core_mantle_boundary_heat_flux``, W/m2, positive outward, on
            ([simulation], time), and ``in_range``.
        """
        walls = self.engine.expand(question.latents, "walls")
        fluxes = wall_fluxes(walls, self.annulus, self.planet, self.conductivity)
        variables: dict[str, tuple[tuple[str, ...], Any, Mapping[str, Any]]] = {
            name: ((), flux.values, flux.attrs) for name, flux in fluxes.items()
        }
        return series_answer(variables, {}, question, self._attributes(question.method))

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

    # -- latents --

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

    # -- sensitivity --

    def jacobian(self, parameters: Any = None, *, time: Any = None, **keywords: Any) -> xr.Dataset:
        """Differentiate what people read off fields by the parameters; see :func:`surrogate.query.jacobian`."""
        return jacobian(self, parameters, time=time, **keywords)

    def sobol_indices(
        self, *, time: Any = None, samples: int = 1024, method: Method = "fnn", seed: int = 0
    ) -> xr.Dataset:
        """Attribute the variance of answers to the parameters; see :func:`surrogate.query.sobol_indices`."""
        return sobol_indices(self, time=time, samples=samples, method=method, seed=seed)

    # -- trust --

    def inspect(self) -> dict[str, Any]:
        """Tell what this surrogate is: where it comes from, where it is valid, how good it is, where it stops."""
        return summary(self.description, self._source)

    def check(self, parameters: Any = None, *, method: Method = "fnn", **keywords: Any) -> dict[str, Any]:
        """Hold a predicted evolution against what every thermal evolution must keep, at all trained times.

        Returns
        -------
        dict
            The report card of :func:`surrogate.diagnostics.check`.
        """
        answer = self.predict(parameters, method=method, **keywords)
        return report_card(answer, self.planet, self.conductivity)  # type: ignore[arg-type]

    def verify(self) -> dict[str, Any]:
        """Check every file against its checksum and recompute the stored example.

        Returns
        -------
        dict
            ``passed``, ``files`` (number checked), ``example`` (per method: largest and tolerated difference, K).

        Raises
        ------
        BundleError
            If a file is missing or was changed.
        """
        bundles.read_bundle(self.folder)
        tolerance = float(self.description["example"]["tolerance"])
        example = {
            method: {"difference": error, "tolerance": tolerance, "passed": bool(error <= tolerance)}
            for method, error in compare_example(self.folder, self.engine).items()
        }
        passed = all(entry["passed"] for entry in example.values())
        return {"passed": passed, "files": len(self.description["files"]), "example": example}

    # -- inside --

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

    def _lazy(self, latents: np.ndarray) -> Any:
        """Decode later, simulation by simulation; the latents are in memory, smaller by the compression."""
        import dask.array

        rows = max(1, int(0.1 * GIGABYTE / (4 * latents.shape[1] * np.prod(self.annulus.shape))))
        sources = dask.array.from_array(latents, chunks=(rows, -1, -1))
        return dask.array.map_blocks(
            self.engine.expand, sources, dtype=np.float32, drop_axis=2, new_axis=[2, 3],
            chunks=(*sources.chunks[:2], *((size,) for size in self.annulus.shape)),
            meta=np.empty((0,) * 4, np.float32),
        )  # fmt: skip

    @cached_property
    def nearness(self) -> Nearness:
        """Where the training runs lie."""
        return Nearness.read(self.folder / NEARNESS_FILE)

    def _with_intervals(self, answer: xr.Dataset, question: Question) -> xr.Dataset:
        if question.interval is None:
            return answer
        method = question.method
        if not self.calibrated(method):
            raise QueryError(f"interval: {self._source} holds no calibration of {method!r} (no validation runs)")
        if method not in self._calibrations:
            path = self.folder / f"calibration_{method}.nc"
            self._calibrations[method] = xr.load_dataset(path, engine="h5netcdf")
        return add_half_widths(answer, question, self._calibrations[method], self.nearness)

    def calibrated(self, method: str) -> bool:
        """Tell whether the bundle holds intervals for a method."""
        return (self.folder / f"calibration_{method}.nc").is_file()

    def _attributes(self, method: str) -> dict[str, Any]:
        attributes = {
            "title": "Temperature of a mantle, predicted by a surrogate",
            "method": method,
            "surrogate": str(self.description.get("name", "")),
            "bundle_digest": str(self.description["digest"]),
            "code_version": code_version(),
            "conductivity": self.conductivity,
        }
        if method != "fnn":
            attributes["time_interpolation"] = (
                f"the LSTM advances in steps of {self.engine.recurrent.cadence:g} Gyr from "
                f"{self.engine.recurrent.first_time:g} Gyr; latents are linear in time between its steps"
            )
        return attributes
