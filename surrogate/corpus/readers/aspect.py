"""Output of ASPECT (VTU files, a PVD collection, ``statistics``, a parameter file) in a 2D annulus."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from surrogate.annulus import Annulus
from surrogate.corpus.readers import ReaderError
from surrogate.corpus.readers.lazy import complete_parameters, given_parameters, lazy_run
from surrogate.corpus.readers.prm import derived_parameters, number_of, read_parameter_file
from surrogate.corpus.readers.vtu import read_collection, read_points
from surrogate.corpus.scatter import ScatterGrid
from surrogate.units import GIGAYEAR, YEAR

COLLECTION = "solution.pvd"


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
        Of the collection; default as the parameter file says.
    """

    model_config = ConfigDict(extra="forbid")
    temperature: str = "T"
    radial_cells: int | None = Field(None, ge=2)
    angular_cells: int | None = Field(None, ge=2)
    parameter_file: str = "parameters.prm"
    parameters: dict[str, Any] | str | None = None
    time_unit: str | None = Field(None, pattern="^(year|s)$")


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
        snapshots = read_collection(folder / COLLECTION)
        for _, files in snapshots:
            for file in files:
                if not file.is_file():
                    raise ReaderError(f"{file}: no such file, though {folder / COLLECTION} names it")
        prm = read_parameter_file(folder / settings.parameter_file)
        unit = settings.time_unit
        if unit is None:
            unit = "year" if prm.get("Use years in output instead of seconds", "true") == "true" else "s"
        time = np.array([entry[0] for entry in snapshots]) * (YEAR if unit == "year" else 1.0) / GIGAYEAR
        points, first = read_points(snapshots[0][1], settings.temperature)
        annulus = _annulus(points, prm, settings, folder)
        grid = ScatterGrid(annulus)
        try:
            initial = grid(points, first)
        except ValueError as error:
            raise ReaderError(f"{snapshots[0][1][0]}: {error}") from error

        def load(number: int) -> np.ndarray:
            points, values = read_points(snapshots[number][1], settings.temperature)
            try:
                return grid(points, values)
            except ValueError as error:
                raise ReaderError(f"{snapshots[number][1][0]}: {error}") from error

        values = derived_parameters(prm)
        values.setdefault("initial_temperature", _plateau(initial, annulus))
        parameters = complete_parameters({**values, **given_parameters(settings.parameters, folder)}, folder)
        statistics = folder / "statistics"
        series = read_statistics(statistics, time, annulus) if statistics.is_file() else {}
        attributes = {"solver": "ASPECT", "source": "ASPECT", "title": "2D mantle convection with ASPECT"}
        return lazy_run(load, time, annulus, parameters, series, attributes)


def _annulus(points: np.ndarray, prm: Mapping[str, str], settings: AspectOptions, folder: Path) -> Annulus:
    radius = np.hypot(points[:, 0], points[:, 1])
    angle = np.arctan2(points[:, 1], points[:, 0])
    shell = "Geometry model/Spherical shell/"
    inner = number_of(prm, shell + "Inner radius", radius.min())
    outer = number_of(prm, shell + "Outer radius", radius.max())
    width = np.radians(number_of(prm, shell + "Opening angle", np.degrees(angle.max() - angle.min())))
    if not (abs(radius.min() - inner) < 1e-4 * inner and abs(radius.max() - outer) < 1e-4 * outer and width < np.pi):
        raise ReaderError(
            f"{folder}: the mesh spans radii {radius.min():.6g} .. {radius.max():.6g} m and {np.degrees(width):.4g} "
            f"degrees; expected a sector of an annulus narrower than 180 degrees, {inner:.6g} .. {outer:.6g} m"
        )
    radial = settings.radial_cells or len(np.unique(np.rint((radius - inner) / (outer - inner) * 2**14))) - 1
    angular = settings.angular_cells or len(np.unique(np.rint(angle / width * 2**14))) - 1
    return Annulus(np.linspace(inner, outer, radial + 1), np.linspace(0.0, width, angular + 1))


def _plateau(initial: np.ndarray, annulus: Annulus) -> float:
    """Temperature between the boundary layers: the median over the middle half of the mantle."""
    depth = annulus.depth / annulus.thickness
    return float(np.median(initial[(depth > 0.25) & (depth < 0.75)]))


def read_statistics(path: Path, time: np.ndarray, annulus: Annulus) -> dict[str, np.ndarray]:
    """Read time series from ASPECT's file ``statistics``, interpolated to the times of the snapshots.

    Parameters
    ----------
    path : Path
    time : array, shape (time,), Gyr
    annulus : Annulus
        Its walls turn W per metre into W/m2.

    Returns
    -------
    dict
        Those series of :data:`surrogate.fields.SERIES` that the file has.
    """
    names: list[str] = []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        header = re.match(r"#\s*\d+:\s*(.*)", line)
        if header:
            names.append(header.group(1))
        elif line.strip():
            rows.append([np.nan if cell == '""' else _float(cell) for cell in line.split()])
    if not rows or any(len(row) != len(names) for row in rows):
        raise ReaderError(f"{path}: truncated, or not ASPECT's statistics: {len(names)} columns announced")
    table = np.array(rows)

    def column(pattern: str) -> np.ndarray | None:
        for number, name in enumerate(names):
            if re.match(pattern, name):
                return table[:, number]
        return None

    years, seconds = column(r"Time \(years\)"), column(r"Time \(seconds\)")
    clock = years * YEAR if years is not None else seconds
    if clock is None:
        raise ReaderError(f"{path}: no column 'Time (years)' or 'Time (seconds)'")
    width = annulus.angle_faces[-1] - annulus.angle_faces[0]
    inner, outer = annulus.radius_faces[[0, -1]] * width
    speed = YEAR if column(r"RMS velocity \(m/year\)") is not None else 1.0
    columns = {
        "mean_temperature": (r"Average temperature \(K\)", 1.0),
        "core_temperature": (r"CMB Temperature \(K\)", 1.0),
        "root_mean_square_velocity": (r"RMS velocity", 1.0 / speed),
        "surface_heat_flux": (r"Outward heat flux .*\"top\"", 1.0 / outer),
        # Outward of the mantle is down there; ours is positive upward.
        "core_mantle_boundary_heat_flux": (r"Outward heat flux .*\"bottom\"", -1.0 / inner),
    }
    series = {}
    for name, (pattern, factor) in columns.items():
        values = column(pattern)
        if values is not None and np.isfinite(values).sum() > 1:
            good = np.isfinite(values)
            series[name] = np.interp(time * GIGAYEAR, clock[good], values[good] * factor)
    return series


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan  # file names stand among the numbers
