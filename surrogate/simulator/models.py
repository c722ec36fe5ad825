"""The two models of the simulator, chosen by their settings."""

from __future__ import annotations

from surrogate.parameters import Parameters
from surrogate.planet import Planet
from surrogate.settings import ConvectionSettings, SimulatorSettings
from surrogate.simulator.convection import BoussinesqConvection
from surrogate.simulator.evolution import Evolution
from surrogate.simulator.simulation import Simulation


def make_simulation(
    parameters: Parameters, settings: SimulatorSettings, planet: Planet, seed: int, number: int
) -> Simulation:
    """Return a run at its start; `planet` counts for its evolution only."""
    if isinstance(settings, ConvectionSettings):
        return BoussinesqConvection(parameters, settings, seed, number)
    return Evolution(parameters, settings, planet, seed, number)
