"""What a run is of: its key, its mesh, its initial temperature."""

from __future__ import annotations

import numpy as np

from surrogate.files import fingerprint
from surrogate.parameters import Parameters
from surrogate.planet import MARS, Planet
from surrogate.settings import EvolutionSettings, SimulatorSettings
from surrogate.simulator.mesh import Mesh, graded_faces, make_mesh

SOLVER_VERSION = "1.2"
"""Goes up when the same settings give other numbers: older runs are then made again."""


def run_key(
    parameters: Parameters, settings: SimulatorSettings, planet: Planet = MARS, seed: int = 2108, number: int = 0
) -> str:
    """Digest of everything that a run depends on.

    Parameters
    ----------
    parameters, settings
    planet
        Counts for its evolution only.
    seed, number : int
        The number counts only where each run has its own perturbation.

    Examples
    --------
    >>> point = Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0)
    >>> run_key(point, EvolutionSettings()) == run_key(point, EvolutionSettings(), number=3)
    True
    """
    described = settings.model_dump(mode="json")
    del described["batch_width"]
    if isinstance(settings, EvolutionSettings):
        del described["model"]
        # What came later counts only where it is switched on, so that older runs of the same physics stay valid.
        for name, old in (("engine", "numba"), ("geometry", "cylinder")):
            if described[name] == old:
                del described[name]
        limit, melting = described["physics"].pop("melt_pressure"), described["physics"].pop("melting")
        if melting != "none":
            described["physics"].update(melting=melting, melt_pressure=limit)
    return fingerprint(
        {
            "parameters": dict(parameters),
            "settings": described,
            "planet": repr(planet) if settings.model == "evolution" else None,
            "seed": seed,
            "number": number if settings.noise == "per_run" else None,
            "solver": SOLVER_VERSION,
        }
    )


def planet_mesh(settings: EvolutionSettings, planet: Planet = MARS) -> Mesh:
    """Dimensionless mesh of the sector that stands for `planet`."""
    inner = planet.core_radius if settings.geometry == "spherical_annulus" else planet.cylinder_inner_radius
    inner /= planet.mantle_thickness
    faces = graded_faces(settings.radial_cells, inner, inner + 1.0, settings.radial_grading)
    width = np.radians(settings.sector_degrees)
    return make_mesh(faces, settings.angular_cells, width, settings.geometry, settings.periodic)


def initial_noise(mesh: Mesh, settings: SimulatorSettings, scale: float, seed: int, number: int) -> np.ndarray:
    """Uniform noise in every cell, weaker towards the walls, for a temperature difference of `scale`."""
    key = [seed, number] if settings.noise == "per_run" else [seed]
    noise = np.random.default_rng(key).uniform(-1.0, 1.0, (mesh.rows, mesh.columns))
    amplitude = settings.noise_amplitude * scale * np.sin(np.pi * (mesh.centres - mesh.faces[0]))
    return np.asarray(amplitude[:, None] * noise)


def initial_temperature(
    mesh: Mesh, parameters: Parameters, settings: EvolutionSettings, planet: Planet, seed: int, number: int
) -> np.ndarray:
    """Linear boundary layers around a mantle of the initial temperature, with noise in every cell.

    Returns
    -------
    array, shape (radial cells, angular cells), K
    """
    thickness = planet.boundary_layer_thickness / planet.mantle_thickness
    height = mesh.centres - mesh.faces[0]
    profile = np.interp(
        height,
        [0.0, thickness, 1.0 - thickness, 1.0],
        [
            planet.initial_core_temperature,
            parameters.initial_temperature,
            parameters.initial_temperature,
            planet.surface_temperature,
        ],
    )
    return np.asarray(profile[:, None] + initial_noise(mesh, settings, planet.temperature_scale, seed, number))
