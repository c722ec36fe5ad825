"""Output of ASPECT (VTU files, a PVD collection, ``statistics``, a parameter file) in a 2D annulus."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from surrogate.corpus.readers import Notes, ReaderError, run_number
from surrogate.corpus.readers.lazy import given_parameters, lazy_run, stated_parameters
from surrogate.corpus.readers.prm import YEARS, ParameterFile, derived_parameters, read_parameter_file
from surrogate.corpus.readers.statistics import Statistics, read_statistics
from surrogate.corpus.readers.vtu import point_arrays, read_collection, read_points
from surrogate.corpus.regrid import PointRegridder
from surrogate.geometry import Geometry
from surrogate.parameters import EVOLUTION_PARAMETERS, Stated
from surrogate.units import UnitError, read_quantity

COLLECTION = "solution.pvd"

SECTIONS = {
    "spherical shell": ("Spherical shell", "Inner radius", "Outer radius"),
    "chunk": ("Chunk", "Chunk inner radius", "Chunk outer radius"),
}
"""Geometry models of a sector, and where their radii stand."""

FINEST = 2**14
"""Points nearer to each other than this part of a side count as one when the cells of a mesh are counted."""


class AspectOptions(BaseModel):
    """Settings of the reader of ASPECT's output.

    Attributes
    ----------
    temperature : str
        Name of the point array, K.
    radial_cells, angular_cells : int, optional
        Grid of the run; default: as many as the first mesh has distinct radii and angles, less one.
    parameter_file : str
        Name in the folder of the run.
    parameters : mapping or str, optional
        Parameters of the run, or a CSV table of them; what is not given is taken from the parameter file.
    time_unit : "year" or "s", optional
        Of the collection; default as the parameter file says, else as ``statistics`` does.
    """

    model_config = ConfigDict(extra="forbid")
    temperature: str = "T"
    radial_cells: int | None = Field(None, ge=2)
    angular_cells: int | None = Field(None, ge=2)
    parameter_file: str = "parameters.prm"
    parameters: dict[str, Any] | str | None = None
    time_unit: Literal["year", "s"] | None = None


class AspectReader:
    """Reads the output folder of an ASPECT run, or its ``solution.pvd``."""

    name = "aspect"

    def accepts(self, path: Path) -> bool:
        """Take a folder with ``solution.pvd``, or that file."""
        return (path.name == COLLECTION and path.is_file()) or (path / COLLECTION).is_file()

    def open(self, path: Path, options: Mapping[str, Any]) -> xr.Dataset:
        """Open lazily: a snapshot is read and put onto the grid when it is needed.

        Raises
        ------
        ReaderError
            Naming the file and what is missing or broken.
        """
        try:
            settings = AspectOptions.model_validate(dict(options))
        except ValidationError as error:
            raise ReaderError(f"{path}: options of reader 'aspect': {error}") from None
        folder = path.parent if path.name == COLLECTION else path
        snapshots, warnings = read_collection(folder / COLLECTION)
        prm = read_parameter_file(folder / settings.parameter_file)
        statistics = read_statistics(folder / "statistics") if (folder / "statistics").is_file() else None
        time = _times(snapshots, folder, prm, statistics, settings.time_unit)
        if statistics is not None:
            warnings += statistics.warnings
            warnings += statistics.compare(time)

        def read(number: int) -> tuple[np.ndarray, np.ndarray]:
            files = snapshots[number][1]
            points, values = read_points(files, settings.temperature)
            where = f"{files[0]}: point array {settings.temperature!r}"
            return points, read_quantity(values, "K", where)

        points, first = read(0)
        start, geometry = _geometry(points, prm, settings, folder)
        grid = PointRegridder(geometry)

        def put(number: int, points: np.ndarray, values: np.ndarray) -> np.ndarray:
            try:
                return grid(_turned(points, start), values)
            except (ValueError, RuntimeError) as error:  # Qhull's errors are of the second kind
                raise ReaderError(f"{snapshots[number][1][0]}: {error}") from error

        values: dict[str, Any] = derived_parameters(prm)
        values.setdefault("initial_temperature", _plateau(put(0, points, first), geometry))
        stated = {name: Stated(value, EVOLUTION_PARAMETERS[name].unit) for name, value in values.items()}
        given, unread = given_parameters(settings.parameters, folder)
        parameters = stated_parameters({**stated, **given}, folder)
        series = {} if statistics is None else statistics.series(time, geometry)
        others = [name for name in point_arrays(snapshots[0][1]) if name != settings.temperature]
        notes = Notes(tuple(f"point array {name!r}" for name in others), tuple(warnings), unread)
        attributes = {"solver": "ASPECT", "title": "2D mantle convection with ASPECT", "simulation": run_number(folder)}
        return lazy_run(
            lambda number: put(number, *read(number)), time, geometry, parameters, series, attributes, notes=notes
        )


def _times(
    snapshots: list[tuple[str, list[Path]]],
    folder: Path,
    prm: ParameterFile,
    statistics: Statistics | None,
    unit: str | None,
) -> np.ndarray:
    """Return times of the snapshots, Gyr, shape (time,); parameter file and statistics must agree on their unit."""
    years = prm.switch(*YEARS)
    counted = None if statistics is None else statistics.time_unit
    stated = None if years is None else ("year" if years else "s")
    if unit is None and stated and counted and stated != counted:
        raise ReaderError(
            f"{folder}: {prm.path.name} says that time is in {stated}, statistics count in {counted}; option time_unit "
            "decides"
        )
    try:
        texts = [time for time, _ in snapshots]
        return read_quantity(texts, "Gyr", f"{folder / COLLECTION}: timestep", unit or stated or counted or "year")
    except UnitError as error:
        raise ReaderError(str(error)) from error


def _turned(points: np.ndarray, start: float) -> np.ndarray:
    """Turn Cartesian points so that the sector starts at angle 0."""
    x, y = np.asarray(points, dtype=float)[:, :2].T
    return np.stack([x * np.cos(start) + y * np.sin(start), y * np.cos(start) - x * np.sin(start)], axis=1)


def _geometry(points: np.ndarray, prm: ParameterFile, settings: AspectOptions, folder: Path) -> tuple[float, Geometry]:
    """Return the angle at which the sector of a mesh starts, and its grid, whose angles count from there."""
    model = prm.values.get("Geometry model/Model name", "spherical shell").lower()
    if model not in SECTIONS:
        raise ReaderError(
            f"{folder}: geometry model {model!r}, expected one of {sorted(SECTIONS)}: a sector of an annulus"
        )
    if prm.values.get("Dimension", "2") != "2":
        raise ReaderError(f"{folder}: {prm.values['Dimension']} dimensions, expected 2")
    if not np.all(np.isfinite(points)):
        raise ReaderError(f"{folder}: the mesh of the first snapshot has points that are not finite")
    radius = np.hypot(points[:, 0], points[:, 1])
    angles = np.unique(np.arctan2(points[:, 1], points[:, 0]))
    # The widest gap on the circle lies outside the sector.
    gaps = np.diff(np.r_[angles, angles[0] + 2 * np.pi])
    start = angles[(int(gaps.argmax()) + 1) % angles.size].item()
    width = 2 * np.pi - float(gaps.max())
    section, *names = SECTIONS[model]
    inner, outer = (
        prm.number(f"Geometry model/{section}/{name}", "m") or edge
        for name, edge in zip(names, (float(radius.min()), float(radius.max())), strict=True)
    )
    opening = _opening(prm, section)
    whole = abs(radius.min() - inner) < 1e-4 * inner and abs(radius.max() - outer) < 1e-4 * outer
    if not (whole and 0 < inner < outer and 0 < width < np.pi and abs(width - (opening or width)) < 1e-3 * width):
        raise ReaderError(
            f"{folder}: the mesh spans radii {radius.min():.6g} .. {radius.max():.6g} m and {np.degrees(width):.4g} "
            f"degrees; expected a sector of an annulus narrower than 180 degrees, {inner:.6g} .. {outer:.6g} m"
            + (f", {np.degrees(opening):.4g} degrees" if opening else "")
        )
    turned = _turned(points, start)
    angle = np.arctan2(turned[:, 1], turned[:, 0]) / width
    radial = settings.radial_cells or len(np.unique(np.rint((radius - inner) / (outer - inner) * FINEST))) - 1
    angular = settings.angular_cells or len(np.unique(np.rint(angle * FINEST))) - 1
    if radial < 1 or angular < 1:
        raise ReaderError(f"{folder}: the mesh has {radial} x {angular} cells")
    return start, Geometry(np.linspace(inner, outer, radial + 1), np.linspace(0.0, opening or width, angular + 1))


def _opening(prm: ParameterFile, section: str) -> float | None:
    """Width of the sector as the parameter file states it, rad."""
    place = f"Geometry model/{section}/"
    if section == "Chunk":
        low, high = (prm.number(f"{place}Chunk {end} longitude", "dimensionless") for end in ("minimum", "maximum"))
        return None if low is None or high is None else float(np.radians(high - low))
    opening = prm.number(place + "Opening angle", "dimensionless")
    return None if opening is None else float(np.radians(opening))


def _plateau(initial: np.ndarray, geometry: Geometry) -> float:
    """Temperature between the boundary layers: the median over the middle half of the mantle."""
    depth = geometry.depth / geometry.thickness
    inside = initial[(depth > 0.25) & (depth < 0.75)]
    return float(np.median(inside if inside.size else initial[1:-1]))
