"""Many runs side by side on one device: places of a batch, filled and emptied as runs begin and end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from surrogate.parameters import Parameters
from surrogate.planet import MARS, Planet
from surrogate.quantities import SERIES
from surrogate.settings import SimulatorSettings
from surrogate.simulator.checkpoint import restore_state, save_state
from surrogate.simulator.jax_engine import state as states
from surrogate.simulator.jax_engine import step
from surrogate.simulator.jax_engine.state import Layout, Run, State
from surrogate.simulator.models import make_simulation
from surrogate.simulator.simulation import SHORTEST_STEP, Simulation

SOLUTIONS_BETWEEN_LOOKS = 20
"""Flow solutions between two looks at the batch: a run that has ended idles half of them on average."""

CHECKPOINT_SECONDS = 60.0
"""Wall time between two checkpoints of all runs of a batch, s."""

_LAYER_FIELDS = (
    "temperature",
    "counted",
    "flow",
    "previous_flow",
    "previous_load",
    "inner",
    "time_step",
    "tally",
    "dissipated",
    "phase_worked",
    "stokes_solutions",
    "iterations",
)
_RUN_FIELDS = ("time", "interval", "steps", "melted")


def _vigour(parameters: Parameters) -> float:
    return parameters.rayleigh_number if "rayleigh_number" in parameters else 1.0 / parameters.reference_viscosity


def _layout(simulation: Simulation) -> Layout:
    """Gather what all runs share from any one of them."""
    settings, layer, rheology = simulation.settings, simulation.layer, simulation.rheology
    return Layout(
        mesh=simulation.mesh,
        stencil=layer.stencil,
        outer=layer.outer,
        contrast=np.log(settings.viscosity_contrast) if rheology is None else rheology.contrast,
        tolerance=layer.tolerance,
        iteration_limit=layer.iteration_limit,
        substeps=settings.advection_substeps,
        step_limit=settings.maximum_steps,
        courant=settings.courant_number,
        longest=simulation.longest_step,
        shortest=SHORTEST_STEP * settings.end_time * simulation.time_unit,
        output_times=simulation.output_times * simulation.time_unit,
        olivine_conductivity=layer.thermal.olivine_conductivity,
        olivine_expansivity=layer.thermal.olivine_expansivity,
        transitions=layer.transitions,
        solidus=simulation.solidus,
        decay=simulation.heat_sources()[1],
        series_scale=simulation.series_scale,
    )


def _run(simulation: Simulation) -> Run:
    layer = simulation.layer
    heating, _ = simulation.heat_sources()
    run = Run(layer.thermal, simulation.rheology, heating, layer.dissipation, simulation.core_factor)
    arrays: Run = jax.tree.map(jnp.asarray, run)
    return arrays


def _to_state(simulation: Simulation, empty: State) -> State:
    """State of a run that was restored from its checkpoint; `empty` gives the shapes."""
    recorded = len(simulation.snapshots)
    snapshots, series = np.array(empty.snapshots), np.array(empty.series)
    snapshots[:recorded] = simulation.snapshots
    series[:recorded] = np.stack([simulation.series[name] for name in SERIES], axis=1)
    values = {name: getattr(simulation.layer, name) for name in _LAYER_FIELDS}
    values.update({name: getattr(simulation, name) for name in _RUN_FIELDS})
    filled = State(**values, status=states.RUNNING, recorded=recorded, snapshots=snapshots, series=series)
    state: State = jax.tree.map(lambda value, like: jnp.asarray(value, dtype=like.dtype), filled, empty)
    return state


def _to_simulation(state: State, simulation: Simulation) -> None:
    """Bring a run to the state of its place in the batch."""
    values = jax.tree.map(np.asarray, state)
    for holder, names in ((simulation.layer, _LAYER_FIELDS), (simulation, _RUN_FIELDS)):
        for name in names:
            value = getattr(values, name)
            setattr(holder, name, value.copy() if value.ndim else value.item())
    recorded = int(values.recorded)
    simulation.snapshots = list(values.snapshots[:recorded].copy())
    simulation.series = {name: values.series[:recorded, k].tolist() for k, name in enumerate(SERIES)}
    reached = simulation.reached
    simulation.status, simulation.reason = {
        states.RUNNING: ("running", ""),
        states.DONE: ("done", ""),
        states.SHORT: ("short", f"{simulation.steps} steps reached only {reached}"),
        states.DIVERGED: ("failed", f"diverged: the temperature is not finite (at {reached})"),
        states.UNSOLVED: ("failed", f"the Stokes equations could not be solved iteratively (at {reached})"),
        states.STALLED: ("failed", f"stalled: the time step fell below {SHORTEST_STEP:g} of the run (at {reached})"),
    }[int(values.status)]


def run_batch(
    runs: Sequence[tuple[int, Parameters]],
    settings: SimulatorSettings,
    planet: Planet = MARS,
    seed: int = 2108,
    checkpoint: Callable[[int], Path] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Iterator[tuple[int, Simulation]]:
    """Compute runs side by side, each with its own time step; yields each as it ends.

    Parameters
    ----------
    runs : sequence of (number, Parameters)
    settings : SimulatorSettings
        ``batch_width`` is the number of places; a place that a run has left is given to a waiting run.
    planet : Planet
    seed : int
        Of the initial perturbations.
    checkpoint : callable, optional
        Gives the file of a run's number from which it goes on and to which its state is saved now and then.
    progress : callable, optional
        Told one line per chunk of steps.

    Yields
    ------
    number : int
    simulation : Evolution
        As it would be after :meth:`Simulation.run`; one whose flow the iteration could not find is "failed", and may be
        made again by the other engine, which has a direct solver.

    Raises
    ------
    ValueError
        For a full annulus or a periodic box, which only the other engine computes.
    """
    if settings.periodic:
        raise ValueError(
            "simulator.engine: jax needs closed sides; use numba for sector_degrees: 360 and for sides: periodic"
        )
    if not runs:
        return
    # The least vigorous runs are the shortest: they come last, so that no long run is left alone at the end.
    waiting = sorted(runs, key=lambda entry: _vigour(entry[1]))
    width = min(settings.batch_width, len(runs))
    batch = _Batch(waiting, width, settings, planet, seed, checkpoint, progress)
    while batch.unfinished:
        # Double precision for this work only: whoever takes the runs keeps the precision of its own.
        with jax.enable_x64(True):
            ended = batch.proceed()
        yield from ended


class _Batch:
    """The places of a batch and the runs in them."""

    def __init__(
        self,
        waiting: list[tuple[int, Parameters]],
        width: int,
        settings: SimulatorSettings,
        planet: Planet,
        seed: int,
        checkpoint: Callable[[int], Path] | None,
        progress: Callable[[str], None] | None,
    ) -> None:
        self.waiting, self.width = waiting, width
        self.make = partial(make_simulation, settings=settings, planet=planet, seed=seed)
        self.checkpoint, self.progress = checkpoint, progress or (lambda line: None)
        self.places: list[tuple[int, Simulation] | None] = [None] * width
        number, parameters = waiting[-1]
        layout = _layout(self.make(parameters, number=number))
        self.begin = jax.jit(partial(step.begin, layout=layout))
        each = jax.vmap(partial(step.advance, layout=layout))

        def chunk(state: State, run: Run) -> State:
            def going(carry: tuple[State, Any]) -> Any:
                return (carry[1] < SOLUTIONS_BETWEEN_LOOKS) & (carry[0].status == states.RUNNING).any()

            start = state, jnp.asarray(0)
            state, _ = jax.lax.while_loop(going, lambda carry: (each(carry[0], run), carry[1] + 1), start)
            return state

        self.chunk = jax.jit(chunk, donate_argnums=0)
        self.put = jax.jit(
            lambda batch, place, one: jax.tree.map(lambda all_of, value: all_of.at[place].set(value), batch, one),
            donate_argnums=0,
        )
        self.saved = time.monotonic()
        self.state: Any = None
        self.run: Any = None

    @property
    def unfinished(self) -> bool:
        """Whether a run waits or is under way."""
        return bool(self.waiting) or any(self.places)

    def proceed(self) -> list[tuple[int, Simulation]]:
        """Fill the free places, go on for a chunk of steps, and return the runs that have ended."""
        for place, entry in enumerate(self.places):
            if entry is None and self.waiting:
                self._admit(place)
        begun, cpu = time.monotonic(), time.process_time()
        self.state = self.chunk(self.state, self.run)
        status = np.asarray(self.state.status)
        share = (time.process_time() - cpu) / sum(entry is not None for entry in self.places)
        ended = []
        for place, entry in enumerate(self.places):
            if entry is None:
                continue
            entry[1].cpu_seconds += share
            if status[place] != states.RUNNING:
                self._fetch(place)
                self.places[place] = None
                ended.append(entry)
        occupied = sum(entry is not None for entry in self.places)
        self.progress(
            f"{occupied} runs in {self.width} places, {len(self.waiting)} waiting: "
            f"{SOLUTIONS_BETWEEN_LOOKS} steps in {time.monotonic() - begun:.2f} s"
        )
        if self.checkpoint is not None and time.monotonic() - self.saved > CHECKPOINT_SECONDS:
            self._save()
            self.saved = time.monotonic()
        return ended

    def _admit(self, place: int) -> None:
        """Give a place to the next waiting run."""
        number, parameters = self.waiting.pop()
        simulation = self.make(parameters, number=number)
        run = _run(simulation)
        one = self.begin(jnp.asarray(simulation.layer.temperature), jnp.asarray(simulation.layer.inner), run)
        if self.checkpoint is not None and restore_state(simulation, self.checkpoint(number)):
            one = _to_state(simulation, one)
        if self.state is None:
            self.state, self.run = (
                jax.tree.map(lambda value: jnp.repeat(value[None], self.width, axis=0), item) for item in (one, run)
            )
        self.state, self.run = self.put(self.state, place, one), self.put(self.run, place, run)
        self.places[place] = number, simulation

    def _fetch(self, place: int) -> None:
        entry = self.places[place]
        if entry is not None:
            _to_simulation(jax.tree.map(lambda value: value[place], self.state), entry[1])

    def _save(self) -> None:
        for place, entry in enumerate(self.places):
            if entry is not None and self.checkpoint is not None:
                self._fetch(place)
                save_state(entry[1], self.checkpoint(entry[0]))
