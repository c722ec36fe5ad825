"""What readers of codes without a planet have in common: a dimensionless layer between two walls, in a box."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from surrogate.corpus.readers import ReaderError
from surrogate.corpus.readers.mapping import Mapped
from surrogate.parameters import Stated

RAYLEIGH = ("rayleigh", "rayleigh_number", "ra")
PRANDTL = ("prandtl", "prandtl_number", "pr")
TEMPERATURES = ("temperature", "buoyancy", "T", "b", "theta")
"""What a temperature is called; a buoyancy is one in units of the free fall."""


class LayerOptions(BaseModel):
    """Settings of these readers.

    Attributes
    ----------
    temperature : str, optional
        The array; default: the only one with a usual name.
    vertical : str, optional
        The dimension between the walls, where the file does not tell.
    periodic : bool, optional
        Whether the other dimension is; where the file does not tell.
    walls, extent
        As :class:`surrogate.corpus.readers.mapping.GriddedOptions` takes them, with ``lower`` and ``upper``.
    time : "diffusion" or "free_fall", optional
        What times are counted in. Times of free fall are divided by the square root of Rayleigh and Prandtl number,
        which makes them times of diffusion.
    parameters : mapping or str, optional
        Numbers, or a CSV table: parameters that the file does not state.
    member : int
        Of a file of several runs.
    """

    model_config = ConfigDict(extra="forbid")
    temperature: str | None = None
    vertical: str | None = None
    periodic: bool | None = None
    walls: Literal["included"] | dict[str, float | str | Mapped] | None = None
    extent: tuple[float, float] | None = None
    time: Literal["diffusion", "free_fall"] | None = None
    parameters: dict[str, Any] | str | None = None
    member: int = 0

    @classmethod
    def of(cls, options: Mapping[str, Any], path: Path, reader: str) -> LayerOptions:
        """Check options.

        Raises
        ------
        ReaderError
            Naming the file, the reader and the option.
        """
        try:
            return cls.model_validate(dict(options))
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors()]
            raise ReaderError(f"{path}: options of reader {reader!r}: {'; '.join(lines)}") from None

    def field(self, names: Sequence[str], path: Path) -> str:
        """Return the name of the temperature among those of all fields."""
        usual = [name for name in TEMPERATURES if name in names]
        found = [self.temperature] if self.temperature in names else usual if self.temperature is None else []
        if len(found) != 1:
            told = self.temperature or "not given"
            raise ReaderError(
                f"{path}: which of the fields {sorted(names)} is the temperature? option temperature: {told}"
            )
        return str(found[0])

    def mapped(
        self,
        names: tuple[str, str, str],
        parameters: Mapping[str, Any],
        rows: np.ndarray,
        on_walls: bool,
        periodic: bool,
        path: Path,
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return options of a gridded file, and what is to be said of it.

        Parameters
        ----------
        names : tuple of str
            Of temperature, vertical and lateral dimension.
        parameters : mapping
            All that are known; which of them are Rayleigh and Prandtl number is seen from their names.
        rows : array
            Heights of the stored rows. On Chebyshev points none is on a wall, and the walls follow from them.
        on_walls, periodic : bool
            What the file says of the first and last row, and of the sides.
        path : Path
        """
        field, vertical, lateral = names
        factor, warnings, extent = 1.0, [], self.extent or chebyshev_interval(rows)
        walls: Any = self.walls
        if walls is None and (extent is not None or not on_walls):
            walls = {"lower": "extrapolate", "upper": "extrapolate"}
            warnings.append("temperatures of the walls are extrapolated; option walls gives them")
        if self.time == "free_fall":
            numbers = [_named(kind, parameters, path) for kind in (RAYLEIGH, PRANDTL)]
            factor = 1.0 / math.sqrt(numbers[0] * numbers[1])
        elif self.time is None:
            warnings.append("times are taken as times of diffusion; option time: free_fall if they are none")
        mapped: dict[str, Any] = {
            "geometry": "box",
            "dimensionless": True,
            "temperature": {"variable": field},
            "time": {"variable": "time", "scale": factor},
            "height": {"variable": vertical},
            "x": {"variable": lateral},
            "periodic": periodic if self.periodic is None else self.periodic,
            "walls": walls or "included",
            "parameters": dict(parameters),
        }
        if extent is not None and mapped["walls"] != "included":
            mapped["extent"] = extent
        return mapped, tuple(warnings)


def _named(kind: Sequence[str], parameters: Mapping[str, Any], path: Path) -> float:
    found = [name for name in parameters if name.lower() in kind]
    if len(found) != 1:
        raise ReaderError(f"{path}: times of free fall need one parameter called {' or '.join(kind)}, got {found}")
    value = parameters[found[0]]
    return value.value if isinstance(value, Stated) else Stated.read(found[0], value, f"{path}: {found[0]}").value


def chebyshev_interval(points: np.ndarray) -> tuple[float, float] | None:
    """Return the ends of the interval whose Chebyshev points these are, None if they are others.

    >>> chebyshev_interval(1.0 - np.cos(np.pi * (np.arange(8) + 0.5) / 8))
    (0.0, 2.0)
    """
    shape = -np.cos(np.pi * (np.arange(points.size) + 0.5) / points.size)
    half = 0.5 * (points[-1] - points[0]) / shape[-1]
    middle = 0.5 * (points[-1] + points[0])
    if not np.allclose(points, middle + half * shape, rtol=0, atol=1e-5 * abs(half)):
        return None
    low, high = (np.round([middle - half, middle + half], 9) + 0.0).tolist()
    return low, high
