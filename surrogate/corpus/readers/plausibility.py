"""Whether a run can be that of a planet, whatever a mapping says: a wrong unit shows in the numbers themselves."""

from __future__ import annotations

import numpy as np
import xarray as xr

from surrogate.fields import geometry_of, units_of

OLDEST = 15.0
"""Gyr. Nothing is older than the universe."""

LONGEST_EXPERIMENT = 1000.0
"""Gyr. A numerical experiment may go on for longer than a planet; what lasts longer than this is another unit."""

SHORTEST = 1e-3
"""Gyr. A mantle does not evolve in less than a million years."""

PLANET_RADII = (1e5, 1e8)
"""m. From a small round moon to a giant planet."""

SLIMMEST = 0.02
"""Thickness of the mantle over the outer radius, at least."""

NARROWEST = 0.05
"""rad. Degrees that were taken for something smaller make a sector of less than 3 degrees."""


def implausible_axes(run: xr.Dataset) -> list[tuple[str, bool]]:
    """Describe what cannot be in time, radius and angle of a run.

    Returns
    -------
    list of (str, bool)
        A line each, and whether it cannot be at all: a run that goes on for 20 Gyr may be an experiment.

    Examples
    --------
    >>> from surrogate.geometry import Geometry
    >>> from surrogate.fields import make_run
    >>> from surrogate.parameters import Parameters
    >>> run = make_run(np.full((2, 5, 4), 1700.0), [0.0, 4500.0], Geometry.quarter(3, 4),
    ...     Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0))
    >>> implausible_axes(run)
    [('time spans 0 .. 4500 Gyr, expected 0 .. 15: is it Myr, or years?', True)]
    """
    lines = []
    time = run["time"].values
    start, end = time[[0, -1]].tolist()
    geometry = geometry_of(run)
    width = geometry.width
    if geometry.curved and not NARROWEST <= width <= 2 * np.pi * (1 + 1e-6):
        line = f"angle spans {width:.6g} rad, expected {NARROWEST:g} .. 2 pi: is it degrees?"
        if np.isclose(width, 2 * np.pi * (1 + 1 / (geometry.shape[1] - 1)), rtol=1e-3):
            line = (
                f"angle spans {width:.6g} rad, a column more than 2 pi: the last column repeats the first; leave it out"
            )
        lines.append((line, True))
    if not units_of(run).dimensional:
        return lines
    spans = f"time spans {start:.6g} .. {end:.6g} Gyr, expected "
    if start < -1e-9 * abs(end) or end > OLDEST:
        lines.append((f"{spans}0 .. {OLDEST:g}: is it Myr, or years?", not -OLDEST < start <= end < LONGEST_EXPERIMENT))
    elif len(time) > 1 and end - start < SHORTEST:
        lines.append((f"{spans}{SHORTEST:g} or more: is it dimensionless, or counted in another unit?", False))
    inner, outer = geometry.vertical_faces[[0, -1]].tolist()
    low, high = PLANET_RADII
    if not (low <= outer <= high and geometry.thickness >= SLIMMEST * outer):
        line = (
            f"radius spans {inner:.6g} .. {outer:.6g} m, expected an outer one of {low:g} .. {high:g} and a mantle "
            f"thicker than {SLIMMEST:g} of it: is it km, or dimensionless?"
        )
        lines.append((line, True))
    return lines


def implausible_temperature(run: xr.Dataset) -> list[str]:
    """Describe what cannot be in the first and the last snapshot of a run (which it reads), one line each."""
    lines = []
    units = units_of(run)
    low, high = units.plausible
    for name, position in (("first", 0), ("last", -1)):
        snapshot = np.asarray(run["temperature"][position].values)
        if not np.all(np.isfinite(snapshot)):
            lines.append(f"the {name} snapshot has values that are not finite")
            continue
        least, most = float(snapshot.min()), float(snapshot.max())
        if least < low or most > high:
            lines.append(
                f"the {name} snapshot spans {least:.4g} .. {units.temperature.text(most)}, expected {low:g} .. {high:g}"
                + (": is it degC?" if units.dimensional else "")
            )
        elif snapshot[0].mean() < snapshot[-1].mean():
            wall, vertical = units.walls[0], geometry_of(run).dimensions[0]
            lines.append(f"the {name} snapshot is colder at the {wall} than above: does {vertical} run the other way?")
    return lines
