"""Output of StagYY in a 2D annulus or box, through stagpy (optional: ``pip install surrogate[readers]``)."""

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
from surrogate.parameters import Stated
from surrogate.quantities import DIMENSIONAL, DIMENSIONLESS, Units
from surrogate.units import GIGAYEAR, read_quantity, to_magnitude

SMALLEST_PLANET = 1e3
"""m. A planet of a smaller radius is one whose radii are dimensionless."""

PHYSICAL = ("refstate", "boundaries", "viscosity", "t_init")
"""Sections of ``par`` whose numbers may be parameters of a corpus."""

FILE_SCALES = ("d_dimensional", "deltat_dimensional", "dens_dimensional", "cp_dimensional", "tcond_dimensional")
"""What ``par`` calls the scales of a dimensionless run."""


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
        Parameters that count beside the numbers of :data:`PHYSICAL` in ``par``, or a CSV table of them.
    scales : Scales, optional
        Of a run that is to become dimensional.
    dimensionless : bool, optional
        Whether a run with ``dimensional_units = .false.`` stays so; default: unless ``par`` or `scales` say what its
        numbers are counted in (``d_dimensional``, ``deltaT_dimensional`` ...).
    periodic : bool, optional
        Of a box or a sector, if ``par`` does not tell (``y_bc``).
    """

    model_config = ConfigDict(extra="forbid")
    temperature: str = "T"
    surface: float | str | None = None
    core: float | str | None = None
    parameters: dict[str, Any] | str | None = None
    scales: Scales | None = None
    dimensionless: bool | None = None
    periodic: bool | None = None


@dataclass(frozen=True)
class _Factors:
    """What turns the numbers of a run into m, K and s, or into those of a layer of thickness one."""

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
        if shape not in ("cylindrical annulus", "spherical annulus", "box"):
            raise ReaderError(f"{folder}: the geometry is {shape}; a corpus holds 2D annuli and boxes")
        try:
            factors, units = _factors(data, settings, steps[0].geom, folder)
            periodic = _periodic(steps[0].geom, data.par, settings, folder)
            geometry = _geometry(steps[0].geom, factors.length, units, periodic, folder)
            walls = {
                name: _wall(getattr(settings, name), data.par, side, factors, units, folder)
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
            unit = units.unit("temperature")
            cells = read_quantity(stored * factors.temperature + factors.offset, unit, where)
            rows = {"core": 1.5 * cells[0] - 0.5 * cells[1], "surface": 1.5 * cells[-1] - 0.5 * cells[-2]}
            rows |= {name: np.full(cells.shape[1], wall) for name, wall in walls.items() if wall is not None}
            return np.concatenate([rows["core"][None], cells, rows["surface"][None]])

        time = np.array(times, dtype=float) * factors.time
        if units.dimensional:
            time = read_quantity(time, "Gyr", f"{folder}: times", stated="s")
        given, unread = given_parameters(settings.parameters, folder)
        attributes = {"solver": "StagYY", "geometry": shape, "simulation": run_number(folder)}
        return lazy_run(
            load,
            time,
            geometry,
            stated_parameters({**_numbers(data.par, folder), **given}, folder),
            attributes=attributes,
            notes=Notes(unread=unread),
            units=units,
        )


def _numbers(par: Any, folder: Path) -> dict[str, Stated]:
    """Return the numbers of the physical sections of ``par``."""
    return {
        name: Stated.read(name, value, f"{folder / 'par'}: {name}")
        for section in PHYSICAL
        for name, value in par.nml.get(section, {}).items()
        if isinstance(value, int | float) and not isinstance(value, bool) and name.isidentifier()
    }


def _shape(geometry: Any) -> str:
    """Geometry in words."""
    if geometry.yinyang or geometry.threed:
        return "three-dimensional"
    if geometry.cartesian:
        return "axisymmetric box" if geometry.axisymmetric else "box"
    return "cylindrical annulus" if geometry.cylindrical else "spherical annulus"


def _factors(data: Any, settings: StagyyOptions, geometry: Any, folder: Path) -> tuple[_Factors, Units]:
    """Return the scales of a run, as given or of its parameter file, or those of a layer of thickness one."""
    from stagpy.dimensions import Scales as FileScales

    stated, scales = data.par.get("switches", "dimensional_units", None), settings.scales
    where = f"{folder / 'par'}: dimensional_units"
    if stated and (scales is not None or settings.dimensionless):
        what = "gives scales" if scales is not None else "says dimensionless"
        raise ReaderError(f"{where} = .true., but the configuration {what}")
    if scales is not None and settings.dimensionless:
        raise ReaderError(f"{folder}: scales make a run dimensional; not together with dimensionless")
    if scales is not None:
        kelvin, offset = scales.of("K", where)
        factors = _Factors(scales.of("m", where)[0], kelvin, offset, scales.of("Gyr", where)[0] * GIGAYEAR)
        return factors, DIMENSIONAL
    said = any(name in section for section in data.par.nml.values() for name in FILE_SCALES)
    if settings.dimensionless or (stated is False and settings.dimensionless is None and not said):
        thickness = np.ptp(geometry.r_walls).item()
        return _Factors(1 / thickness, time=1 / thickness**2), DIMENSIONLESS
    if stated is None or stated:
        return _Factors(), DIMENSIONAL
    own = FileScales(data)
    try:
        return _Factors(own.length, own.temperature, 0.0, own.time), DIMENSIONAL
    except (KeyError, ZeroDivisionError) as error:
        raise ReaderError(
            f"{where} = .false., but {error} is missing there; option scales gives it (or dimensionless: true)"
        ) from error


def _geometry(geometry: Any, length: float, units: Units, periodic: bool, folder: Path) -> Geometry:
    sides = np.asarray(geometry.p_walls if geometry.twod_yz else geometry.t_walls, dtype=float)
    faces = np.asarray(geometry.r_walls, dtype=float) * length
    if units.dimensional:
        faces = read_quantity(faces, "m", f"{folder}: radii")
        if faces[-1] < SMALLEST_PLANET:
            raise ReaderError(
                f"{folder}: radii span {faces[0]:.4g} .. {faces[-1]:.4g} m, and par does not say "
                "dimensional_units = .false. (&switches), which makes them dimensionless; option scales does so too"
            )
    try:
        if geometry.cartesian:
            return Geometry(faces - faces[0], (sides - sides[0]) * length, "box", periodic)
        kind: Kind = "cylinder" if geometry.cylindrical else "spherical_annulus"
        return Geometry(faces, sides - sides[0], kind, periodic)
    except ValueError as error:
        raise ReaderError(f"{folder}: {error}") from error


def _periodic(geometry: Any, par: Any, settings: StagyyOptions, folder: Path) -> bool:
    """Whether the sides are neighbours: ``y_bc`` (or ``x_bc``) names each, "w" for a field that goes on."""
    name = "y_bc" if geometry.twod_yz else "x_bc"
    stated = par.get("boundaries", name, None)
    if stated is None:
        if settings.periodic is None and geometry.cartesian:
            raise ReaderError(
                f"{folder / 'par'}: {name} is missing; option periodic says whether the sides are neighbours"
            )
        return bool(settings.periodic)
    known = {"ww": True, "rr": False}.get(str(stated).lower())
    if known is None:
        raise ReaderError(f"{folder / 'par'}: {name} = {stated!r}, expected 'ww' (periodic) or 'rr' (mirrors)")
    if settings.periodic not in (None, known):
        raise ReaderError(f"{folder / 'par'}: {name} = {stated!r}, but the configuration states periodic: {not known}")
    return known


def _wall(
    given: float | str | None, par: Any, side: str, factors: _Factors, units: Units, folder: Path
) -> float | None:
    """Temperature of a wall: as given, or of an isothermal one in ``par``; None where it is extrapolated."""
    if given is not None:
        return to_magnitude(
            given, units.unit("temperature"), f"{folder}: option {'surface' if side == 'top' else 'core'}"
        )
    value = par.get("boundaries", f"{side}t_val", None)
    isothermal = str(par.get("boundaries", f"{side}t_mode", "iso")).lower().startswith("iso")
    if value is None or not isothermal:
        return None
    number = to_magnitude(value, "dimensionless", f"{folder / 'par'}: {side}T_val")
    return number * factors.temperature + factors.offset
