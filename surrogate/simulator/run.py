"""One run from its parameters."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import xarray as xr
from threadpoolctl import threadpool_limits

from surrogate.parameters import Parameters
from surrogate.planet import MARS, Planet
from surrogate.settings import EvolutionSettings, SimulatorSettings
from surrogate.simulator.checkpoint import restore_state
from surrogate.simulator.models import make_simulation
from surrogate.simulator.simulation import Simulation


def jax_batch() -> Callable[..., Iterator[tuple[int, Simulation]]]:
    """Return :func:`surrogate.simulator.run_batch`, which needs JAX.

    Raises
    ------
    ValueError
        Naming the extra to install where JAX is missing.
    """
    try:
        from surrogate.simulator.jax_engine.batch import run_batch
    except ImportError as error:
        raise ValueError("simulator.engine: jax needs JAX; install the extra: pip install 'surrogate[jax]'") from error
    return run_batch


def simulate(
    parameters: Parameters,
    settings: SimulatorSettings | None = None,
    planet: Planet = MARS,
    seed: int = 2108,
    number: int = 0,
    progress: Callable[[float], None] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> xr.Dataset:
    """Compute one run.

    Parameters
    ----------
    parameters : Parameters
        Of the model, see :data:`surrogate.parameters.MODEL_PARAMETERS`. Values outside its ranges warn.
    settings : EvolutionSettings or ConvectionSettings, optional
        They choose the model: the thermal evolution of a planet (the default), or dimensionless convection.
    planet : Planet
        Counts for its evolution only.
    seed : int
        Of the initial perturbation.
    number : int
        Number of the run; counts only with ``noise: per_run``.
    progress : callable, optional
        Told the time reached after every snapshot, Gyr or diffusion times.
    checkpoint : path, optional
        An .npz file from which an interrupted run goes on, with the same result, and to which a long run saves its
        state now and then. It is removed at the end. A run that fails leaves its last state beside it.

    Returns
    -------
    xarray.Dataset
        A run (:mod:`surrogate.fields`): temperature at equally spaced times, time series, energy budget in the
        attributes. ``attrs["status"]`` is "done", or "short" where the limit of steps came first.

    Raises
    ------
    SimulationError
        With the reason: the run diverged, stalled, or its energy budget does not close.

    Examples
    --------
    >>> settings = EvolutionSettings(radial_cells=12, angular_cells=16, snapshots=2, end_time=0.1)
    >>> run = simulate(Parameters(1e22, 3e5, 6e-6, 10.0, 1700.0), settings)
    >>> run.temperature.shape, run.attrs["status"], run.attrs["budget_relative_error"] < 1e-9
    ((2, 14, 16), 'done', True)
    >>> from surrogate.parameters import CONVECTION_PARAMETERS
    >>> from surrogate.settings import ConvectionSettings
    >>> box = ConvectionSettings(model="convection", width=1, vertical_cells=12, lateral_cells=12, snapshots=2)
    >>> run = simulate(Parameters(1e4, 0.0, space=CONVECTION_PARAMETERS), box)
    >>> 4.2 < run.surface_heat_flux[-1].item() < 4.9
    True
    """
    for line in parameters.outside():
        warnings.warn(line, stacklevel=2)
    settings = settings or EvolutionSettings()
    if settings.engine == "jax":
        where = None if checkpoint is None else lambda _: Path(checkpoint)
        [(_, simulation)] = jax_batch()([(number, parameters)], settings, planet, seed, where)
        if progress is not None:
            progress(simulation.time / simulation.time_unit)
    else:
        simulation = make_simulation(parameters, settings, planet, seed, number)
        if checkpoint is not None:
            restore_state(simulation, checkpoint)
        # The matrix products of the Stokes solver are too small to share: threads would make them slower.
        with threadpool_limits(1, user_api="blas"):
            simulation.run(progress, checkpoint)
    run = simulation.dataset()
    if checkpoint is not None:
        Path(checkpoint).unlink(missing_ok=True)
    return run
