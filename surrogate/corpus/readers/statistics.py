"""ASPECT's file ``statistics``: one row a step, columns named with their units in its first lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from surrogate.corpus.readers import ReaderError
from surrogate.corpus.readers.tables import read_text
from surrogate.geometry import Geometry
from surrogate.units import UnitError, read_quantity

CLOCKS = {r"Time \(years\)": "year", r"Time \(seconds\)": "s"}

COLUMNS = {
    "mean_temperature": (r"Average temperature", "K"),
    "core_temperature": (r"CMB Temperature", "K"),
    "root_mean_square_velocity": (r"RMS velocity", "m s-1"),
    "surface_heat_flux": (r"Outward heat flux .*\"(?:top|outer)\"", "W"),
    "core_mantle_boundary_heat_flux": (r"Outward heat flux .*\"(?:bottom|inner)\"", "W"),
}
"""Our series, the column that each is taken from, and the unit that it is read in."""

ANOTHER_UNIT = 2.0
"""Times that differ by more than this factor are those of another unit, not of a run that goes on."""


@dataclass(frozen=True)
class Statistics:
    """The complete rows of the file.

    Attributes
    ----------
    path : Path
    names : list of str
        Of the columns.
    rows : list of list of str
    warnings : list of str
    """

    path: Path
    names: list[str]
    rows: list[list[str]]
    warnings: list[str]

    def _column(self, pattern: str) -> int | None:
        return next((place for place, name in enumerate(self.names) if re.match(pattern, name)), None)

    def _numbers(self, place: int, unit: str) -> np.ndarray:
        """Read a column in `unit`; its own unit stands in brackets at its end. NaN where a cell holds no number."""
        stated = re.search(r"\(([^()]*)\)$", self.names[place])
        numbers = pd.to_numeric(pd.Series([row[place] for row in self.rows]), errors="coerce").to_numpy(float)
        try:
            return read_quantity(numbers, unit, f"{self.path}: column {self.names[place]!r}", stated and stated[1])
        except UnitError as error:
            raise ReaderError(str(error)) from error

    @property
    def time_unit(self) -> str | None:
        """What the file counts time in: "year", "s", or None if it does not say."""
        return next((unit for pattern, unit in CLOCKS.items() if self._column(pattern) is not None), None)

    @property
    def time(self) -> np.ndarray:
        """Times of the rows, Gyr, shape (row,)."""
        places = [place for pattern in CLOCKS if (place := self._column(pattern)) is not None]
        if not places:
            raise ReaderError(f"{self.path}: no column 'Time (years)' or 'Time (seconds)'")
        return self._numbers(places[0], "Gyr")

    def compare(self, time: np.ndarray) -> list[str]:
        """Compare the times of the snapshots, Gyr, with those of the rows.

        Returns
        -------
        list of str
            What does not agree, and may be: snapshots after the last row.

        Raises
        ------
        ReaderError
            If the times cannot be of the same run in the same unit.
        """
        end, last = np.nanmax(self.time).item(), time[-1].item()
        message = f"{self.path}: ends at {end:.6g} Gyr, the snapshots at {last:.6g} Gyr"
        if last > ANOTHER_UNIT * end > 0 or (last > 0 and last * 100 < end):
            raise ReaderError(f"{message}: not the same run, or not the same unit of time")
        return [message] if last > end * (1 + 1e-4) else []

    def series(self, time: np.ndarray, geometry: Geometry) -> dict[str, np.ndarray]:
        """Return time series at the times of the snapshots.

        Parameters
        ----------
        time : array, shape (time,), Gyr
        geometry : Geometry
            Its walls turn W per metre into W/m2.

        Returns
        -------
        dict
            Those series of :data:`surrogate.quantities.SERIES` that the file has.
        """
        inner, outer = geometry.wall_areas
        # Outward of the mantle is down at its bottom; ours is positive upward.
        factors = {"surface_heat_flux": 1.0 / outer, "core_mantle_boundary_heat_flux": -1.0 / inner}
        clock, result = self.time, {}
        for name, (pattern, unit) in COLUMNS.items():
            place = self._column(pattern)
            if place is None:
                continue
            values = self._numbers(place, unit) * factors.get(name, 1.0)
            good = np.isfinite(values) & np.isfinite(clock)
            if good.sum() > 1:
                result[name] = np.interp(time, clock[good], values[good])
        return result


def read_statistics(path: Path) -> Statistics:
    """Read the file; a last line that is not complete, of a run that still writes, is left out with a warning.

    Raises
    ------
    ReaderError
        Naming the line that has not as many columns as are announced.
    """
    names: list[str] = []
    rows: list[list[str]] = []
    warnings = []
    lines = read_text(path).split("\n")
    for number, line in enumerate(lines, start=1):
        header = re.match(r"#\s*\d+:\s*(.*)", line)
        if header:
            names.append(header[1].strip())
            continue
        cells = line.split()
        complete = len(cells) == len(names) and number < len(lines)  # every complete line ends with a line end
        if complete and names:
            rows.append(cells)
        elif cells and not any(part.strip() for part in lines[number:]):
            warnings.append(f"{path}: line {number}, the last one, is not complete and left out")
        elif cells:
            raise ReaderError(f"{path}: line {number} has {len(cells)} columns, {len(names)} are announced")
    if not rows:
        raise ReaderError(f"{path}: no complete line of ASPECT's statistics")
    return Statistics(path, names, rows, warnings)
