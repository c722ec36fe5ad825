"""Fields as the browser draws them: small integers, and the node below every pixel of the sector.

A whole history travels once per question, as 16-bit integers (:func:`pack`); moving through time then needs no server.
The browser interpolates between the nodes around every pixel (:class:`PixelMap`), as
:func:`surrogate.figures.annulus.draw_field` does between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from surrogate.annulus import Annulus

PIXELS = 340
"""Width and height of a picture; a sector drawn on a page is about as large."""

MOST_NODES = (128, 192)
"""Rows and columns of a field that travel to the browser; finer grids are thinned to every second, third ... node."""

WEIGHT = 65535
"""Integer that stands for the weight 1."""

LEVELS = 65534
"""Steps between the smallest and the largest value of a packed history; 0 marks what is missing."""


@dataclass(frozen=True)
class Packed:
    """Values as integers: ``value = low + (integer - 1) * step``, and 0 where there is none.

    Attributes
    ----------
    integers : array of uint16
    low, step : float
    """

    integers: np.ndarray
    low: float
    step: float

    def unpack(self) -> np.ndarray:
        """Return the values, NaN where there is none."""
        values = self.low + (self.integers.astype(float) - 1) * self.step
        return np.where(self.integers == 0, np.nan, values)


def pack(values: np.ndarray) -> Packed:
    """Pack values of any shape; off by at most half a step, which is 1/65,534 of their range.

    Examples
    --------
    >>> pack(np.array([250.0, np.nan, 2250.0])).unpack().round(1).tolist()
    [250.0, nan, 2250.0]
    """
    values = np.asarray(values, dtype=float)
    finite = np.isfinite(values)
    if not finite.any():
        return Packed(np.zeros(values.shape, np.uint16), 0.0, 1.0)
    low, high = float(values[finite].min()), float(values[finite].max())
    step = (high - low) / LEVELS or 1.0
    filled = np.where(finite, values, low)
    integers = np.where(finite, np.rint((filled - low) / step) + 1, 0)
    return Packed(integers.astype(np.uint16), low, step)


@dataclass(frozen=True)
class PixelMap:
    """Where every pixel inside the sector lies between the nodes of a field.

    A picture has `pixels` x `pixels` pixels, the first row at the bottom. Of ``n`` pixels inside:

    Attributes
    ----------
    rows, columns : array of int
        Nodes of the field that are used (all, or every few on a fine grid).
    pixel : array of uint32, shape (n,)
        Position in the flattened picture.
    node : array of uint32, shape (n,)
        Position, in a flattened field of the used nodes, of the node below and before the pixel.
    up, right : array of uint16, shape (n,)
        Weight of the next row and of the next column, as a share of :data:`WEIGHT`.
    extent : tuple of float
        Left, bottom, and the equal width and height of the picture, m.
    pixels : int
    """

    rows: np.ndarray
    columns: np.ndarray
    pixel: np.ndarray
    node: np.ndarray
    up: np.ndarray
    right: np.ndarray
    extent: tuple[float, float, float]
    pixels: int

    @classmethod
    def of(cls, annulus: Annulus, pixels: int = PIXELS, blend: bool = True) -> PixelMap:
        """Map the pixels of a picture of a sector.

        Parameters
        ----------
        annulus : Annulus
            At least two columns.
        pixels : int
        blend : bool
            Interpolate between columns; otherwise a pixel shows its column alone.
        """
        rows, columns = (_used(size, most) for size, most in zip(annulus.shape, MOST_NODES, strict=True))
        extent = _extent(annulus)
        left, bottom, size = extent
        centre = (np.arange(pixels) + 0.5) / pixels * size
        x, y = left + centre[None, :], bottom + centre[:, None]
        radius, angle = np.hypot(x, y), np.arctan2(y, x)
        first, last = annulus.angle_faces[0], annulus.angle_faces[-1]
        # Angles may run beyond pi: count them from the middle of the sector.
        middle = 0.5 * (first + last)
        angle = middle + np.mod(angle - middle + np.pi, 2 * np.pi) - np.pi
        inside = (radius >= annulus.radius_faces[0]) & (radius <= annulus.radius_faces[-1])
        inside &= (angle >= first) & (angle <= last)
        row, up = _between(annulus.radius[rows], radius[inside])
        column, right = _between(annulus.angle[columns], angle[inside])
        if not blend:
            right = np.rint(right)
        return cls(
            rows, columns,
            np.flatnonzero(inside).astype(np.uint32),
            (row * len(columns) + column).astype(np.uint32),
            np.rint(up * WEIGHT).astype(np.uint16),
            np.rint(right * WEIGHT).astype(np.uint16),
            extent, pixels,
        )  # fmt: skip

    def thin(self, fields: np.ndarray) -> np.ndarray:
        """Select the used nodes of fields, shape (..., radius, angle)."""
        return fields[..., self.rows[:, None], self.columns[None, :]]

    def draw(self, field: np.ndarray) -> np.ndarray:
        """Draw one thinned field; what the browser does, here for tests.

        Parameters
        ----------
        field : array, shape (rows, columns)

        Returns
        -------
        array, shape (pixels, pixels)
            NaN outside the sector.
        """
        flat, width = np.asarray(field, dtype=float).ravel(), len(self.columns)
        up, right = self.up / WEIGHT, self.right / WEIGHT
        lower = (1 - right) * flat[self.node] + right * flat[self.node + 1]
        upper = (1 - right) * flat[self.node + width] + right * flat[self.node + width + 1]
        image = np.full(self.pixels**2, np.nan)
        image[self.pixel] = (1 - up) * lower + up * upper
        return image.reshape(self.pixels, self.pixels)


def halves(annulus: Annulus) -> Annulus:
    """Return the sector with the rows of `annulus` and two columns, one for each half."""
    first, last = annulus.angle_faces[0], annulus.angle_faces[-1]
    return Annulus(annulus.radius_faces, np.array([first, 0.5 * (first + last), last]))


def outline(annulus: Annulus) -> tuple[np.ndarray, np.ndarray]:
    """Return the closed boundary of the sector: x and y, m."""
    angles = np.linspace(annulus.angle_faces[0], annulus.angle_faces[-1], 120)
    inner, outer = annulus.radius_faces[0], annulus.radius_faces[-1]
    radius = np.r_[np.full(120, inner), np.full(120, outer), inner]
    angle = np.r_[angles, angles[::-1], angles[0]]
    return radius * np.cos(angle), radius * np.sin(angle)


def _extent(annulus: Annulus) -> tuple[float, float, float]:
    x, y = outline(annulus)
    size = max(np.ptp(x), np.ptp(y)) * 1.02
    return float(0.5 * (x.min() + x.max() - size)), float(0.5 * (y.min() + y.max() - size)), float(size)


def _used(size: int, most: int) -> np.ndarray:
    step = -(-size // most)
    # Both ends stay: the walls are known exactly.
    return np.unique(np.r_[np.arange(0, size, step), size - 1])


def _between(nodes: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the node before each value, and the weight of the next one; constant beyond the ends."""
    position = np.interp(values, nodes, np.arange(len(nodes)))
    index = np.minimum(position.astype(int), len(nodes) - 2)
    return index, position - index
