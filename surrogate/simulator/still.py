"""The flow of a temperature field that stands still: the Stokes equations solved once, with no time step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

from surrogate.fields import geometry_of, iterate_runs, parameters_of
from surrogate.geometry import Geometry
from surrogate.parameters import EVOLUTION_PARAMETERS, Parameters
from surrogate.planet import MARS, Planet
from surrogate.quantities import VARIABLES
from surrogate.settings import Physics
from surrogate.simulator import properties
from surrogate.simulator.mesh import make_mesh
from surrogate.simulator.numba_engine import heat, materials, stokes
from surrogate.simulator.numba_engine.step import Convection

TOLERANCE = 1e-6
"""Of the Stokes solution, relative, in the energy norm."""

VISCOSITY_CONTRAST = 1e8
"""At this multiple of its minimum viscosity is cut, as in a simulation with the default settings."""


class Flow(NamedTuple):
    """Flow in the cells of a field, walls left out, SI units.

    Attributes
    ----------
    radial, angular : array, shape (radial cells, angular cells), m/s
        Velocity, outward and along the angle.
    viscosity : array, the same shape, Pa s
    dissipation : array, the same shape, W/m3
    root_mean_square : float, m/s
        Root of the volume mean of the squared speed.
    work : float, W/m (of a spherical annulus W)
        Of buoyancy; equal to the dissipation over the area.
    """

    radial: np.ndarray
    angular: np.ndarray
    viscosity: np.ndarray
    dissipation: np.ndarray
    root_mean_square: float
    work: float


def solve_still(
    temperature: np.ndarray,
    geometry: Geometry,
    parameters: Parameters,
    planet: Planet = MARS,
    physics: Physics | None = None,
    viscosity_contrast: float = VISCOSITY_CONTRAST,
) -> Flow:
    """Solve for the flow that a temperature field drives.

    Parameters
    ----------
    temperature : array, shape (radius, angle), K
        Of the convention: walls included.
    geometry : Geometry
        A sector of an annulus, or the whole of it.
    parameters : Parameters
        Of a thermal evolution.
    planet : Planet
    physics : Physics, optional
        Which terms drive the flow; default all of the default configuration.
    viscosity_contrast : float

    Raises
    ------
    ValueError
        If the field is not of this grid or not finite, the geometry or the parameters are not those of an evolution.

    Examples
    --------
    >>> geometry = Geometry.quarter(16, 24)
    >>> field = 1700.0 + 50.0 * np.cos(2 * geometry.lateral) * np.ones((18, 1))
    >>> flow = solve_still(field, geometry, Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0))
    >>> flow.radial.shape, flow.root_mean_square > 0
    ((16, 24), True)
    """
    EVOLUTION_PARAMETERS.check_names(parameters)
    if not geometry.curved:
        raise ValueError(f"flow: expected a sector of an annulus, got a {geometry.kind}")
    field = np.asarray(temperature, dtype=float)
    if field.shape != geometry.shape or not np.isfinite(field).all():
        raise ValueError(f"flow: expected finite temperatures of shape {geometry.shape}, got shape {field.shape}")
    length = geometry.thickness
    faces, columns = geometry.vertical_faces / length, geometry.shape[1]
    mesh = make_mesh(faces, columns, geometry.width, geometry.kind, geometry.periodic)
    thermal = properties.planet_thermal(mesh, parameters, planet, physics or Physics())
    rheology = properties.planet_rheology(mesh, parameters, planet, viscosity_contrast)
    layer = Convection(
        mesh,
        thermal,
        np.ascontiguousarray(field[1:-1]),
        float(field[0].mean()),
        float(field[-1].mean()),
        tolerance=10 * TOLERANCE,  # the first solution is ten times as precise
    )
    materials.arrhenius(layer.temperature, rheology, layer.log_viscosity)
    layer.solve_flow()
    streamfunction = np.asarray(layer.flow)
    stokes.pad_streamfunction(streamfunction, mesh.periodic, layer.psi)
    radial, angular = stokes.velocity(layer.psi, mesh)
    heated = np.zeros(field[1:-1].shape)
    heat.dissipated_heat(layer.psi, layer.stencil, layer.cell_weight, layer.corner_weight, mesh.periodic, 1.0, heated)
    speed = planet.diffusivity / length
    stress = parameters.reference_viscosity * planet.diffusivity / length**2
    return Flow(
        speed * 0.5 * (radial[1:] + radial[:-1]),
        speed * 0.5 * (angular[:, 1:] + angular[:, :-1]),
        parameters.reference_viscosity * np.exp(layer.log_viscosity),
        stress * planet.diffusivity / length**2 * heated / mesh.volume[:, None],
        speed * stokes.root_mean_square_velocity(layer.psi, mesh),
        stress * planet.diffusivity * float((layer.load * streamfunction).sum()),
    )


def velocity(dataset: xr.Dataset, planet: Planet = MARS, physics: Physics | None = None) -> xr.Dataset:
    """Solve for the flow of every snapshot of a run or a corpus, simulated or predicted.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of the convention, with the parameters of a thermal evolution.
    planet : Planet
    physics : Physics, optional
        As :func:`solve_still`.

    Returns
    -------
    xarray.Dataset
        On the dimensions of the temperature: ``velocity_radial`` and ``velocity_angular`` (m/s), ``viscosity`` (Pa s),
        ``dissipation`` (W/m3), at the walls those of the next cell, but nothing flows through them; and
        ``root_mean_square_velocity`` (m/s) on ([simulation], time).
    """
    names = ("velocity_radial", "velocity_angular", "viscosity", "dissipation")
    shape, many = dataset["temperature"].shape, "simulation" in dataset.dims
    fields = {name: np.full(shape, np.nan, dtype=np.float32) for name in names}
    speeds = np.full(shape[:-2], np.nan)
    geometry = geometry_of(dataset)
    with threadpool_limits(1, user_api="blas"):
        for position, run in enumerate(iterate_runs(dataset) if many else [dataset]):
            parameters = parameters_of(run)
            for number, temperature in enumerate(run["temperature"]):
                place = (position, number) if many else (number,)
                flow = solve_still(temperature.values, geometry, parameters, planet, physics)
                speeds[place] = flow.root_mean_square
                for name, values in zip(names, flow[:4], strict=True):
                    fields[name][place] = np.concatenate([values[:1], values, values[-1:]])
    fields["velocity_radial"][..., [0, -1], :] *= 0.0
    dimensions = dataset["temperature"].dims
    described = {name: dict(zip(("units", "long_name"), VARIABLES[name], strict=True)) for name in VARIABLES}
    return xr.Dataset(
        {
            **{name: (dimensions, values, described[name]) for name, values in fields.items()},
            "root_mean_square_velocity": (dimensions[:-2], speeds, described["root_mean_square_velocity"]),
        },
        dataset.coords,
        {**dataset.attrs, "title": "Flow of a temperature field, by the Stokes equations"},
    )
