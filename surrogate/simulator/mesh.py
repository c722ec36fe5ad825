"""The staggered mesh of the simulator: a sector of a cylinder or of a spherical annulus, or a box; dimensionless.

Index ``i`` runs outward (``i = 0`` at the inner wall), ``j`` along the angle, which is contiguous in memory.
Temperature lives in cells, shape (radial cells, angular cells); the streamfunction on the corners of the cells,
stored with one column of padding on either side, shape (radial cells + 1, angular cells + 3): column ``j + 1`` is
corner ``j``. The geometries differ by the length of an arc (r; 1 in a box) and by the width across the plane (1; r in a
spherical annulus).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from surrogate.geometry import Kind


class Mesh(NamedTuple):
    """Geometry of the cells; a plain tuple of arrays so that compiled kernels take it as it is.

    Attributes
    ----------
    faces : array, shape (radial cells + 1,)
        Radius (or height) of the faces.
    face_metric, centre_metric : array, shapes (radial cells + 1,), (radial cells,)
        Length of an arc of one radian: the radius, or 1 in a box.
    face_area : array, shape (radial cells + 1,)
        Area of a radial face per radian: that arc times the width.
    side_area : array, shape (radial cells,)
        Area of an angular face of each row: thickness times the width.
    thickness : array, shape (radial cells,)
        Radial size of each cell.
    spacing : array, shape (radial cells + 1,)
        Distance between the cell centres on either side of a face; half a cell at the walls.
    face_weight : array, shape (radial cells + 1,)
        Weight of the inner cell in a value interpolated to a face.
    volume : array, shape (radial cells,)
        Volume of one cell of each row.
    step : float
        Angular size of a cell (its width in a box).
    columns : int
        Number of cells along the angle.
    periodic : bool
        Whether the angle closes on itself (full annulus); otherwise the sides are closed, free-slip, insulating.
    spherical : bool
        Whether the width goes with the radius: rising material then stretches across the plane, too.
    """

    faces: np.ndarray
    face_metric: np.ndarray
    centre_metric: np.ndarray
    face_area: np.ndarray
    side_area: np.ndarray
    thickness: np.ndarray
    spacing: np.ndarray
    face_weight: np.ndarray
    volume: np.ndarray
    step: float
    columns: int
    periodic: bool
    spherical: bool

    @property
    def rows(self) -> int:
        """Number of radial cells."""
        return self.thickness.size

    @property
    def centres(self) -> np.ndarray:
        """Radius of the cell centres, shape (radial cells,)."""
        radii: np.ndarray = 0.5 * (self.faces[1:] + self.faces[:-1])
        return radii

    @property
    def angles(self) -> np.ndarray:
        """Angle of the cell centres, shape (angular cells,)."""
        return (np.arange(self.columns) + 0.5) * self.step

    def average(self, field: np.ndarray) -> float:
        """Volume average of a cell field, shape (radial cells, angular cells)."""
        return float(self.volume @ field.mean(axis=1) / self.volume.sum())


def graded_faces(cells: int, inner: float, outer: float, grading: float = 1.0) -> np.ndarray:
    """Faces that crowd towards both walls.

    Parameters
    ----------
    cells : int
    inner, outer : float
    grading : float
        Thickness of the middle cells over that of the cells at the walls, >= 1; 1 gives equal cells.

    Returns
    -------
    array, shape (cells + 1,)

    Examples
    --------
    >>> thickness = np.diff(graded_faces(40, 0.0, 1.0, grading=4.0))
    >>> bool(np.isclose(thickness[20] / thickness[0], 4.0, rtol=0.02))
    True
    """
    if grading < 1:
        raise ValueError(f"grading: expected at least 1, got {grading}")
    position = np.linspace(0.0, 1.0, cells + 1)
    # The density of faces is the derivative: 1 - a cos(2 pi x), smooth, so the scheme keeps its order.
    amplitude = (grading - 1.0) / (grading + 1.0)
    return inner + (outer - inner) * (position - amplitude * np.sin(2 * np.pi * position) / (2 * np.pi))


def make_mesh(faces: np.ndarray, columns: int, width: float, kind: Kind = "cylinder", periodic: bool = False) -> Mesh:
    """Build a mesh.

    Parameters
    ----------
    faces : array, shape (radial cells + 1,)
        Increasing radii (heights in a box).
    columns : int
        Cells along the angle.
    width : float
        Angle of the sector, rad (length of the box).
    kind : {"cylinder", "spherical_annulus", "box"}
    periodic : bool
        Close the angle on itself.
    """
    faces = np.ascontiguousarray(faces, dtype=float)
    if faces.ndim != 1 or faces.size < 4 or np.any(np.diff(faces) <= 0):
        raise ValueError("mesh: expected at least 4 increasing faces")
    if columns < 4:
        raise ValueError(f"mesh: expected at least 4 cells along the angle, got {columns}")
    if kind != "box" and faces[0] <= 0:
        raise ValueError(f"mesh: the inner radius must be positive, got {faces[0]}")
    thickness = np.diff(faces)
    centres = 0.5 * (faces[1:] + faces[:-1])
    spacing = np.concatenate([thickness[:1] / 2, np.diff(centres), thickness[-1:] / 2])
    weight = np.concatenate([[0.0], (centres[1:] - faces[1:-1]) / spacing[1:-1], [1.0]])
    centre_metric = np.ones(thickness.size) if kind == "box" else centres
    face_metric = np.ones(faces.size) if kind == "box" else faces.copy()
    step = width / columns
    face_area, side_area, spherical = face_metric, thickness, kind == "spherical_annulus"
    # r_c dr dtheta is the exact area because r_c is the mean of the two faces.
    volume = centre_metric * thickness * step
    if spherical:
        face_area, side_area, volume = faces**2, centres * thickness, np.diff(faces**3) / 3 * step
    return Mesh(
        faces,
        face_metric,
        centre_metric,
        face_area,
        side_area,
        thickness,
        spacing,
        weight,
        volume,
        step,
        columns,
        periodic,
        spherical,
    )
