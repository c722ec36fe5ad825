"""The 2D domain: a sector of a cylinder (or a box) cut into cells, with its volumes, faces and averages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from surrogate.planet import MARS, Planet


@dataclass(frozen=True, eq=False)
class Annulus:
    """A sector of a cylinder of radial rows by angular columns.

    A field on the annulus has one row per cell **and one wall row at each end**: row 0 lies on the core-mantle
    boundary, the last row on the surface; both have no volume. Columns are cell centres.

    Attributes
    ----------
    radius_faces : array, shape (cells in radius + 1,), m
        Increasing outward.
    angle_faces : array, shape (angle + 1,), rad
        Increasing; angles are equally spaced.

    Examples
    --------
    >>> annulus = Annulus.quarter(48, 64)
    >>> annulus.shape
    (50, 64)
    >>> bool(np.isclose(annulus.average(np.full(annulus.shape, 3.0)), 3.0))
    True
    """

    radius_faces: np.ndarray
    angle_faces: np.ndarray

    def __post_init__(self) -> None:
        for name in ("radius_faces", "angle_faces"):
            faces = np.asarray(getattr(self, name), dtype=float)
            if faces.ndim != 1 or faces.size < 2 or not np.all(np.isfinite(faces)) or np.any(np.diff(faces) <= 0):
                raise ValueError(f"annulus: {name} must be at least two finite, increasing numbers, got {faces}")
            object.__setattr__(self, name, faces)
        if self.radius_faces[0] <= 0:
            raise ValueError(f"annulus: the inner radius must be positive, got {self.radius_faces[0]} m")
        steps = np.diff(self.angle_faces)
        # Files may hold float32 faces, whose differences keep four digits on fine grids.
        if np.ptp(steps) > 1e-3 * steps.mean():
            raise ValueError(
                f"annulus: angle_faces must be equally spaced, got steps {steps.min():g} .. {steps.max():g}"
            )

    @classmethod
    def quarter(cls, radial_cells: int, angular_cells: int, planet: Planet = MARS, width: float = np.pi / 2) -> Annulus:
        """Equally spaced sector with the van-Keken-rescaled radii of `planet`; `width` in rad."""
        inner = planet.cylinder_inner_radius
        return cls(
            np.linspace(inner, inner + planet.mantle_thickness, radial_cells + 1),
            np.linspace(0.0, width, angular_cells + 1),
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Annulus)
            and self.shape == other.shape
            and np.allclose(self.radius_faces, other.radius_faces, rtol=1e-9, atol=0)
            and np.allclose(self.angle_faces, other.angle_faces, rtol=1e-9, atol=1e-12)
        )

    @property
    def shape(self) -> tuple[int, int]:
        """(rows including both walls, columns)."""
        return self.radius_faces.size + 1, self.angle_faces.size - 1

    @property
    def radius(self) -> np.ndarray:
        """Radius of every row, walls included, m, shape (radius,)."""
        faces = self.radius_faces
        return np.concatenate([faces[:1], 0.5 * (faces[1:] + faces[:-1]), faces[-1:]])

    @property
    def radius_bounds(self) -> np.ndarray:
        """Lower and upper face of every row, m, shape (radius, 2); equal for the walls."""
        faces = self.radius_faces
        return np.stack([np.r_[faces[0], faces], np.r_[faces, faces[-1]]], axis=1)

    @property
    def angle(self) -> np.ndarray:
        """Centre of every column, rad, shape (angle,)."""
        return np.asarray(0.5 * (self.angle_faces[1:] + self.angle_faces[:-1]))

    @property
    def angle_bounds(self) -> np.ndarray:
        """Faces of every column, rad, shape (angle, 2)."""
        return np.stack([self.angle_faces[:-1], self.angle_faces[1:]], axis=1)

    @property
    def thickness(self) -> float:
        """Distance between the walls, m."""
        return float(self.radius_faces[-1] - self.radius_faces[0])

    @property
    def depth(self) -> np.ndarray:
        """Depth of every row below the surface, m, shape (radius,)."""
        return np.asarray(self.radius_faces[-1] - self.radius)

    @property
    def volume(self) -> np.ndarray:
        """Area of every cell of the 2D domain, m2, shape (radius, angle); zero in the wall rows."""
        half_square = 0.5 * np.diff(self.radius_bounds**2, axis=1)
        return half_square * np.diff(self.angle_faces)[None, :]

    @property
    def weight(self) -> np.ndarray:
        """Cell volumes divided by their sum, shape (radius, angle)."""
        volume = self.volume
        return np.asarray(volume / volume.sum())

    def average(self, field: Any) -> Any:
        """Volume average over the last two axes (radius, angle) of a field, shape (..., radius, angle)."""
        return (self._checked(field) * self.weight).sum(axis=(-2, -1))

    def lateral_average(self, field: Any) -> Any:
        """Mean over angle, shape (..., radius, angle) to (..., radius)."""
        return self._checked(field).mean(axis=-1)

    def _checked(self, field: Any) -> np.ndarray:
        # A profile would broadcast against the columns and give a plausible number.
        field = np.asarray(field)
        if field.shape[-2:] != self.shape:
            raise ValueError(
                f"annulus: expected a field of shape (..., {self.shape[0]}, {self.shape[1]}), got {field.shape}"
            )
        return np.asarray(field)
