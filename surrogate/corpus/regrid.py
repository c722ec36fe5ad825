"""From one grid of the annulus to another, keeping what matters: wall values and the lateral mean profile.

The lateral mean profile is interpolated linearly in radius, the anomaly about it linearly in radius and angle; where
the new columns are wider than the old ones, the anomaly is averaged over them instead. The interpolated anomaly is
then made to have no lateral mean. So the mean profile of the result is the interpolated mean profile of the source,
to round-off, and wall rows come from wall rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from surrogate.annulus import Annulus


def sector(annulus: Annulus) -> np.ndarray:
    """Inner and outer radius, m, and width, rad."""
    return np.r_[annulus.radius_faces[[0, -1]], annulus.angle_faces[-1] - annulus.angle_faces[0]]


def describe_sector(numbers: Sequence[float] | np.ndarray) -> str:
    """Say :func:`sector` for people.

    >>> describe_sector(sector(Annulus.quarter(12, 16)))
    '566.667 .. 2266.67 km by 90 degrees'
    """
    inner, outer, width = (float(number) for number in numbers)
    return f"{inner / 1e3:.6g} .. {outer / 1e3:.6g} km by {np.degrees(width):.4g} degrees"


def same_domain(source: Annulus, target: Annulus) -> bool:
    """Whether two grids cut the same sector into cells (to a relative 1e-6)."""
    return bool(np.allclose(sector(source), sector(target), rtol=1e-6, atol=0))


def refined(source: Annulus, radial_cells: int | None, angular_cells: int | None) -> Annulus:
    """Cut the sector of `source` into equally spaced cells; None keeps its own.

    Examples
    --------
    >>> refined(Annulus.quarter(12, 16), 24, None).shape
    (26, 16)
    """
    radius, angle = source.radius_faces, source.angle_faces
    return Annulus(
        radius if radial_cells is None else np.linspace(radius[0], radius[-1], radial_cells + 1),
        angle if angular_cells is None else np.linspace(angle[0], angle[-1], angular_cells + 1),
    )


def linear_weights(source: np.ndarray, target: np.ndarray) -> scipy.sparse.csr_array:
    """Weights of piecewise linear interpolation, constant beyond the ends, shape (target, source)."""
    target = np.clip(target, source[0], source[-1])
    upper = np.clip(np.searchsorted(source, target, side="right"), 1, source.size - 1)
    share = (target - source[upper - 1]) / (source[upper] - source[upper - 1])
    rows = np.arange(target.size)
    return scipy.sparse.csr_array(
        (np.r_[1 - share, share], (np.r_[rows, rows], np.r_[upper - 1, upper])), shape=(target.size, source.size)
    )


def overlap_weights(source_faces: np.ndarray, target_faces: np.ndarray) -> scipy.sparse.csr_array:
    """Weights of averaging cells over wider cells, shape (target, source); each row sums to 1."""
    low = np.maximum(target_faces[:-1, None], source_faces[None, :-1])
    high = np.minimum(target_faces[1:, None], source_faces[None, 1:])
    overlap = np.clip(high - low, 0.0, None)
    return scipy.sparse.csr_array(overlap / overlap.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Regridder:
    """A linear map of fields on one grid to fields on another; build it once per pair of grids.

    Attributes
    ----------
    source, target : Annulus
        Two grids of one sector.
    """

    source: Annulus
    target: Annulus

    def __post_init__(self) -> None:
        if not same_domain(self.source, self.target):
            raise ValueError("regridding: the two grids do not cover the same sector of the annulus")
        angle = self.source.angle_faces - self.source.angle_faces[0]
        new_angle = self.target.angle_faces - self.target.angle_faces[0]
        if new_angle.size < angle.size:
            lateral = overlap_weights(angle, new_angle * (angle[-1] / new_angle[-1]))
        elif angle.size == 2:
            lateral = scipy.sparse.csr_array(np.ones((new_angle.size - 1, 1)))
        else:
            lateral = linear_weights(0.5 * (angle[1:] + angle[:-1]), 0.5 * (new_angle[1:] + new_angle[:-1]))
        object.__setattr__(self, "_radial", linear_weights(self.source.radius, self.target.radius))
        object.__setattr__(self, "_lateral", lateral)

    def __call__(self, field: Any) -> np.ndarray:
        """Regrid a field, shape (..., radius, angle) of the source, to the target; the dtype is kept.

        Examples
        --------
        >>> coarse, fine = Annulus.quarter(8, 12), Annulus.quarter(16, 20)
        >>> field = np.random.default_rng(0).normal(1700.0, 100.0, (3, *coarse.shape))
        >>> result = Regridder(coarse, fine)(field)
        >>> result.shape, bool(np.allclose(result[:, 0].mean(-1), field[:, 0].mean(-1)))
        ((3, 18, 20), True)
        """
        field = np.asarray(field)
        leading = field.shape[:-2]
        rows, columns = self.source.shape
        if field.shape[-2:] != (rows, columns):
            raise ValueError(f"regridding: the field has shape {field.shape}, expected (..., {rows}, {columns})")
        flat = field.reshape(-1, rows, columns).astype(float)
        radial: Any = self._radial  # type: ignore[attr-defined]
        lateral: Any = self._lateral  # type: ignore[attr-defined]
        result = np.empty((len(flat), *self.target.shape))
        for number, snapshot in enumerate(flat):
            profile = snapshot.mean(axis=-1, keepdims=True)
            anomaly = (lateral @ (radial @ (snapshot - profile)).T).T
            result[number] = radial @ profile + (anomaly - anomaly.mean(axis=-1, keepdims=True))
        return result.reshape(*leading, *self.target.shape).astype(field.dtype)


def resample(times: np.ndarray, values: np.ndarray, new_times: np.ndarray) -> np.ndarray:
    """Interpolate linearly in time.

    Parameters
    ----------
    times : array, shape (time,)
    values : array, shape (time, ...)
    new_times : array, shape (new time,)
        Within `times`.

    Returns
    -------
    array, shape (new time, ...)

    Raises
    ------
    ValueError
        If `new_times` reaches beyond `times`: nothing is extrapolated.

    Examples
    --------
    >>> resample(np.array([0.0, 2.0]), np.array([[1.0], [5.0]]), np.array([1.0])).tolist()
    [[3.0]]
    """
    margin = 1e-9 * max(abs(times[-1] - times[0]), 1e-30)
    if new_times[0] < times[0] - margin or new_times[-1] > times[-1] + margin:
        raise ValueError(f"times {new_times[0]:g} .. {new_times[-1]:g} reach beyond {times[0]:g} .. {times[-1]:g}")
    weights = linear_weights(np.asarray(times, float), np.asarray(new_times, float))
    flat = np.asarray(values).reshape(len(times), -1)
    return (weights @ flat).reshape(len(new_times), *values.shape[1:]).astype(values.dtype)
