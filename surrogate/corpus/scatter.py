"""From scattered points of an annulus (any mesh) to its grid: weights made once per mesh."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

import numpy as np
import scipy.sparse
from scipy.spatial import Delaunay

from surrogate.annulus import Annulus

OVERSAMPLING = 4
"""Points per column at which the piecewise linear field is averaged."""

MESHES = 4
"""Pairs of mesh and grid whose weights are kept: an adaptive mesh changes seldom, and never returns."""

_KNOWN: OrderedDict[bytes, scipy.sparse.csr_array] = OrderedDict()
_LOCK = threading.Lock()


def scatter_weights(radius: np.ndarray, angle: np.ndarray, annulus: Annulus) -> scipy.sparse.csr_array:
    """Make the weights that turn values on points into a field.

    The values are interpolated linearly on the Delaunay triangles of the points in (radius, angle), and each column
    takes the mean of the interpolant over its width at the radius of the row. So the lateral mean of a row is the
    lateral mean of the interpolant, wall rows depend on wall points only, and a field linear in radius is exact.

    Parameters
    ----------
    radius, angle : arrays, shape (point,), m and rad
        Repeated points take the mean of their values.
    annulus : Annulus

    Returns
    -------
    sparse array, shape (radius * angle, point)
        Every row sums to 1.
    """
    thickness = annulus.thickness
    low, high = annulus.radius_faces[[0, -1]]
    start, width = annulus.angle_faces[0], annulus.angle_faces[-1] - annulus.angle_faces[0]
    # In single precision, a point of a wall lies beside it: 1e-6 of the thickness is taken for the wall itself.
    z = _snapped((radius - low) / thickness)
    phi = _snapped((angle - start) / width)
    keys = np.rint(np.stack([z, phi], axis=1) * 2**22).astype(np.int64)
    _, first, inverse, counts = np.unique(keys, axis=0, return_index=True, return_inverse=True, return_counts=True)
    inverse = inverse.ravel()
    merge = scipy.sparse.csr_array((1.0 / counts[inverse], (inverse, np.arange(z.size))), shape=(first.size, z.size))
    stretch = width * 0.5 * (low + high) / thickness  # so that triangles are those of physical distance
    nodes = np.stack([z[first], phi[first] * stretch], axis=1)
    triangles = Delaunay(nodes)
    share = (np.arange(OVERSAMPLING) + 0.5) / OVERSAMPLING
    faces = annulus.angle_faces
    fine = ((faces[:-1, None] + np.diff(faces)[:, None] * share).ravel() - start) / width * stretch
    rows = (annulus.radius - low) / thickness
    targets = np.stack(np.meshgrid(rows, fine, indexing="ij"), axis=-1).reshape(-1, 2)
    found = triangles.find_simplex(targets, tol=1e-9)
    if (found < 0).any():
        raise ValueError(
            f"the points do not cover the annulus: {int((found < 0).sum())} of {found.size} grid points lie outside"
        )
    transform = triangles.transform[found]
    two = np.einsum("nij,nj->ni", transform[:, :2], targets - transform[:, 2])
    weights = np.clip(np.concatenate([two, 1 - two.sum(axis=1, keepdims=True)], axis=1), 0.0, None)
    weights /= weights.sum(axis=1, keepdims=True) * OVERSAMPLING
    place = np.repeat(np.arange(len(targets)) // OVERSAMPLING, 3)
    corner = triangles.simplices[found].ravel()
    shape = (annulus.shape[0] * annulus.shape[1], first.size)
    return scipy.sparse.csr_array((weights.ravel(), (place, corner)), shape=shape) @ merge


def _snapped(coordinate: np.ndarray) -> np.ndarray:
    coordinate = np.where(np.abs(coordinate) < 1e-6, 0.0, coordinate)
    return np.where(np.abs(coordinate - 1) < 1e-6, 1.0, coordinate)


class ScatterGrid:
    """Puts fields on points onto one grid; weights are kept, so runs that share a mesh share them.

    Parameters
    ----------
    annulus : Annulus

    Examples
    --------
    >>> annulus = Annulus.quarter(4, 6)
    >>> radius, angle = np.meshgrid(np.linspace(*annulus.radius_faces[[0, -1]], 9), np.linspace(0, np.pi / 2, 9))
    >>> points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1).reshape(-1, 2)
    >>> field = ScatterGrid(annulus)(points, radius.ravel())
    >>> bool(np.allclose(field, annulus.radius[:, None]))
    True
    """

    def __init__(self, annulus: Annulus) -> None:
        self.annulus = annulus
        faces = np.concatenate([annulus.radius_faces, annulus.angle_faces])
        self._key = hashlib.sha256(faces.tobytes()).digest()

    def __call__(self, points: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the field, shape (radius, angle), of `values` on Cartesian `points`, shape (point, 2 or more), m."""
        key = self._key + hashlib.sha256(np.ascontiguousarray(points).tobytes()).digest()
        with _LOCK:
            weights = _KNOWN.pop(key, None)
        if weights is None:
            x, y = np.asarray(points, dtype=float)[:, :2].T
            weights = scatter_weights(np.hypot(x, y), np.arctan2(y, x), self.annulus)
        with _LOCK:
            _KNOWN[key] = weights  # the newest last
            while len(_KNOWN) > MESHES:
                _KNOWN.popitem(last=False)
        return (weights @ np.asarray(values, dtype=float)).reshape(self.annulus.shape)
