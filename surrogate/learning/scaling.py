"""Scalers: statistics of the training runs as plain data, saved in JSON beside the model that was trained with them.

Temperatures of the walls are not learnt where they need not be. A wall row whose temperature never changes (the
surface) is stored as one number; a wall row that is uniform along the wall but changes with time (the
core-mantle boundary) is carried as one scalar per snapshot. Both come back exactly.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np
import xarray as xr

from surrogate.fields import geometry_of, parameter_table, space_of, units_of
from surrogate.parameters import EVOLUTION_PARAMETERS, ParameterSpace

UNIFORM = 1e-3
"""A wall whose temperatures differ by less than this, in degrees of the units, counts as uniform (or as constant)."""


class _Data:
    """A scaler as JSON."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers and lists."""
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in asdict(self).items()  # type: ignore[call-overload]
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Rebuild from :meth:`as_dict`."""
        names = [entry.name for entry in fields(cls)]  # type: ignore[arg-type]
        if not isinstance(content, dict) or sorted(content) != sorted(names):
            raise ValueError(
                f"{cls.__name__}: expected the keys {names}, got {content if content is None else list(content)}"
            )
        return cls(
            **{
                name: np.asarray(value, dtype=float) if isinstance(value, list) else value
                for name, value in content.items()
            }
        )


@dataclass(frozen=True, eq=False)
class ParameterScaler(_Data):
    """Parameters and time to [-1, 1] by the extrema of the training runs, on their natural axes.

    Attributes
    ----------
    low, high : array, shape (n,)
        Extrema on the natural axes (log10 of the viscosity).
    first_time, last_time : float
        Gyr.

    Examples
    --------
    >>> scaler = ParameterScaler(np.array([19.0, 1e5, 4e-6, 1, 1600]), np.array([22.0, 5e5, 1e-5, 50, 1800]), 0.0, 4.5)
    >>> scaler.transform(np.array([[1e22, 3e5, 4e-6, 1.0, 1800]])).round(6).tolist()
    [[1.0, 0.0, -1.0, -1.0, 1.0]]
    """

    low: np.ndarray
    high: np.ndarray
    first_time: float
    last_time: float
    space: ParameterSpace = EVOLUTION_PARAMETERS

    @classmethod
    def fit(cls, dataset: xr.Dataset) -> Self:
        """Take the extrema of a corpus or of its latents (the training runs only)."""
        space = space_of(dataset)
        natural = space.natural(parameter_table(dataset))
        times = dataset["snapshot_time"].values
        return cls(natural.min(axis=0), natural.max(axis=0), float(np.nanmin(times)), float(np.nanmax(times)), space)

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers, lists and names."""
        return {**super().as_dict(), "space": self.space.as_dict()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Self:
        """Rebuild from :meth:`as_dict`; without a space the parameters are those of the simulator."""
        space = content.get("space", EVOLUTION_PARAMETERS.as_dict())
        return super().from_dict({**content, "space": ParameterSpace.from_dict(space)})

    @property
    def width(self) -> int:
        """Number of features: the parameters and time."""
        return len(self.space) + 1

    def check_inputs(self, parameters: Any, times: Any) -> tuple[np.ndarray, np.ndarray]:
        """Bring parameters to shape (n, parameter) and times to (n, t); say clearly what does not fit."""
        parameters, times = self.space.check(parameters), np.asarray(times, dtype=float)
        if parameters.ndim != 2:
            raise ValueError(f"parameters: expected shape (n, {len(self.space)}), got {parameters.shape}")
        if times.ndim not in (1, 2) or (times.ndim == 2 and len(times) != len(parameters)):
            raise ValueError(f"times: expected shape (t,) or ({len(parameters)}, t), got {times.shape}")
        if not np.all(np.isfinite(parameters)) or not np.all(np.isfinite(times)):
            raise ValueError("parameters and times must be finite")
        return parameters, np.broadcast_to(times, (len(parameters), times.shape[-1]))

    def transform(self, parameters: Any) -> np.ndarray:
        """Scale parameters, shape (..., n), in their units."""
        # A parameter that never varied in training carries no information: it maps to 0, not to NaN.
        span = np.where(self.high > self.low, self.high - self.low, np.inf)
        return np.asarray(2 * (self.space.natural(parameters) - self.low) / span - (self.high > self.low))

    def transform_time(self, times: Any) -> np.ndarray:
        """Scale times, Gyr, any shape."""
        span = max(self.last_time - self.first_time, 1e-12)
        return 2 * (np.asarray(times, dtype=float) - self.first_time) / span - 1

    def features(self, parameters: Any, times: Any) -> np.ndarray:
        """Scaled parameters beside scaled time.

        Parameters
        ----------
        parameters : array, shape (n, parameter)
        times : array, shape (t,) or (n, t), Gyr

        Returns
        -------
        array, shape (n, t, parameter + 1), float32
        """
        scaled = self.transform(parameters)
        times = np.broadcast_to(self.transform_time(times), (len(scaled), np.shape(times)[-1]))
        wide = np.broadcast_to(scaled[:, None, :], (*times.shape, scaled.shape[-1]))
        return np.concatenate([wide, times[..., None]], axis=-1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class FieldScaler(_Data):
    """Temperature fields to numbers of order one, with the walls split off.

    Attributes
    ----------
    profile : array, shape (radius,), K
        Subtracted from every row.
    scale : float, K
        Divided by.
    core, surface : float or None
        Temperature of a wall that never changes, K.
    core_scalar, surface_scalar : bool
        Whether that wall is uniform and carried as one number per snapshot. A wall that is neither constant nor
        uniform stays part of the image.

    Examples
    --------
    >>> scaler = FieldScaler(np.array([2000.0, 1700.0, 1700.0, 250.0]), 100.0, None, 250.0, True, False)
    >>> field = np.array([[2100.0, 2100.0], [1800.0, 1600.0], [1700.0, 1700.0], [250.0, 250.0]])
    >>> image, walls = scaler.split(field[None])
    >>> image[0].tolist(), walls.tolist()
    ([[1.0, -1.0], [0.0, 0.0]], [[1.0]])
    >>> bool(np.all(scaler.join(image, walls)[0] == field))
    True
    """

    profile: np.ndarray
    scale: float
    core: float | None
    surface: float | None
    core_scalar: bool
    surface_scalar: bool

    @classmethod
    def fit(cls, corpus: xr.Dataset, network: str = "pod") -> Self:
        """Read the runs of `corpus` (the training runs only) once, one at a time.

        For the `paper` network the walls stay in the image and temperatures are divided by their maximum.

        Raises
        ------
        CorpusError, ShardError
            Naming store, run and variable, where a temperature is lost or not finite.
        """
        from surrogate.corpus import run_reader  # with Zarr, which questions need not wait for

        weight = geometry_of(corpus).weight.sum(axis=1)
        count, total, square = 0, 0.0, 0.0
        low, high = np.full(2, np.inf), np.full(2, -np.inf)
        spread, maximum = np.zeros(2), -np.inf
        read = run_reader(corpus)
        for position in range(corpus.sizes["simulation"]):
            temperature = read(position).astype(float)
            walls = temperature[:, [0, -1], :]
            low, high = np.minimum(low, walls.min(axis=(0, 2))), np.maximum(high, walls.max(axis=(0, 2)))
            spread = np.maximum(spread, np.ptp(walls, axis=2).max(axis=0))
            maximum = max(maximum, temperature.max())
            count += len(temperature) * temperature.shape[2]
            total = total + temperature.sum(axis=(0, 2))
            square = square + (temperature**2).sum(axis=(0, 2))
        profile = np.asarray(total / count)
        if network == "paper":
            return cls(np.zeros_like(profile), float(maximum), None, None, False, False)
        variance = np.maximum(square / count - profile**2, 0.0)
        scale = float(np.sqrt((variance * weight).sum())) or 1.0
        small = UNIFORM * units_of(corpus).degree
        constant = high - low < small
        uniform = ~constant & (spread < small)
        middle = [float(value) if fixed else None for value, fixed in zip(0.5 * (low + high), constant, strict=True)]
        return cls(profile, scale, middle[0], middle[1], bool(uniform[0]), bool(uniform[1]))

    @property
    def rows(self) -> slice:
        """Rows that form the image."""
        lower = self.core is not None or self.core_scalar
        upper = self.surface is not None or self.surface_scalar
        return slice(int(lower), len(self.profile) - int(upper))

    @property
    def scalars(self) -> int:
        """Number of wall scalars per snapshot."""
        return int(self.core_scalar) + int(self.surface_scalar)

    def split(self, temperature: Any) -> tuple[np.ndarray, np.ndarray]:
        """Temperature, shape (n, radius, angle), K, to image (n, rows, angle) and wall scalars (n, scalars)."""
        temperature = np.asarray(temperature)
        if temperature.ndim != 3 or temperature.shape[1] != len(self.profile):
            raise ValueError(f"temperature: expected shape (n, {len(self.profile)}, angle), got {temperature.shape}")
        scaled = temperature - self.profile[:, None]
        scaled /= self.scale
        ends = [index for index, carried in ((0, self.core_scalar), (-1, self.surface_scalar)) if carried]
        walls = np.stack([scaled[:, index].mean(axis=-1) for index in ends], 1) if ends else np.zeros((len(scaled), 0))
        return scaled[:, self.rows].astype(np.float32), walls.astype(np.float32)

    def join(self, image: Any, walls: Any) -> np.ndarray:
        """Inverse of :meth:`split`; float32, K."""
        image, walls = np.asarray(image, dtype=float), np.asarray(walls, dtype=float)
        scaled = np.zeros((len(image), len(self.profile), image.shape[2]))
        scaled[:, self.rows] = image
        for column, index in enumerate(
            i for i, carried in ((0, self.core_scalar), (-1, self.surface_scalar)) if carried
        ):
            scaled[:, index] = walls[:, column, None]
        temperature = scaled * self.scale + self.profile[:, None]
        for index, constant in ((0, self.core), (-1, self.surface)):
            if constant is not None:
                temperature[:, index] = constant
        return np.asarray(temperature, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class LatentScaler(_Data):
    """Latents to numbers of order one, and the share of each in the error of the field.

    Attributes
    ----------
    mean, deviation : array, shape (latent,)
        Of the training runs.
    weight : array, shape (latent,)
        Variance of each latent over the sum of all, times the number of latents: the weight that makes a mean square
        error of scaled latents that of the field.
    """

    mean: np.ndarray
    deviation: np.ndarray
    weight: np.ndarray

    @classmethod
    def fit(cls, latents: np.ndarray, network: str = "") -> Self:
        """Fit on latents, shape (n, latent), of the training runs.

        For the `paper` networks: one global pair of extrema to [0, 1] and equal weights.
        """
        latents = np.asarray(latents, dtype=float)
        count = latents.shape[1]
        if network == "paper":
            low, span = latents.min(), max(float(np.ptp(latents)), 1e-12)
            return cls(np.full(count, low), np.full(count, span), np.ones(count))
        deviation = np.maximum(latents.std(axis=0), 1e-6 * max(float(latents.std()), 1e-12))
        return cls(latents.mean(axis=0), deviation, count * deviation**2 / (deviation**2).sum())

    def transform(self, latents: Any) -> np.ndarray:
        """Scale latents, shape (..., latent); float32."""
        return np.asarray((np.asarray(latents, dtype=float) - self.mean) / self.deviation, dtype=np.float32)

    def inverse(self, scaled: Any) -> np.ndarray:
        """Inverse of :meth:`transform`; float32."""
        return np.asarray(np.asarray(scaled, dtype=float) * self.deviation + self.mean, dtype=np.float32)


def interpolate(own: np.ndarray, values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Linear interpolation of values, shape (time, ...), from times `own` to `times`; constant beyond the ends.

    >>> interpolate(np.array([0.0, 1.0]), np.array([[0.0, 2.0], [1.0, 4.0]]), np.array([-1.0, 0.5, 1.0])).tolist()
    [[0.0, 2.0], [0.5, 3.0], [1.0, 4.0]]
    """
    if len(own) == 1:
        return np.repeat(values, len(times), axis=0)
    after = np.clip(np.searchsorted(own, times), 1, len(own) - 1)
    share = np.clip((times - own[after - 1]) / (own[after] - own[after - 1]), 0.0, 1.0)
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray((1 - share) * values[after - 1] + share * values[after])


@dataclass(frozen=True, eq=False)
class Calibration(_Data):
    """How far each latent of a prediction may depart from the mean evolution of the training runs.

    Attributes
    ----------
    times : array, shape (time,), Gyr
    mean, gain : array, shape (time, latent)
        0: not predictable from the parameters; 1: as the network says.

    Examples
    --------
    >>> calibration = Calibration(np.array([0.0, 1.0]), np.array([[0.0], [2.0]]), np.array([[0.5], [0.5]]))
    >>> calibration.apply(np.array([[[4.0], [4.0]]]), np.array([[0.0, 1.0]])).tolist()
    [[[2.0], [3.0]]]
    """

    times: np.ndarray
    mean: np.ndarray
    gain: np.ndarray

    @classmethod
    def none(cls, latents: int) -> Self:
        """Leave predictions as they are."""
        return cls(np.zeros(1), np.zeros((1, latents)), np.ones((1, latents)))

    def apply(self, latents: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Calibrate latents, shape (n, ..., time, latent), at times (n, time), Gyr; float32."""

        def at_times(values: np.ndarray) -> np.ndarray:
            wide = np.stack([interpolate(self.times, values, own) for own in times])
            return wide.reshape(len(wide), *[1] * (latents.ndim - 3), *wide.shape[1:])

        mean = at_times(self.mean)
        return np.asarray(mean + at_times(self.gain) * (latents - mean), dtype=np.float32)
