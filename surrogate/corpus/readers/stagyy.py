"""Output of StagYY in a 2D annulus, through stagpy (an optional dependency: ``pip install surrogate[readers]``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, ValidationError

from surrogate.annulus import Annulus
from surrogate.corpus.readers import ReaderError
from surrogate.corpus.readers.lazy import complete_parameters, given_parameters, lazy_run
from surrogate.units import GIGAYEAR


class StagyyOptions(BaseModel):
    """Settings of the reader of StagYY's output.

    Attributes
    ----------
    temperature : str
        Name of the field in stagpy.
    surface, core : float, optional
        Temperatures of the walls, K (StagYY keeps cell centres only); default: extrapolated linearly.
    parameters : mapping or str, optional
        The five parameters, or a CSV table of them: a parameter file of StagYY does not name them.
    """

    model_config = ConfigDict(extra="forbid")
    temperature: str = "T"
    surface: float | None = None
    core: float | None = None
    parameters: dict[str, Any] | str | None = None


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
        except Exception as error:  # stagpy, f90nml and HDF5 each raise their own kind
            raise ReaderError(f"{folder}: cannot be read as StagYY output: {error}") from error
        if not steps:
            raise ReaderError(f"{folder}: no snapshot with field {settings.temperature!r}")
        dimensional = bool(data.par.get("switches", "dimensional_units", True))
        length, kelvin, second = (
            (1.0, 1.0, 1.0) if dimensional else (data.scales.length, data.scales.temperature, data.scales.time)
        )
        annulus = _annulus(steps[0].geom, length, folder)

        def load(number: int) -> np.ndarray:
            stored = np.asarray(steps[number].fields[settings.temperature].values, dtype=float)
            cells = np.squeeze(stored).T * kelvin  # (angle, radius) to (radius, angle)
            core = 1.5 * cells[0] - 0.5 * cells[1] if settings.core is None else np.full(cells.shape[1], settings.core)
            top = 1.5 * cells[-1] - 0.5 * cells[-2]
            surface = top if settings.surface is None else np.full(cells.shape[1], settings.surface)
            return np.concatenate([core[None], cells, surface[None]])

        time = np.array([step.time for step in steps], dtype=float) * second / GIGAYEAR
        parameters = complete_parameters(given_parameters(settings.parameters, folder), folder)
        return lazy_run(load, time, annulus, parameters, attributes={"solver": "StagYY"})


def _annulus(geometry: Any, length: float, folder: Path) -> Annulus:
    if not (geometry.twod and geometry.curvilinear) or geometry.yinyang:
        raise ReaderError(f"{folder}: expected a 2D annulus, this run is Cartesian or three-dimensional")
    angle = geometry.p_walls if geometry.twod_yz else geometry.t_walls
    return Annulus(np.asarray(geometry.r_walls, float) * length, np.asarray(angle, float) - float(angle[0]))
