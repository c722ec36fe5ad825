"""From one grid of the annulus, or any points in it, to another grid, keeping wall values and the lateral mean profile.

The lateral mean profile is interpolated linearly in radius, the anomaly about it linearly in radius and angle; where
the new columns are wider than the old ones, the anomaly is averaged over them instead. The interpolated anomaly is
then made to have no lateral mean. So the mean profile of the result is the interpolated mean profile of the source,
to round-off, and wall rows come from wall rows. Fields on the points of any mesh are triangulated instead.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from scipy.spatial import Delaunay

from surrogate.geometry import Geometry

POINTS_PER_COLUMN = 4
"""Points per column at which the piecewise linear field is averaged."""

MESHES_KEPT = 4
"""Pairs of mesh and grid whose weights are kept: an adaptive mesh changes seldom, and never returns."""

_MESH_WEIGHTS: OrderedDict[bytes, scipy.sparse.csr_array] = OrderedDict()
_MESH_LOCK = threading.Lock()


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
    source, target : Geometry
        Two grids of one domain.
    """

    source: Geometry
    target: Geometry

    def __post_init__(self) -> None:
        if not self.source.domain.matches(self.target.domain):
            raise ValueError("regridding: the two grids do not cover the same domain")
        angle = self.source.lateral_faces - self.source.lateral_faces[0]
        new_angle = self.target.lateral_faces - self.target.lateral_faces[0]
        if new_angle.size < angle.size:
            lateral = overlap_weights(angle, new_angle * (angle[-1] / new_angle[-1]))
        elif angle.size == 2:
            lateral = scipy.sparse.csr_array(np.ones((new_angle.size - 1, 1)))
        else:
            centres, new_centres = (0.5 * (faces[1:] + faces[:-1]) for faces in (angle, new_angle))
            if self.source.periodic:  # with the neighbours beyond the seam, which then count as the columns they are
                centres = np.r_[centres[-1] - angle[-1], centres, centres[0] + angle[-1]]
            lateral = linear_weights(centres, new_centres)
            if self.source.periodic:
                columns = np.arange(-1, self.source.shape[1] + 1) % self.source.shape[1]
                lateral = lateral @ scipy.sparse.csr_array(np.eye(self.source.shape[1])[columns])
        object.__setattr__(self, "_radial", linear_weights(self.source.vertical, self.target.vertical))
        object.__setattr__(self, "_lateral", lateral)

    def __call__(self, field: Any) -> np.ndarray:
        """Regrid a field, shape (..., radius, angle) of the source, to the target; the dtype is kept.

        Examples
        --------
        >>> coarse, fine = Geometry.quarter(8, 12), Geometry.quarter(16, 20)
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
    return np.asarray((weights @ flat).reshape(len(new_times), *values.shape[1:]), dtype=values.dtype)


def point_weights(radius: np.ndarray, angle: np.ndarray, geometry: Geometry) -> scipy.sparse.csr_array:
    """Make the weights that turn values on points into a field.

    The values are interpolated linearly on the Delaunay triangles of the points in (radius, angle), and each column
    takes the mean of the interpolant over its width at the radius of the row. So the lateral mean of a row is the
    lateral mean of the interpolant, wall rows depend on wall points only, and a field linear in radius is exact.

    Parameters
    ----------
    radius, angle : arrays, shape (point,), m and rad
        Repeated points take the mean of their values.
    geometry : Geometry

    Returns
    -------
    sparse array, shape (radius * angle, point)
        Every row sums to 1.
    """
    thickness = geometry.thickness
    low, high = geometry.vertical_faces[[0, -1]]
    start, width = geometry.lateral_faces[0], geometry.lateral_faces[-1] - geometry.lateral_faces[0]
    # In single precision, a point of a wall lies beside it: 1e-6 of the thickness is taken for the wall itself.
    z = _snap((radius - low) / thickness)
    phi = _snap((angle - start) / width)
    keys = np.rint(np.stack([z, phi], axis=1) * 2**22).astype(np.int64)
    _, first, inverse, counts = np.unique(keys, axis=0, return_index=True, return_inverse=True, return_counts=True)
    inverse = inverse.ravel()
    merge = scipy.sparse.csr_array((1.0 / counts[inverse], (inverse, np.arange(z.size))), shape=(first.size, z.size))
    stretch = width * 0.5 * (low + high) / thickness  # so that triangles are those of physical distance
    nodes = np.stack([z[first], phi[first] * stretch], axis=1)
    triangles = Delaunay(nodes)
    share = (np.arange(POINTS_PER_COLUMN) + 0.5) / POINTS_PER_COLUMN
    faces = geometry.lateral_faces
    fine = ((faces[:-1, None] + np.diff(faces)[:, None] * share).ravel() - start) / width * stretch
    rows = (geometry.vertical - low) / thickness
    targets = np.stack(np.meshgrid(rows, fine, indexing="ij"), axis=-1).reshape(-1, 2)
    found = triangles.find_simplex(targets, tol=1e-9)
    if (found < 0).any():
        raise ValueError(
            f"the points do not cover the annulus: {int((found < 0).sum())} of {found.size} grid points lie outside"
        )
    transform = triangles.transform[found]
    two = np.einsum("nij,nj->ni", transform[:, :2], targets - transform[:, 2])
    weights = np.clip(np.concatenate([two, 1 - two.sum(axis=1, keepdims=True)], axis=1), 0.0, None)
    weights /= weights.sum(axis=1, keepdims=True) * POINTS_PER_COLUMN
    place = np.repeat(np.arange(len(targets)) // POINTS_PER_COLUMN, 3)
    corner = triangles.simplices[found].ravel()
    shape = (geometry.shape[0] * geometry.shape[1], first.size)
    return scipy.sparse.csr_array((weights.ravel(), (place, corner)), shape=shape) @ merge


def _snap(coordinate: np.ndarray) -> np.ndarray:
    coordinate = np.where(np.abs(coordinate) < 1e-6, 0.0, coordinate)
    return np.where(np.abs(coordinate - 1) < 1e-6, 1.0, coordinate)


class PointRegridder:
    """Puts fields on points onto one grid; weights are kept, so runs that share a mesh share them.

    Parameters
    ----------
    geometry : Geometry

    Examples
    --------
    >>> geometry = Geometry.quarter(4, 6)
    >>> radius, angle = np.meshgrid(np.linspace(*geometry.vertical_faces[[0, -1]], 9), np.linspace(0, np.pi / 2, 9))
    >>> points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1).reshape(-1, 2)
    >>> field = PointRegridder(geometry)(points, radius.ravel())
    >>> bool(np.allclose(field, geometry.vertical[:, None]))
    True
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        faces = np.concatenate([geometry.vertical_faces, geometry.lateral_faces])
        self._key = hashlib.sha256(faces.tobytes()).digest()

    def __call__(self, points: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the field, shape (radius, angle), of `values` on Cartesian `points`, shape (point, 2 or more), m."""
        key = self._key + hashlib.sha256(np.ascontiguousarray(points).tobytes()).digest()
        with _MESH_LOCK:
            weights = _MESH_WEIGHTS.pop(key, None)
        if weights is None:
            x, y = np.asarray(points, dtype=float)[:, :2].T
            weights = point_weights(np.hypot(x, y), np.arctan2(y, x), self.geometry)
        with _MESH_LOCK:
            _MESH_WEIGHTS[key] = weights  # the newest last
            while len(_MESH_WEIGHTS) > MESHES_KEPT:
                _MESH_WEIGHTS.popitem(last=False)
        return np.asarray(weights @ np.asarray(values, dtype=float)).reshape(self.geometry.shape)
