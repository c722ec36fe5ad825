"""Output of StagYY in a 2D annulus, through stagpy (an optional dependency: ``pip install surrogate[readers]``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, ValidationError

from surrogate.corpus.readers import Notes, ReaderError, run_number
from surrogate.corpus.readers.lazy import given_parameters, lazy_run, stated_parameters
from surrogate.corpus.readers.mapping import Scales
from surrogate.geometry import Geometry, Kind
from surrogate.units import GIGAYEAR, read_quantity, to_magnitude

SMALLEST_PLANET = 1e3
"""m. A planet of a smaller radius is one whose radii are dimensionless."""


class StagyyOptions(BaseModel):
    """Settings of the reader of StagYY's output.

    Attributes
    ----------
    temperature : str
        Name of the field in stagpy.
    surface, core : float or str, optional
        Temperatures of the walls, K (StagYY keeps cell centres only); default: those of an isothermal wall in ``par``
        (``topT_val``, ``botT_val``), else extrapolated linearly.
    parameters : mapping or str, optional
        The parameters, or a CSV table of them: a parameter file of StagYY does not name them.
    scales : Scales, optional
        Of a dimensionless run whose ``par`` does not give them (``d_dimensional``, ``deltaT_dimensional`` ...).
    """

    model_config = ConfigDict(extra="forbid")
    temperature: str = "T"
    surface: float | str | None = None
    core: float | str | None = None
    parameters: dict[str, Any] | str | None = None
    scales: Scales | None = None


@dataclass(frozen=True)
class _Factors:
    """What turns the numbers of a run into m, K and s."""

    length: float = 1.0
    temperature: float = 1.0
    offset: float = 0.0
    time: float = 1.0


class StagyyReader:
    """Reads a folder with StagYY's ``par`` file, legacy or HDF5 output."""

    name = "stagyy"

    def accepts(self, path: Path) -> bool:
        """Take a folder with a file ``par``, or that file."""
        return (path.is_file() and path.name == "par") or (path / "par").is_file()

    def open(self, path: Path, options: Mapping[str, Any]) -> xr.Dataset:
        """Open lazily: a snapshot is read when it is needed.

        Raises
        ------
        ReaderError
            Without stagpy, for another geometry, or for missing or broken output.
        """
        try:
            from stagpy.stagyydata import StagyyData
        except ImportError as error:
            raise ReaderError(f"{path}: reader 'stagyy' needs stagpy: pip install surrogate[readers]") from error
        try:
            settings = StagyyOptions.model_validate(dict(options))
        except ValidationError as error:
            raise ReaderError(f"{path}: options of reader 'stagyy': {error}") from None
        folder = path.parent if path.is_file() else path
        try:
            data = StagyyData(folder)
            # A number may be missing among the snapshots; stagpy then gives a step without a file.
            steps = [step for step in data.snaps if step.isnap is not None and settings.temperature in step.fields]
            shape = _shape(steps[0].geom) if steps else ""
            times = [step.time for step in steps]
        except Exception as error:  # stagpy, f90nml and HDF5 each raise their own kind
            raise ReaderError(f"{folder}: cannot be read as StagYY output: {error}") from error
        if not steps or None in times:
            raise ReaderError(f"{folder}: no snapshot with field {settings.temperature!r} and a time")
        if not shape.endswith("annulus"):
            raise ReaderError(f"{folder}: the geometry is {shape}; a corpus holds sectors of a 2D annulus")
        try:
            factors = _factors(data, settings.scales, folder)
            geometry = _geometry(steps[0].geom, factors.length, folder)
            walls = {
                name: _wall(getattr(settings, name), data.par, side, factors, folder)
                for name, side in (("core", "bot"), ("surface", "top"))
            }
        except ReaderError:
            raise
        except Exception as error:
            raise ReaderError(f"{folder / 'par'}: {error!r}") from error

        def load(number: int) -> np.ndarray:
            where = f"{folder}: field {settings.temperature!r} of snapshot {steps[number].isnap}"
            try:
                stored = np.squeeze(steps[number].fields[settings.temperature].values).T  # (angle, radius) in stagpy
            except Exception as error:
                raise ReaderError(f"{where}: {error}") from error
            cells_of_grid = geometry.shape[0] - 2, geometry.shape[1]
            if stored.shape != cells_of_grid:
                raise ReaderError(f"{where} has shape {stored.shape}, expected {cells_of_grid}")
            cells = read_quantity(stored * factors.temperature + factors.offset, "K", where)
            rows = {"core": 1.5 * cells[0] - 0.5 * cells[1], "surface": 1.5 * cells[-1] - 0.5 * cells[-2]}
            rows |= {name: np.full(cells.shape[1], wall) for name, wall in walls.items() if wall is not None}
            return np.concatenate([rows["core"][None], cells, rows["surface"][None]])

        time = read_quantity(np.array(times) * factors.time, "Gyr", f"{folder}: times", stated="s")
        given, unread = given_parameters(settings.parameters, folder)
        attributes = {"solver": "StagYY", "geometry": shape, "simulation": run_number(folder)}
        return lazy_run(
            load,
            time,
            geometry,
            stated_parameters(given, folder),
            attributes=attributes,
            notes=Notes(unread=unread),
        )


def _shape(geometry: Any) -> str:
    """Geometry in words."""
    if geometry.yinyang or geometry.threed:
        return "three-dimensional"
    if geometry.cartesian:
        return "axisymmetric box" if geometry.axisymmetric else "box"
    return "cylindrical annulus" if geometry.cylindrical else "spherical annulus"


def _factors(data: Any, scales: Scales | None, folder: Path) -> _Factors:
    """Return the scales of a dimensionless run: as given, or of its parameter file."""
    from stagpy.dimensions import Scales as FileScales

    stated = data.par.get("switches", "dimensional_units", None)
    where = f"{folder / 'par'}: dimensional_units"
    if scales is not None:
        if stated:
            raise ReaderError(f"{where} = .true., but the configuration gives scales")
        kelvin, offset = scales.of("K", where)
        return _Factors(scales.of("m", where)[0], kelvin, offset, scales.of("Gyr", where)[0] * GIGAYEAR)
    if stated is None or stated:
        return _Factors()
    own = FileScales(data)
    try:
        return _Factors(own.length, own.temperature, 0.0, own.time)
    except (KeyError, ZeroDivisionError) as error:
        raise ReaderError(f"{where} = .false., but {error} is missing there; option scales gives it") from error


def _geometry(geometry: Any, length: float, folder: Path) -> Geometry:
    angle = geometry.p_walls if geometry.twod_yz else geometry.t_walls
    radius = read_quantity(np.asarray(geometry.r_walls) * length, "m", f"{folder}: radii")
    if radius[-1] < SMALLEST_PLANET:
        raise ReaderError(
            f"{folder}: radii span {radius[0]:.4g} .. {radius[-1]:.4g} m, and par does not say "
            "dimensional_units = .false. (&switches), which makes them dimensionless; option scales does so too"
        )
    try:
        kind: Kind = "cylinder" if geometry.cylindrical else "spherical_annulus"
        return Geometry(radius, np.asarray(angle) - angle[0], kind)
    except ValueError as error:
        raise ReaderError(f"{folder}: {error}") from error


def _wall(given: float | str | None, par: Any, side: str, factors: _Factors, folder: Path) -> float | None:
    """Temperature of a wall, K: as given, or of an isothermal one in ``par``; None where it is extrapolated."""
    if given is not None:
        return to_magnitude(given, "K", f"{folder}: option {'surface' if side == 'top' else 'core'}")
    value = par.get("boundaries", f"{side}t_val", None)
    isothermal = str(par.get("boundaries", f"{side}t_mode", "iso")).lower().startswith("iso")
    if value is None or not isothermal:
        return None
    number = to_magnitude(value, "dimensionless", f"{folder / 'par'}: {side}T_val")
    return number * factors.temperature + factors.offset
