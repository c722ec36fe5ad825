"""A made-up dimensionless corpus in any geometry, of three parameters, as the files of another solver's runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from surrogate.fields import make_run, write_netcdf
from surrogate.geometry import Geometry
from surrogate.parameters import Parameter, Parameters, ParameterSpace
from surrogate.quantities import DIMENSIONLESS

SPACE = ParameterSpace(
    [
        Parameter("rayleigh_number", low=1e4, high=1e6, symbol="Ra", logarithmic=True),
        Parameter("internal_heating", low=0.0, high=10.0, symbol="H"),
        Parameter("viscosity_contrast", low=1.0, high=1e3, symbol=r"\Delta\eta", logarithmic=True),
    ]
)
RING = Geometry.annulus(10, 24, 1.2, 2.2)
SNAPSHOTS = 12


def made_up_run(number: int, geometry: Geometry = RING) -> xr.Dataset:
    """Convecting cells that grow to an amplitude given by the parameters, between walls at 1 and 0."""
    unit = np.random.default_rng(number).uniform(size=len(SPACE))
    point = Parameters.from_array(SPACE.unscale(unit), SPACE)
    time = np.linspace(0.0, 0.1, SNAPSHOTS)
    depth = (geometry.depth / geometry.thickness)[None, :, None]
    x = 2 * np.pi * (geometry.lateral - geometry.lateral_faces[0])[None, None, :] / geometry.width
    growth = (1 - np.exp(-time / 0.03))[:, None, None]
    mean = depth + (0.1 * unit[1] + 0.2 * unit[0]) * growth * np.sin(np.pi * depth)
    cells = 0.2 * (0.3 + unit[0]) * growth * np.sin(np.pi * depth) * np.cos(3 * x + unit[2] + 20 * time[:, None, None])
    return make_run(
        (mean + cells).astype(np.float32), time, geometry, point, None, {"number": number}, units=DIMENSIONLESS
    )


def write_runs(folder: Path, count: int, geometry: Geometry = RING) -> list[Path]:
    """Write runs as NetCDF files and return their paths."""
    paths = [folder / f"run_{number:03d}.nc" for number in range(count)]
    for number, path in enumerate(paths):
        write_netcdf(made_up_run(number, geometry), path)
    return paths
