"""The 2D domain of a run, cut into cells: volumes, walls, averages, sides, symmetries and its place in the plane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Self

import numpy as np

from surrogate.planet import MARS, Planet

Kind = Literal["cylinder", "spherical_annulus", "box"]


class _Metric(NamedTuple):
    """What tells one kind of geometry from another."""

    dimensions: tuple[str, str]
    power: int  # of the vertical coordinate in the size of a face: 1, r or r2


_METRICS: dict[str, _Metric] = {
    "cylinder": _Metric(("radius", "angle"), 1),
    "spherical_annulus": _Metric(("radius", "angle"), 2),
    "box": _Metric(("height", "x"), 0),
}


class Domain(NamedTuple):
    """What a geometry covers, however it is cut into cells (:attr:`Geometry.domain`)."""

    kind: str
    periodic: bool
    low: float
    high: float
    width: float

    def matches(self, other: Domain) -> bool:
        """Whether two domains are the same, to a relative 1e-6 of their size."""
        heights = np.allclose(self[2:4], other[2:4], rtol=1e-6, atol=1e-6 * (self.high - self.low))
        return self[:2] == other[:2] and bool(heights and np.isclose(self.width, other.width, rtol=1e-6))

    def __str__(self) -> str:
        # Nothing dimensionless is as large as 1000; a planet in metres is.
        scale, unit = (1e3, " km") if self.high > 1e3 else (1.0, "")
        curved = self.kind != "box"
        width = f"{np.degrees(self.width):.4g} degrees" if curved else f"{self.width / scale:.6g}{unit}"
        sides = ", periodic" if self.periodic and not (curved and self.width > 6.28) else ""
        name = self.kind.replace("_", " ")
        return f"{name}, {self.low / scale:.6g} .. {self.high / scale:.6g}{unit} by {width}{sides}"


GRID_DIMENSIONS = tuple(dict.fromkeys(metric.dimensions for metric in _METRICS.values()))
"""All pairs of names that the vertical and the lateral dimension may have."""

TORN_SEAM = 3.0
"""A field whose jump between last and first column is more times the largest one between neighbours is not periodic."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """A domain of vertical rows by lateral columns: a sector of an annulus, the whole of it, or a box.

    A field on it has one row per cell **and one wall row at each end**: row 0 lies on the lower wall (the core-mantle
    boundary of a planet), the last row on the surface; both have no volume. Columns are cell centres.

    In a spherical annulus volumes go with the square of the radius (Hernlund and Tackley 2008,
    doi:10.1016/j.pepi.2008.07.037): it is the equatorial slice of a shell, and its sizes are those of the wedge of one
    radian of latitude that grows with the radius. In a cylinder and in a box they are per metre across the plane.

    Attributes
    ----------
    vertical_faces : array, shape (cells in the vertical + 1,), m or dimensionless
        Increasing outward: radii, or heights in a box.
    lateral_faces : array, shape (columns + 1,), rad; in a box m or dimensionless
        Increasing, equally spaced.
    kind : {"cylinder", "spherical_annulus", "box"}
    periodic : bool
        Whether the last column is the neighbour of the first, else the sides are mirrors. A full circle always is.

    Examples
    --------
    >>> geometry = Geometry.quarter(48, 64)
    >>> geometry.shape, geometry.dimensions
    ((50, 64), ('radius', 'angle'))
    >>> bool(np.isclose(geometry.average(np.full(geometry.shape, 3.0)), 3.0))
    True
    """

    vertical_faces: np.ndarray
    lateral_faces: np.ndarray
    kind: Kind = "cylinder"
    periodic: bool = False

    def __post_init__(self) -> None:
        if self.kind not in _METRICS:
            raise ValueError(f"geometry: kind {self.kind!r}, expected one of {', '.join(_METRICS)}")
        for name in ("vertical_faces", "lateral_faces"):
            faces = np.asarray(getattr(self, name), dtype=float)
            if faces.ndim != 1 or faces.size < 2 or not np.all(np.isfinite(faces)) or np.any(np.diff(faces) <= 0):
                raise ValueError(f"geometry: {name} must be at least two finite, increasing numbers, got {faces}")
            object.__setattr__(self, name, faces)
        steps = np.diff(self.lateral_faces)
        # Files may hold float32 faces, whose differences keep four digits on fine grids.
        if np.ptp(steps) > 1e-3 * steps.mean():
            raise ValueError(
                f"geometry: lateral_faces must be equally spaced, got steps {steps.min():g} .. {steps.max():g}"
            )
        if self.curved:
            if self.vertical_faces[0] <= 0:
                raise ValueError(f"geometry: the inner radius must be positive, got {self.vertical_faces[0]}")
            if np.isclose(self.width, 2 * np.pi, rtol=1e-5):
                object.__setattr__(self, "periodic", True)

    @classmethod
    def annulus(
        cls, vertical_cells: int, columns: int, inner: float, outer: float, width: float = 2 * np.pi, **more: Any
    ) -> Self:
        """Equally spaced sector between two radii, `width` in rad; `more` as the class takes.

        Examples
        --------
        >>> shell = Geometry.annulus(8, 32, 1.0, 2.0, kind="spherical_annulus")
        >>> shell.periodic, bool(np.isclose(shell.wall_areas[1] / shell.wall_areas[0], 4.0))
        (True, True)
        """
        return cls(np.linspace(inner, outer, vertical_cells + 1), np.linspace(0.0, width, columns + 1), **more)

    @classmethod
    def quarter(cls, radial_cells: int, angular_cells: int, planet: Planet = MARS, width: float = np.pi / 2) -> Self:
        """Equally spaced sector of a cylinder with the van-Keken-rescaled radii of `planet`; `width` in rad."""
        inner = planet.cylinder_inner_radius
        return cls.annulus(radial_cells, angular_cells, inner, inner + planet.mantle_thickness, width)

    @classmethod
    def box(
        cls, vertical_cells: int, columns: int, width: float = 1.0, height: float = 1.0, periodic: bool = False
    ) -> Self:
        """Equally spaced box.

        Examples
        --------
        >>> Geometry.box(16, 32, width=2.0).volume.sum().round(12)
        np.float64(2.0)
        """
        faces = np.linspace(0.0, height, vertical_cells + 1), np.linspace(0.0, width, columns + 1)
        return cls(*faces, "box", periodic)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Rebuild a geometry from :meth:`record`; one written before there were kinds is a sector of a cylinder."""
        if "radius_faces" in record:
            return cls(np.asarray(record["radius_faces"]), np.asarray(record["angle_faces"]))
        return cls(
            np.asarray(record["vertical_faces"]),
            np.asarray(record["lateral_faces"]),
            record["kind"],
            bool(record["periodic"]),
        )

    def record(self) -> dict[str, Any]:
        """Return what JSON can hold, for :meth:`from_record`."""
        return {
            "kind": self.kind,
            "periodic": self.periodic,
            "vertical_faces": self.vertical_faces.tolist(),
            "lateral_faces": self.lateral_faces.tolist(),
        }

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Geometry)
            and (self.kind, self.periodic, self.shape) == (other.kind, other.periodic, other.shape)
            and np.allclose(self.vertical_faces, other.vertical_faces, rtol=1e-9, atol=1e-9 * self.thickness)
            and np.allclose(self.lateral_faces, other.lateral_faces, rtol=1e-9, atol=1e-9 * self.width)
        )

    @property
    def domain(self) -> Domain:
        """What it covers, however it is cut into cells.

        Examples
        --------
        >>> print(Geometry.quarter(12, 16).domain)
        cylinder, 566.667 .. 2266.67 km by 90 degrees
        >>> print(Geometry.box(8, 16, 2.0, periodic=True).domain)
        box, 0 .. 1 by 2, periodic
        """
        low, high = self.vertical_faces[[0, -1]].tolist()
        return Domain(self.kind, self.periodic, low, high, self.width)

    def refined(self, vertical_cells: int | None, columns: int | None) -> Geometry:
        """Cut the same domain into equally spaced cells; None keeps its own.

        Examples
        --------
        >>> Geometry.quarter(12, 16).refined(24, None).shape
        (26, 16)
        """
        cut: dict[str, Any] = {}
        for name, cells in (("vertical_faces", vertical_cells), ("lateral_faces", columns)):
            faces = getattr(self, name)
            cut[name] = faces if cells is None else np.linspace(faces[0], faces[-1], cells + 1)
        return replace(self, **cut)

    @property
    def curved(self) -> bool:
        """Whether it is an annulus, whose lateral coordinate is an angle."""
        return self.kind != "box"

    @property
    def dimensions(self) -> tuple[str, str]:
        """Names of the vertical and the lateral dimension of a dataset."""
        return _METRICS[self.kind].dimensions

    @property
    def shape(self) -> tuple[int, int]:
        """(rows including both walls, columns)."""
        return self.vertical_faces.size + 1, self.lateral_faces.size - 1

    @property
    def vertical(self) -> np.ndarray:
        """Radius or height of every row, walls included, shape (rows,)."""
        faces = self.vertical_faces
        return np.concatenate([faces[:1], 0.5 * (faces[1:] + faces[:-1]), faces[-1:]])

    @property
    def vertical_bounds(self) -> np.ndarray:
        """Lower and upper face of every row, shape (rows, 2); equal for the walls."""
        faces = self.vertical_faces
        return np.stack([np.r_[faces[0], faces], np.r_[faces, faces[-1]]], axis=1)

    @property
    def lateral(self) -> np.ndarray:
        """Centre of every column, shape (columns,)."""
        return np.asarray(0.5 * (self.lateral_faces[1:] + self.lateral_faces[:-1]))

    @property
    def lateral_bounds(self) -> np.ndarray:
        """Faces of every column, shape (columns, 2)."""
        return np.stack([self.lateral_faces[:-1], self.lateral_faces[1:]], axis=1)

    @property
    def thickness(self) -> float:
        """Distance between the walls."""
        return float(self.vertical_faces[-1] - self.vertical_faces[0])

    @property
    def width(self) -> float:
        """Distance between the sides, rad in an annulus."""
        return float(self.lateral_faces[-1] - self.lateral_faces[0])

    @property
    def depth(self) -> np.ndarray:
        """Depth of every row below the surface, shape (rows,)."""
        return np.asarray(self.vertical_faces[-1] - self.vertical)

    @property
    def volume(self) -> np.ndarray:
        """Volume of every cell, shape (rows, columns); zero in the wall rows."""
        rows: np.ndarray = self.volume_between(*self.vertical_bounds.T)
        return rows[:, None] * (np.diff(self.lateral_faces) / self.width)

    def volume_between(self, low: Any, high: Any) -> Any:
        """Volume of the domain between two radii or heights."""
        power = _METRICS[self.kind].power + 1
        return (high**power - low**power) / power * self.width

    @property
    def wall_areas(self) -> np.ndarray:
        """Areas of the lower wall and of the surface, per the same unit as the volume, shape (2,)."""
        return np.asarray(self.vertical_faces[[0, -1]] ** _METRICS[self.kind].power * self.width)

    @property
    def conduction(self) -> np.ndarray:
        """Heat flux through both walls by conduction alone, for a unit drop of temperature between them, shape (2,).

        The Nusselt number is a flux over this one.

        Examples
        --------
        >>> Geometry.box(4, 4).conduction.tolist()
        [1.0, 1.0]
        """
        low, high = self.vertical_faces[[0, -1]]
        power = _METRICS[self.kind].power
        resistance = (high - low, np.log(high / low) if low > 0 else np.inf, 1 / low - 1 / high if low > 0 else np.inf)
        return np.asarray(1.0 / (resistance[power] * self.vertical_faces[[0, -1]] ** power))

    @property
    def weight(self) -> np.ndarray:
        """Cell volumes divided by their sum, shape (rows, columns)."""
        volume = self.volume
        return np.asarray(volume / volume.sum())

    def average(self, field: Any) -> Any:
        """Volume average over the last two axes of a field, shape (..., rows, columns)."""
        return (self._checked(field) * self.weight).sum(axis=(-2, -1))

    def lateral_average(self, field: Any) -> Any:
        """Mean over the columns, shape (..., rows, columns) to (..., rows); exact, because all are equally wide."""
        return self._checked(field).mean(axis=-1)

    def lateral_power(self, field: Any) -> np.ndarray:
        """Power by lateral wavenumber, shape (..., columns) to (..., wavenumbers); its sum is the mean square.

        Between sides that are mirrors a field is a series of cosines: wavenumber l has the pattern cos(l pi x / width),
        l half waves. In a periodic domain it is a Fourier series: l waves, cosine and sine together.

        Examples
        --------
        >>> ring = Geometry.annulus(4, 16, 1.0, 2.0)
        >>> ring.lateral_power(np.sin(3 * ring.lateral)).round(12).tolist()
        [0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]
        """
        from scipy.fft import dct, rfft

        columns = self.shape[1]
        if not self.periodic:
            return np.asarray(dct(field, type=2, axis=-1, norm="ortho") ** 2 / columns)
        power = np.abs(rfft(field, axis=-1) / columns) ** 2
        power[..., 1 : (columns + 1) // 2] *= 2  # each with its mirror image; the mean and the shortest wave have none
        return np.asarray(power)

    @property
    def waves(self) -> str:
        """What a lateral wavenumber counts."""
        width = "box" if not self.curved else "circle" if self.width > 6.28 else "sector"
        return f"{'waves' if self.periodic else 'half waves'} per {width}"

    @property
    def wavenumbers(self) -> int:
        """Number of wavenumbers of :meth:`lateral_power`."""
        return self.shape[1] // 2 + 1 if self.periodic else self.shape[1]

    def mirrored(self, field: Any) -> Any:
        """Reflect a field, shape (..., columns), in the vertical: as good a solution as the field itself."""
        return field[..., ::-1]

    def shifted(self, field: Any, columns: int) -> Any:
        """Move a field, shape (..., columns), along a periodic domain: as good a solution as the field itself."""
        if not self.periodic:
            raise ValueError("geometry: its sides are closed; only a periodic field can be shifted")
        return np.roll(field, columns, axis=-1)

    def alike(self, field: Any) -> list[Any]:
        """List a field, shape (..., columns), and what is as good a solution: mirrored, and moved where it can be."""
        both = [field, self.mirrored(field)]
        half = self.shape[1] // 2
        return both + [self.shifted(part, half) for part in both] if self.periodic else both

    def broken_seam(self, field: Any) -> str:
        """Say what is wrong where a periodic field, shape (..., rows, columns), closes on itself; "" if nothing is."""
        field = np.asarray(field)
        if not self.periodic or field.shape[-1] < 4 or not field.size:
            return ""

        def jump(difference: np.ndarray) -> np.ndarray:
            return np.asarray(np.sqrt(np.mean(difference**2, axis=tuple(range(field.ndim - 1)), dtype=float)))

        between = jump(np.diff(field, axis=-1))
        seam, beside, largest = (
            jump(field[..., 0] - field[..., -1]),
            jump(field[..., 1] - field[..., -2]),
            between.max(),
        )
        # Columns that mirror each other about the seam are equal there too, but then so are their neighbours.
        if seam < 1e-4 * largest and beside > 1e-2 * largest:
            return "its last column repeats the first, and a periodic domain has each column once: leave one out"
        if seam > TORN_SEAM * largest:
            return (
                f"it is not periodic: across the seam between last and first column it changes by {seam:.3g} (root "
                f"mean square), between neighbouring columns by {largest:.3g} at most"
            )
        return ""

    def window(self, field: Any, columns: int) -> Any:
        """Move a field, shape (..., columns), by some columns; between mirrors what lies beyond a side comes in.

        A window on mirrored sides keeps all that goes on inside, but a mirror then stands inside the domain: an image
        of the right kind to learn from, not a solution.

        Examples
        --------
        >>> Geometry.box(4, 4).window(np.array([1, 2, 3, 4]), 2).tolist()
        [3, 4, 4, 3]
        """
        if self.periodic:
            return self.shifted(field, -columns)
        count = self.shape[1]
        place = np.arange(columns, columns + count) % (2 * count)
        return field[..., np.minimum(place, 2 * count - 1 - place)]

    def to_plane(self, vertical: Any, lateral: Any) -> tuple[Any, Any]:
        """Cartesian x and y of points given by radius and angle, or by height and x."""
        if self.curved:
            return vertical * np.cos(lateral), vertical * np.sin(lateral)
        return lateral + 0 * vertical, vertical + 0 * lateral

    def outlines(self, points: int = 200) -> list[tuple[np.ndarray, np.ndarray]]:
        """Trace the boundary in the plane, x and y of each closed loop: a full circle has two, any other domain one."""
        along = np.linspace(self.lateral_faces[0], self.lateral_faces[-1], points if self.curved else 2)
        walls = [(np.full(along.size, height), along) for height in self.vertical_faces[[0, -1]]]
        if not (self.curved and np.isclose(self.width, 2 * np.pi, rtol=1e-5)):
            (low, one), (high, other) = walls
            walls = [(np.r_[low, high[::-1], low[:1]], np.r_[one, other[::-1], one[:1]])]
        return [self.to_plane(*wall) for wall in walls]

    @property
    def box_around(self) -> tuple[float, float, float, float]:
        """Smallest and largest x, smallest and largest y of the domain in the plane."""
        x, y = (np.concatenate(part) for part in zip(*self.outlines(), strict=True))
        return float(x.min()), float(x.max()), float(y.min()), float(y.max())

    @property
    def slenderness(self) -> float:
        """Height over width of the domain in the plane: 1 for a quarter and a full circle."""
        left, right, bottom, top = self.box_around
        return (top - bottom) / (right - left)

    def to_sides(self, field: Any) -> Any:
        """Continue a field, shape (..., columns), to both sides, (..., columns + 2): evenly, or across the seam."""
        first, last = field[..., :1], field[..., -1:]
        if self.periodic:
            first = last = 0.5 * (first + last)
        return np.concatenate([first, field, last], axis=-1)

    def from_plane(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Radius and angle, or height and x, of points of the plane; angles within pi of the middle of the sector."""
        if not self.curved:
            return y, x
        middle = 0.5 * (self.lateral_faces[0] + self.lateral_faces[-1])
        return np.hypot(x, y), middle + np.mod(np.arctan2(y, x) - middle + np.pi, 2 * np.pi) - np.pi

    def _checked(self, field: Any) -> np.ndarray:
        # A profile would broadcast against the columns and give a plausible number.
        field = np.asarray(field)
        if field.shape[-2:] != self.shape:
            raise ValueError(
                f"geometry: expected a field of shape (..., {self.shape[0]}, {self.shape[1]}), got {field.shape}"
            )
        return np.asarray(field)
