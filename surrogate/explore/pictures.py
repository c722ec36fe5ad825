"""Fields on the page: fields as small integers, the node below every pixel, and the picture that Bokeh draws.

A whole history travels once per question, as 16-bit integers (:func:`pack`); moving through time then needs no server.
The browser interpolates between the nodes around every pixel (:class:`PixelMap`), as
:func:`surrogate.figures.field.draw_field` does between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from matplotlib.colors import Colormap, to_hex

from surrogate.explore.explorer import ExploreError
from surrogate.figures.style import STRETCH, nice_limit
from surrogate.geometry import Geometry
from surrogate.quantities import Units

COLOURS_IN_SCALE = 256

PIXELS = 340
"""Width and height of a picture; a field drawn on a page is about as large."""

MOST_NODES = (128, 192)
"""Rows and columns of a field that travel to the browser; finer grids are thinned to every second, third ... node."""

WEIGHT = 65535
"""Integer that stands for the weight 1."""

LEVELS = 65534
"""Steps between the smallest and the largest value of a packed history; 0 marks what is missing."""


def toolkit(name: str) -> Any:
    """Import a module of Panel or Bokeh.

    Their own type information lacks what their metaclasses add, so that the result is untyped.

    Raises
    ------
    ExploreError
        If it is not installed.

    Examples
    --------
    >>> toolkit("unknown_module")
    Traceback (most recent call last):
        ...
    surrogate.explore.explorer.ExploreError: explore: unknown_module is not installed; pip install 'surrogate[explore]'
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ExploreError(f"explore: {error.name} is not installed; pip install 'surrogate[explore]'") from None


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
    """Where every pixel inside the domain lies between the nodes of a field.

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
        Left, bottom, and the equal width and height of the picture.
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
    def of(cls, geometry: Geometry, pixels: int = PIXELS, blend: bool = True) -> PixelMap:
        """Map the pixels of a picture of a domain.

        Parameters
        ----------
        geometry : Geometry
            At least two columns.
        pixels : int
        blend : bool
            Interpolate between columns; otherwise a pixel shows its column alone.
        """
        rows, columns = (_used(size, most) for size, most in zip(geometry.shape, MOST_NODES, strict=True))
        extent = _extent(geometry)
        left, bottom, size = extent
        centre = (np.arange(pixels) + 0.5) / pixels * size
        x, y = np.meshgrid(left + centre, bottom + centre)
        vertical, lateral = geometry.from_plane(x, y)
        inside = (vertical >= geometry.vertical_faces[0]) & (vertical <= geometry.vertical_faces[-1])
        inside &= (lateral >= geometry.lateral_faces[0]) & (lateral <= geometry.lateral_faces[-1])
        row, up = _between(geometry.vertical[rows], vertical[inside])
        places = geometry.lateral[columns]
        if geometry.periodic:  # the neighbours beyond the seam
            columns = np.r_[columns[-1], columns, columns[0]]
            places = np.r_[places[-1] - geometry.width, places, places[0] + geometry.width]
        column, right = _between(places, lateral[inside])
        if not blend:
            right = np.rint(right)
        return cls(
            rows,
            columns,
            np.flatnonzero(inside).astype(np.uint32),
            (row * len(columns) + column).astype(np.uint32),
            np.rint(up * WEIGHT).astype(np.uint16),
            np.rint(right * WEIGHT).astype(np.uint16),
            extent,
            pixels,
        )

    def thin(self, fields: np.ndarray) -> np.ndarray:
        """Select the used nodes of fields, shape (..., rows, columns)."""
        return fields[..., self.rows[:, None], self.columns[None, :]]

    def draw(self, field: np.ndarray) -> np.ndarray:
        """Draw one thinned field; what the browser does, here for tests.

        Parameters
        ----------
        field : array, shape (rows, columns)

        Returns
        -------
        array, shape (pixels, pixels)
            NaN outside the domain.
        """
        flat, width = np.asarray(field, dtype=float).ravel(), len(self.columns)
        up, right = self.up / WEIGHT, self.right / WEIGHT
        lower = (1 - right) * flat[self.node] + right * flat[self.node + 1]
        upper = (1 - right) * flat[self.node + width] + right * flat[self.node + width + 1]
        image = np.full(self.pixels**2, np.nan)
        image[self.pixel] = (1 - up) * lower + up * upper
        return image.reshape(self.pixels, self.pixels)


def _extent(geometry: Geometry) -> tuple[float, float, float]:
    left, right, bottom, top = geometry.box_around
    size = max(right - left, top - bottom) * 1.02
    return 0.5 * (left + right - size), 0.5 * (bottom + top - size), size


def _used(size: int, most: int) -> np.ndarray:
    step = -(-size // most)
    # Both ends stay: the walls are known exactly.
    return np.unique(np.r_[np.arange(0, size, step), size - 1])


def _between(nodes: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the node before each value, and the weight of the next one; constant beyond the ends."""
    position = np.interp(values, nodes, np.arange(len(nodes)))
    index = np.minimum(position.astype(int), len(nodes) - 2)
    return index, position - index


@dataclass
class Picture:
    """One field on the page.

    Attributes
    ----------
    name : str
        Column of its fields in an answer.
    figure : bokeh.plotting.figure
    map : PixelMap
    pixels, image : bokeh.models.ColumnDataSource
        The pixel map, and the drawn pixels, which the browser fills.
    """

    name: str
    figure: Any
    map: PixelMap
    pixels: Any
    image: Any

    @classmethod
    def of(cls, name: str, geometry: Geometry, mapper: Any, units: Units, blend: bool = True) -> Picture:
        """Prepare an empty picture with a colour mapper; other arguments as for :meth:`PixelMap.of`."""
        models = toolkit("bokeh.models")
        chart = PixelMap.of(geometry, blend=blend)
        left, bottom, size = chart.extent
        plot = toolkit("bokeh.plotting").figure(
            width=300,
            height=300,
            sizing_mode="scale_width",
            toolbar_location=None,
            tools="",
            name=f"picture_{name}",
            x_range=models.Range1d(left, left + size),
            y_range=models.Range1d(bottom, bottom + size),
            min_border=0,
            outline_line_color=None,
            background_fill_alpha=0,
            border_fill_alpha=0,
        )
        plot.axis.visible = False
        plot.grid.visible = False
        empty = np.full((chart.pixels, chart.pixels), np.nan, dtype=np.float32)
        image = models.ColumnDataSource({"image": [empty]}, name=f"image_{name}")
        drawn = plot.image(
            "image", source=image, x=left, y=bottom, dw=size, dh=size, color_mapper=mapper, level="image"
        )
        for x, y in geometry.outlines(120):
            plot.line(x, y, line_color="#444b5d", line_width=1)
        text = "value.toFixed(0) + ' K'" if units.dimensional else "value.toFixed(3)"
        said = models.CustomJSHover(code=f"return isNaN(value) ? 'outside' : {text}")
        plot.add_tools(
            models.HoverTool(
                renderers=[drawn], tooltips="<b>@image{custom}</b>", formatters={"@image": said}, attachment="above"
            )
        )
        pixels = models.ColumnDataSource(
            {key: [getattr(chart, key)] for key in ("pixel", "node", "up", "right")}, name=f"map_{name}"
        )
        return cls(name, plot, chart, pixels, image)

    def columns(self, fields: np.ndarray | None) -> dict[str, list[Any]]:
        """Pack a history, shape (time, radius, angle), as the browser wants it; None empties the picture."""
        packed = pack(np.zeros((0, 0, 0)) if fields is None else self.map.thin(fields))
        return {self.name: [packed.integers], f"{self.name}_low": [packed.low], f"{self.name}_step": [packed.step]}

    def as_arguments(self) -> dict[str, Any]:
        """Return what the script in the browser needs of this picture."""
        return {"name": self.name, "map": self.pixels, "image": self.image}


def palette(colour_map: Colormap, stretched: bool) -> list[str]:
    """Colours equally spaced in value; `stretched` gives more of them to large values, as the figures do."""
    shares = np.linspace(0, 1, COLOURS_IN_SCALE) ** (STRETCH if stretched else 1.0)
    return [to_hex(colour) for colour in colour_map(shares)]


def colour_mapper(colour_map: Colormap, stretched: bool) -> Any:
    """Colour scale of pictures, to be given its ends; transparent where there is no value."""
    models = toolkit("bokeh.models")

    colours = palette(colour_map, stretched)
    return models.LinearColorMapper(palette=colours, low=0.0, high=1.0, nan_color="rgba(0,0,0,0)")


def colour_bar(colour_map: Colormap, low: float, high: float, unit: str, stretched: bool, ticks: int = 5) -> str:
    """HTML of a horizontal colour bar with its numbers."""
    colours = palette(colour_map, stretched)[:: COLOURS_IN_SCALE // 32]
    step = nice_limit((high - low) / ticks)
    marks = np.arange(np.ceil(low / step) * step, high + 1e-9 * step, step)
    labels = "".join(f'<span style="left:{100 * (mark - low) / (high - low):.2f}%">{mark:g}</span>' for mark in marks)
    return (
        f'<div class="bar"><div class="scale" style="background:linear-gradient(to right,{",".join(colours)})"></div>'
        f'<div class="marks">{labels}</div><div class="unit">{unit}</div></div>'
    )
