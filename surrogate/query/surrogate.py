"""`Surrogate`: a trained bundle that answers questions about thermal evolutions."""

from __future__ import annotations

import html
import os
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import xarray as xr

from surrogate.query.answers import Answers, lazy_fields, refuse_method
from surrogate.query.arguments import read_sets, read_times
from surrogate.query.bundle.content import Bundle
from surrogate.query.bundle.files import SHIPPED, read_bundle
from surrogate.query.bundle.write import compare_example
from surrogate.query.engine import Engine, Progress
from surrogate.query.errors import BundleError, OutOfRangeWarning, QueryError
from surrogate.query.extrapolation import beyond
from surrogate.query.naming import naming
from surrogate.query.observables import Observables
from surrogate.query.sensitivity import Sensitivity
from surrogate.query.series import Variables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Band = Literal["pointwise", "simultaneous"]

WALLS_AT_ONCE = 0.25
"""Gigabytes of rows at the walls that are held at once on the way to heat fluxes."""


class Surrogate:
    """A trained surrogate of thermal evolutions, opened by :meth:`load`.

    Answers follow the field convention (:mod:`surrogate.fields`): temperature in K on ``(time, radius, angle)`` for one
    set of parameters, ``(simulation, time, radius, angle)`` for many. It can be pickled and copied, and sent to other
    processes: as the path of the bundle and its digest.

    Attributes
    ----------
    bundle : Bundle
        What was opened: folder, description, training runs, calibrations.
    engine : Engine
        Its networks.
    space : ParameterSpace
        The parameters of a question; their ranges are those of the training runs.
    parameter_ranges : dict
        Lowest and highest value of each parameter among the training runs, in its unit.
    methods : tuple of str
        What can answer.
    geometry : Geometry
        Grid of the answers.
    units : Units
        How answers are measured; K and Gyr below stand for them.
    planet : Planet
    conductivity : str
        Law of the simulations, "olivine" or "constant".
    time_range : tuple of float
        First and last trained time, Gyr.
    default_times : array, shape (time,), Gyr
    largest_answer : float
        Gigabytes of temperature that :meth:`predict` returns in memory, 4 unless changed; more come as a Dask array.

    Examples
    --------
    >>> from surrogate import Surrogate
    >>> surrogate = Surrogate.load("demo")
    >>> flux = surrogate.heat_flux(reference_viscosity="1e21 Pa s", activation_energy="300 kJ/mol",
    ...     activation_volume="7 cm3/mol", crustal_enrichment=25, initial_temperature=1700, time=4.5)
    >>> round(1e3 * float(flux.surface_heat_flux[0]))  # mW/m2
    8
    """

    def __init__(self, bundle: Bundle | None = None) -> None:
        if not isinstance(bundle, Bundle):
            raise QueryError(
                'a surrogate is opened from a bundle: Surrogate.load("demo"), or a path in place of "demo"'
            )
        # So that signature, completion and help name the parameters of this bundle.
        self.__class__ = naming(type(self), bundle.space)
        self.bundle = bundle
        self.space, self.geometry, self.planet = bundle.space, bundle.geometry, bundle.planet
        self.units = bundle.units
        self.conductivity, self.time_range = bundle.conductivity, bundle.time_range
        self.default_times, self.parameter_ranges = bundle.default_times, bundle.space.ranges
        self.engine = Engine(bundle.folder, bundle.space)
        self.methods = self.engine.methods
        self.largest_answer = 4.0

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
            If the bundle is incomplete, changed, cut short, or of another version.

        Examples
        --------
        >>> from surrogate import Surrogate
        >>> Surrogate.load("demo").inspect()["runs"]["train"]
        96
        """
        return cls(Bundle.open(path))

    def __repr__(self) -> str:
        return f"<Surrogate {self.bundle.source}: {' x '.join(map(str, self.geometry.shape))} nodes>"

    def _repr_html_(self) -> str:
        ranges = [(entry.name, entry.low, entry.high, entry.unit) for entry in self.space.parameters]
        rows = "".join(
            f"<tr><td>{name}</td><td>{low:.4g} .. {high:.4g}</td><td>{html.escape(unit)}</td></tr>"
            for name, low, high, unit in [*ranges, ("time", *self.time_range, self.bundle.time_parameter.unit)]
        )
        return (
            f"<b>{html.escape(repr(self))}</b><br>methods: {', '.join(self.methods)}"
            f"<table><tr><th>parameter</th><th>trained range</th><th>unit</th></tr>{rows}</table>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        path = next((name for name, own in SHIPPED.items() if own == self.bundle.source), self.bundle.source.absolute())
        return _open_again, (str(path), self.bundle.digest, self.largest_answer)

    # Questions

    def predict(
        self,
        parameters: Any = None,
        *,
        time: Any = None,
        method: str = "fnn",
        interval: float | None = None,
        band: Band = "pointwise",
        extrapolate: bool = False,
        **values: Any,
    ) -> xr.Dataset:
        """Predict temperature fields.

        Parameters
        ----------
        parameters : optional
            One set (a mapping, a pandas Series, numbers in the order of :attr:`space`) or many (a list of sets, an
            array of shape (sets, n), a pandas or xarray table); see :func:`surrogate.query.read_sets`.
        time : float, str, quantity or sequence, optional
            Increasing; bare numbers are Gyr, in a corpus without units diffusion times. Default: the times of the
            training runs.
        method : str
            One of :attr:`methods`: "fnn", "lstm", "ensemble". The LSTM advances at the cadence of the training runs
            and its latents are interpolated linearly to the requested times. The ensemble decodes the mean of the
            latents of all others.
        interval : float, optional
            Level of calibrated intervals, 0.9 for 90 %: adds ``{variable}_half_width`` in the unit of the variable; the
            truth lies within value +- half-width that often (:mod:`surrogate.query.intervals`).
        band : {"pointwise", "simultaneous"}
            Whether each value lies within so often, or the whole history at once.
        extrapolate : bool
            Answer questions that lie by more than a whole range outside the training runs, or look like a slip of the
            unit, and give temperatures that cannot be. Half-widths of such answers are NaN.
        **values : optional
            Parameters by name, instead of a table: numbers, strings such as ``"1e21 Pa s"``, quantities, or equally
            long sequences of them. They complete or replace those of a single set.

        Returns
        -------
        xarray.Dataset
            ``temperature``, in K or without unit, on ([simulation], time) and the dimensions of the corpus (radius and
            angle, or height and x), a Dask array if it is larger than :attr:`largest_answer`; ``in_range``, 1 where
            all ranges are kept and ``training_distance`` is at most 1 (:mod:`surrogate.query.extrapolation`);
            provenance in the attributes.

        Raises
        ------
        QueryError
            If an argument is missing, unknown, or of the wrong unit; if times do not increase; if the question is far
            outside the training runs or the answer cannot be.

        Warns
        -----
        OutOfRangeWarning
            If the answer is an extrapolation.
        """
        question = self._answers.ask(parameters, time, method, values, extrapolate)
        gigabytes = 4e-9 * self._answers.field_size * question.distance.size
        if gigabytes <= self.largest_answer:
            fields = self.engine.expand(question.latents)
            if not question.in_range.all():
                self._answers.refuse_impossible(fields[~question.in_range], extrapolate)
        else:
            progress = Progress(question.distance.size, "fields")

            def expand(latents: np.ndarray) -> np.ndarray:
                piece = self.engine.expand(latents, "field", progress)
                if not question.in_range.all():
                    self._answers.refuse_impossible(piece, extrapolate)
                return piece

            fields = lazy_fields(expand, question.latents, self.geometry.shape)
        return self._answers.complete(self._answers.of_fields(fields, question), question, interval, band)

    def profile(
        self,
        parameters: Any = None,
        *,
        time: Any = None,
        method: str = "fnn",
        interval: float | None = None,
        band: Band = "pointwise",
        extrapolate: bool = False,
        **values: Any,
    ) -> xr.Dataset:
        """Predict laterally averaged temperature; arguments, errors and warnings as in :meth:`predict`.

        Returns
        -------
        xarray.Dataset
            ``lateral_mean_temperature`` in K on ([simulation], time, radius), and ``in_range``.
        """
        question = self._answers.ask(parameters, time, method, values, extrapolate)
        profile = self._answers.expand(question, "profile", extrapolate)
        about = {"units": self.units.unit("temperature"), "long_name": "laterally averaged temperature"}
        rows = self.geometry.dimensions[:1]
        answer = self._answers.of_series({"lateral_mean_temperature": (rows, profile, about)}, question)
        return self._answers.complete(answer, question, interval, band)

    def mean_temperature(
        self,
        parameters: Any = None,
        *,
        time: Any = None,
        method: str = "fnn",
        interval: float | None = None,
        band: Band = "pointwise",
        extrapolate: bool = False,
        **values: Any,
    ) -> xr.Dataset:
        """Predict the volume-averaged temperature; arguments, errors and warnings as in :meth:`predict`.

        Returns
        -------
        xarray.Dataset
            ``mean_temperature`` in K on ([simulation], time), and ``in_range``.
        """
        question = self._answers.ask(parameters, time, method, values, extrapolate)
        mean = self._answers.series.mean_temperature(self._answers.expand(question, "profile", extrapolate))
        about = self.units.described("mean_temperature")
        answer = self._answers.of_series({"mean_temperature": ((), mean, about)}, question)
        return self._answers.complete(answer, question, interval, band)

    def heat_flux(
        self,
        parameters: Any = None,
        *,
        time: Any = None,
        method: str = "fnn",
        interval: float | None = None,
        band: Band = "pointwise",
        extrapolate: bool = False,
        **values: Any,
    ) -> xr.Dataset:
        """Predict the mean conductive heat flux through both boundaries; arguments and errors as in :meth:`predict`.

        Returns
        -------
        xarray.Dataset
            ``surface_heat_flux`` and ``core_mantle_boundary_heat_flux``, W/m2 (without a planet the Nusselt numbers of
            the upper and the lower wall), positive outward, on ([simulation], time), and ``in_range``. NaN where
            an answer with `extrapolate` has temperatures below zero, which conduct nothing.
        """
        question = self._answers.ask(parameters, time, method, values, extrapolate)
        latents, count = question.latents, question.distance.size
        rows = max(1, int(WALLS_AT_ONCE * 1e9 / (16 * self.geometry.lateral_faces.size * latents.shape[1])))
        progress = Progress(count, "fields") if len(latents) > rows else None
        parts = []
        for start in range(0, len(latents), rows):
            walls = self._answers.expand(question, "walls", extrapolate, slice(start, start + rows), progress)
            parts.append(self._answers.series.heat_fluxes(walls))
        fluxes = parts[0]
        if len(parts) > 1:
            for name, (_, _, about) in parts[0].items():
                fluxes[name] = ((), np.concatenate([part[name][1] for part in parts]), about)
        return self._answers.complete(self._answers.of_series(fluxes, question), question, interval, band)

    def observe(
        self,
        names: str | Sequence[str] | None = None,
        parameters: Any = None,
        *,
        time: Any = None,
        method: str = "fnn",
        interval: float | None = None,
        extrapolate: bool = False,
        **values: Any,
    ) -> xr.Dataset:
        """Predict what can be observed of a planet; further arguments, errors and warnings as in :meth:`predict`.

        Parameters
        ----------
        names : str or sequence of str, optional
            Some of :attr:`surrogate.query.Observables.names`. Default: all whose errors the bundle knows.
        interval : float, optional
            Level of calibrated intervals, NaN where the bundle was written before a quantity was calibrated.

        Returns
        -------
        xarray.Dataset
            Each observable on ([simulation], time), and ``in_range``.

        Examples
        --------
        The heat flux that is measured holds the heat of the crust.

        >>> from surrogate import Surrogate
        >>> point = dict(reference_viscosity=1e21, activation_energy=3e5, activation_volume=7e-6,
        ...     crustal_enrichment=25, initial_temperature=1700)
        >>> crust = Surrogate.load("demo").observe("crust_heat_flux", **point, time=4.5)
        >>> round(1e3 * float(crust.crust_heat_flux[0]), 1)  # mW/m2
        7.8
        """
        question = self._answers.ask(parameters, time, method, values, extrapolate)
        observables, sets, times = self.observables(method), question.sets.values, question.times
        wanted = observables.offered if names is None else (names,) if isinstance(names, str) else tuple(names)
        for name in wanted:
            observables.check(name)
        found = observables.of_rows(self._answers.expand(question, "series", extrapolate), sets[:, None], times, wanted)
        answer: Variables = {}
        for name in wanted:
            answer[name] = ((), found[name], self.units.described(name))
        if interval is not None:
            for name, width in observables.half_widths(found, sets, times, interval).items():
                width[question.far] = np.nan
                long_name = f"half-width of the {interval:.0%} interval of {name.replace('_', ' ')}"
                answer[f"{name}_half_width"] = ((), width, {"units": self.units.unit(name), "long_name": long_name})
        return self._answers.of_series(answer, question)

    def observables(self, method: str = "fnn") -> Observables:
        """Return what :meth:`observe` asks, for many sets of parameters at once."""
        return Observables(self.bundle, self.engine, method)

    def sample(
        self,
        parameters: Any = None,
        *,
        time: Any = None,
        samples: int = 1,
        seed: int = 0,
        method: str = "flow",
        extrapolate: bool = False,
        **values: Any,
    ) -> xr.Dataset:
        """Draw evolutions as sharp as a simulation, each one that the parameters allow.

        The other answers are means over all that may happen: right on average, and smooth where the flow is chaotic.
        Use samples for what depends on single plumes, and many of them for a distribution.

        Parameters
        ----------
        parameters, time, extrapolate, **values : optional
            As in :meth:`predict`.
        samples : int
            Evolutions per set.
        seed : int
            The same seed draws the same evolutions.
        method : str
            What draws them.

        Returns
        -------
        xarray.Dataset
            As :meth:`predict` returns, ``temperature`` on (sample, [simulation], time, radius, angle).

        Raises
        ------
        QueryError
            As :meth:`predict`, and if the bundle holds no such method.
        """
        if isinstance(samples, bool) or not isinstance(samples, int | np.integer) or samples < 1:
            raise QueryError(f"samples: expected at least 1, got {samples!r}")
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise QueryError(f"seed: expected a number from 0, got {seed!r}")
        if method not in self.engine.samplers:
            refuse_method(method, self.engine.samplers, "; train it again with a current version of surrogate")
        mean = next(iter(self.engine.means))
        question = self._answers.ask(parameters, time, mean, values, extrapolate, own=method)
        drawn = self.engine.sample(method, question.sets.values, question.times, int(samples), int(seed))
        answers = []
        for number in range(samples):
            fields = self.engine.expand(drawn[:, number])
            if not question.in_range.all():
                self._answers.refuse_impossible(fields[~question.in_range], extrapolate)
            answers.append(self._answers.of_fields(fields, question).assign_attrs(seed=seed))
        counter = xr.Variable("sample", np.arange(samples), {"long_name": "number of the evolution drawn"})
        return xr.concat(answers, counter, data_vars=["temperature"], coords="minimal", compat="override")

    def velocity(
        self,
        parameters: Any = None,
        *,
        time: Any = None,
        method: str = "fnn",
        seed: int = 0,
        extrapolate: bool = False,
        **values: Any,
    ) -> xr.Dataset:
        """Solve for the flow of a predicted temperature; arguments, errors and warnings as in :meth:`predict`.

        Means of what may happen have weak plumes, and hence a weak flow: ``method="flow"`` draws an evolution.

        Parameters
        ----------
        method : str
            One of :attr:`methods`, or what :meth:`sample` draws with.
        seed : int
            Of the evolution that is drawn.

        Returns
        -------
        xarray.Dataset
            Of :func:`surrogate.simulator.velocity`: velocity, viscosity, dissipation, root-mean-square velocity.
        """
        from surrogate.settings import Physics
        from surrogate.simulator import velocity

        question: dict[str, Any] = {"time": time, "method": method, "extrapolate": extrapolate, **values}
        if method in self.engine.samplers:
            run = self.sample(parameters, seed=seed, **question).isel(sample=0, drop=True)
        else:
            run = self.predict(parameters, **question)
        physics = Physics(conductivity=cast(Literal["constant", "olivine"], self.conductivity))
        try:
            return velocity(run, self.planet, physics)
        except ValueError as error:
            raise QueryError(str(error)) from None

    # Pictures, files, latents

    def plot(
        self,
        parameters: Any = None,
        *,
        time: Any = None,
        method: str = "fnn",
        interval: float | None = None,
        extrapolate: bool = False,
        **values: Any,
    ) -> Figure:
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
        from surrogate.query.picture import MOST_TIMES, draw_evolution

        times = read_times(time, np.linspace(*self.time_range, 5)[1:], self.units)
        sets = read_sets(parameters, values, self.space)
        if len(sets.values) != 1 or len(times) > MOST_TIMES:
            raise QueryError(
                f"plot: expected one set and at most {MOST_TIMES} times, got {len(sets.values)} and {len(times)}"
            )
        run = self.predict(sets.values[0], time=times, method=method, extrapolate=extrapolate)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OutOfRangeWarning)  # said by the line above
            profiles = self.profile(
                sets.values[0], time=times, method=method, interval=interval, extrapolate=extrapolate
            )
        figure: Figure = draw_evolution(run, profiles)
        return figure

    def animate(
        self,
        path: str | os.PathLike[str],
        parameters: Any = None,
        *,
        time: Any = None,
        method: str = "fnn",
        extrapolate: bool = False,
        **values: Any,
    ) -> Path:
        """Write one evolution as a film, a picture per time; further arguments as in :meth:`predict`.

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

        sets, path = read_sets(parameters, values, self.space), Path(path)
        if len(sets.values) != 1:
            raise QueryError(f"animate: expected one set of parameters, got {len(sets.values)}")
        run = self.predict(sets.values[0], time=time, method=method, extrapolate=extrapolate)
        try:
            animate_evolution(run, path)
        except ValueError as error:
            raise QueryError(str(error)) from None
        return path

    def export(self, path: str | os.PathLike[str], format: str = "savedmodel") -> Path:
        """Write the FNN and the decoder as one graph that other programs run without this package.

        Its input ``parameters_and_time`` has the shape (rows, n + 1), float32: the parameters in their units and the
        time in Gyr. Its output is temperature in K, (rows, radius, angle), wall rows included. It agrees with
        :meth:`predict` to single precision; ranges are not checked and there are no intervals.

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
        from surrogate.query.export import export

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
        if isinstance(temperature, xr.Dataset):
            temperature = temperature["temperature"]
        fields, (rows, columns) = np.asarray(temperature), self.geometry.shape
        if fields.shape[-2:] != (rows, columns) or fields.dtype.kind not in "iuf":
            raise QueryError(
                f"temperature: expected numbers of shape (..., {rows}, {columns}), got {fields.dtype} {fields.shape}"
            )
        if not np.all(np.isfinite(fields)):
            raise QueryError("temperature: expected finite values")
        about = {"units": "1", "long_name": "latent variables of the autoencoder"}
        latents = self.engine.encode(fields)
        return _named(latents, temperature, 2, ("component",), {}, "latent", about)

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
        rows, count = np.asarray(latents), self.engine.autoencoder.latents
        if rows.shape[-1:] != (count,) or rows.dtype.kind not in "iuf":
            raise QueryError(f"latents: expected numbers of shape (..., {count}), got {rows.dtype} {rows.shape}")
        dimensions = self.geometry.dimensions
        grid = dict(zip(dimensions, (self.geometry.vertical, self.geometry.lateral), strict=True))
        about = self.units.described("temperature")
        return _named(self.engine.expand(rows), latents, 1, dimensions, grid, "temperature", about)

    # What an answer depends on, and how far it may be trusted

    def jacobian(
        self, parameters: Any = None, *, time: Any = None, extrapolate: bool = False, **values: Any
    ) -> xr.Dataset:
        """Differentiate profile, mean temperature and heat fluxes of the FNN by the parameters.

        The networks are differentiated automatically (forward mode, one direction per parameter).

        Parameters
        ----------
        parameters, time, extrapolate, **values : optional
            One set and times, as in :meth:`predict`.

        Returns
        -------
        xarray.Dataset
            Each quantity on (parameter, time[, radius]): its derivative by the parameter on its natural axis, K or W/m2
            per decade of a logarithmic parameter and per unit of the others; and ``span``, the trained range on that
            axis, so that derivative times span compares parameters.
        """
        sets, times, *_ = self._answers.read(parameters, time, values, extrapolate)
        if len(sets.values) != 1:
            raise QueryError(f"jacobian: expected one set of parameters, got {len(sets.values)}")
        return self._sensitivity.jacobian(sets.values[0], times)

    def sobol_indices(self, *, time: Any = None, samples: int = 1024, method: str = "fnn", seed: int = 0) -> xr.Dataset:
        """Share of the variance of profile, mean temperature and heat fluxes that each parameter explains.

        Parameters are drawn independently and uniformly on their natural axes over the trained ranges
        (:func:`scipy.stats.sobol_indices`).

        Parameters
        ----------
        time : as in :meth:`predict`
        samples : int
            Base points, a power of two; the surrogate is asked n + 2 times as often.
        method : str
        seed : int

        Returns
        -------
        xarray.Dataset
            ``{quantity}_first`` and ``{quantity}_total`` on (parameter, time[, radius]); NaN where nothing varies.
        """
        if method not in self.methods:
            refuse_method(method, self.methods)
        times = read_times(time, self.default_times, self.units)
        return self._sensitivity.sobol_indices(times, samples, method, seed)

    def ranges(self, parameters: Any = None, *, time: Any = None, **values: Any) -> xr.Dataset:
        """Say by which parameter, and how far, a question leaves the trained ranges; nothing is predicted.

        Parameters
        ----------
        parameters, time, **values : optional
            As in :meth:`predict`.

        Returns
        -------
        xarray.Dataset
            On ([simulation,] parameter): ``value``, ``low`` and ``high`` of the training runs, and ``beyond``: by how
            much of that range, on the natural axis of the parameter, the value lies below (negative) or above it; 0
            inside. ``beyond_time`` on (time) tells the same of the times.

        Examples
        --------
        >>> from surrogate import Surrogate
        >>> ranges = Surrogate.load("demo").ranges([1e23, 3e5, 7e-6, 25, 1700], time=[4.5, 9])
        >>> beyond = ranges.beyond.to_series()
        >>> beyond[beyond != 0].round(2).to_dict(), ranges.beyond_time.values.tolist()
        ({'reference_viscosity': 0.34}, [0.0, 1.0])
        """
        sets, times = read_sets(parameters, values, self.space), read_times(time, self.default_times, self.units)
        outside = beyond(self.bundle.nearness.scale(sets.values))
        rows, about = ("simulation", "parameter"), {"long_name": "distance to the range over its width", "units": "1"}
        dataset = xr.Dataset(
            {
                "value": (rows, sets.values),
                "low": ("parameter", [entry.low for entry in self.space.parameters]),
                "high": ("parameter", [entry.high for entry in self.space.parameters]),
                "beyond": (rows, outside, about),
                "beyond_time": ("time", beyond(times, *self.time_range), {"units": "1"}),
            },
            {
                "simulation": sets.labels,
                "parameter": list(self.space.names),
                "units": ("parameter", [entry.unit for entry in self.space.parameters]),
                "time": ("time", times, {"units": self.units.unit("time")}),
            },
        )
        return dataset.isel(simulation=0, drop=True) if sets.single else dataset

    def check(
        self, parameters: Any = None, *, method: str = "fnn", extrapolate: bool = False, **values: Any
    ) -> dict[str, Any]:
        """Hold a predicted evolution against what every thermal evolution must keep, at all trained times.

        Returns
        -------
        dict
            The report card of :func:`surrogate.diagnostics.check`, and ``beyond_ranges``: by parameter, what
            :meth:`ranges` calls ``beyond`` of the set that is farthest out, for each parameter that leaves its range.
        """
        from surrogate.diagnostics import check as report_card

        answer = self.predict(parameters, method=method, extrapolate=extrapolate, **values)
        table = np.atleast_2d(self.ranges(parameters, **values).beyond.values)
        farthest = table[np.abs(table).argmax(axis=0), np.arange(table.shape[1])]
        outside = {name: float(by) for name, by in zip(self.space.names, farthest, strict=True) if by}
        card = report_card(answer, self.planet, cast(Literal["constant", "olivine"], self.conductivity))
        return {**card, "beyond_ranges": outside}

    def calibrated(self, method: str) -> bool:
        """Tell whether the bundle holds intervals for a method."""
        return self.bundle.calibrated(method)

    # The bundle

    def inspect(self) -> dict[str, Any]:
        """Tell what this surrogate is: where it comes from, where it is valid, how good it is, where it stops."""
        return {**self.bundle.summary(), "methods": list(self.methods)}

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
        read_bundle(self.bundle.folder)
        tolerance = float(self.bundle.description["example"]["tolerance"])
        example = {
            method: {"difference": error, "tolerance": tolerance, "passed": bool(error <= tolerance)}
            for method, error in compare_example(self.bundle.folder, self.engine).items()
        }
        passed = all(entry["passed"] for entry in example.values())
        return {"passed": passed, "files": len(self.bundle.description["files"]), "example": example}

    @cached_property
    def _answers(self) -> Answers:
        return Answers(self.bundle, self.engine)

    @cached_property
    def _sensitivity(self) -> Sensitivity:
        return Sensitivity(self.engine, self._answers.series, self.space, self.geometry)


def _named(
    values: np.ndarray,
    source: Any,
    replaced: int,
    dimensions: tuple[str, ...],
    grid: Mapping[str, np.ndarray],
    name: str,
    about: Mapping[str, str],
) -> xr.DataArray:
    """Name what was made of an array: its leading dimensions and their coordinates stay."""
    kept: tuple[Any, ...] = tuple(f"dim_{number}" for number in range(values.ndim - len(dimensions)))
    coordinates: dict[Any, Any] = dict(grid)
    if isinstance(source, xr.DataArray):
        kept = source.dims[:-replaced]
        coordinates |= {key: entry for key, entry in source.coords.items() if set(entry.dims) <= set(kept)}
    return xr.DataArray(values, coordinates, (*kept, *dimensions), name, dict(about))


def _open_again(path: str, digest: str, largest_answer: float) -> Surrogate:
    """Open the bundle of a pickled surrogate.

    Raises
    ------
    BundleError
        If the bundle at that path is not the one that was pickled.
    """
    surrogate = Surrogate.load(path)
    if surrogate.bundle.digest != digest:
        raise BundleError(
            f"{path}: the bundle was replaced since this surrogate was pickled: expected digest {digest[:12]}, "
            f"found {surrogate.bundle.digest[:12]}"
        )
    surrogate.largest_answer = largest_answer
    return surrogate
