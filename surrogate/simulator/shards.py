"""Many runs side by side, one process a core; a run that is already there is not made again."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import xarray as xr

from surrogate.fields import FieldError, open_netcdf, write_netcdf
from surrogate.parameters import Parameters
from surrogate.planet import MARS, Planet
from surrogate.settings import SimulatorSettings
from surrogate.simulator.checkpoint import save_state
from surrogate.simulator.problem import run_key
from surrogate.simulator.run import jax_batch, simulate
from surrogate.simulator.simulation import SimulationError

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class RunStatus(NamedTuple):
    """What became of a run of a shard.

    Attributes
    ----------
    simulation : int
        Its number.
    file : str
        Name of its file; empty where there is none.
    status : str
        "done", "short" (the limit of steps came first; what there is was kept) or "failed".
    reason : str
        Why it is not "done".
    cpu_seconds : float
    steps, snapshots : int
    end_time : float
        Gyr, or diffusion times.
    """

    simulation: int
    file: str
    status: str
    reason: str
    cpu_seconds: float
    steps: int
    snapshots: int
    end_time: float


def run_path(folder: str | os.PathLike[str], number: int) -> Path:
    """File of a run: ``run_00012.nc``."""
    return Path(folder) / f"run_{number:05d}.nc"


@contextmanager
def _single_threaded() -> Iterator[None]:
    # A worker imports NumPy before any of its own code runs, so the limit has to stand in the environment it inherits:
    # the small matrix products of the Stokes solver get slower, not faster, with threads.
    saved = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _status(number: int, path: Path, run: xr.Dataset) -> RunStatus:
    attributes = run.attrs
    return RunStatus(
        number,
        path.name,
        str(attributes["status"]),
        str(attributes["reason"]),
        cpu_seconds=round(float(attributes["cpu_seconds"]), 3),
        steps=int(attributes["steps"]),
        snapshots=run.sizes["time"],
        end_time=float(run.time[-1]),
    )


def _existing(number: int, path: Path, key: str) -> RunStatus | None:
    """Status of a finished run with this key, or None where there is none, or a broken one."""
    if not path.exists():
        return None
    try:
        with open_netcdf(path) as run:
            return _status(number, path, run) if run.attrs.get("key") == key else None
    except (FieldError, OSError, KeyError):
        return None


def _checkpoint(path: Path) -> Path:
    return path.with_suffix(".checkpoint.npz")


def _keep(number: int, path: Path, make: Callable[[], xr.Dataset]) -> RunStatus:
    """Write the run that `make` gives; a failure of the run becomes its status, one of the machine is raised."""
    start = time.process_time()
    try:
        run = make()
        write_netcdf(run, path)
        return _status(number, path, run)
    except (SimulationError, FieldError, ArithmeticError, ValueError) as error:
        # Not OSError, not MemoryError: a full disk or node says nothing about the run, which is made another time.
        path.unlink(missing_ok=True)  # an older run of that name belongs to other settings
        reason = str(error) if isinstance(error, SimulationError) else f"{type(error).__name__}: {error}"
        spent = round(time.process_time() - start, 3)
        return RunStatus(number, "", "failed", reason, spent, steps=0, snapshots=0, end_time=0.0)


def _work(
    number: int, parameters: Parameters, settings: SimulatorSettings, planet: Planet, seed: int, path: Path
) -> RunStatus:
    """Make one run in this process and write it."""
    checkpoint = _checkpoint(path)
    return _keep(number, path, lambda: simulate(parameters, settings, planet, seed, number, checkpoint=checkpoint))


def _work_together(
    waiting: Sequence[tuple[int, Parameters, SimulatorSettings, Planet, int, Path]],
    settings: SimulatorSettings,
    planet: Planet,
    seed: int,
    progress: Callable[[str], None],
) -> Iterator[RunStatus]:
    """Make runs side by side on one device and write each as it ends."""
    paths = {number: path for number, *_, path in waiting}
    run_batch = jax_batch()
    runs = [(number, parameters) for number, parameters, *_ in waiting]
    for number, simulation in run_batch(
        runs, settings, planet, seed, lambda number: _checkpoint(paths[number]), progress
    ):
        status = _keep(number, paths[number], simulation.dataset)
        _checkpoint(paths[number]).unlink(missing_ok=True)
        if simulation.status == "failed":
            save_state(simulation, _checkpoint(paths[number]).with_suffix(".failed.npz"))
        yield status


def run_shard(
    runs: Sequence[tuple[int, Parameters]],
    settings: SimulatorSettings,
    planet: Planet = MARS,
    seed: int = 2108,
    folder: str | os.PathLike[str] = ".",
    workers: int = 1,
    progress: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Make the runs of a shard that do not exist yet.

    Parameters
    ----------
    runs : sequence of (number, Parameters)
    settings : SimulatorSettings
    planet : Planet
    seed : int
        Of the initial perturbations.
    folder : path
        Gets ``run_00012.nc`` and so on, each whole or absent; while a run takes long also
        ``run_00012.checkpoint.npz``, from which it goes on after an interruption, and for a run that failed its last
        state in ``run_00012.checkpoint.failed.npz``.
    workers : int
        Processes; one runs in this process. With ``engine: jax`` all runs share one device, and this does not count.
    progress : callable, optional
        Told one line per run.

    Returns
    -------
    pandas.DataFrame
        One row per run, in the order of `runs`; its columns are the fields of :class:`RunStatus`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tell = progress or (lambda line: None)
    found: dict[int, RunStatus] = {}
    waiting = []
    for number, parameters in runs:
        path = run_path(folder, number)
        status = _existing(number, path, run_key(parameters, settings, planet, seed, number))
        if status is None:
            waiting.append((number, parameters, settings, planet, seed, path))
        else:
            found[number] = status
    if found:
        tell(f"{len(found)} of {len(runs)} runs are already there")

    def finish(status: RunStatus) -> None:
        found[status.simulation] = status
        tell(
            f"run {status.simulation:5d} {status.status:6s} {status.steps:7d} steps {status.cpu_seconds:7.1f} s "
            f"({len(found)}/{len(runs)}) {status.reason}".rstrip()
        )

    if settings.engine == "jax":
        for status in _work_together(waiting, settings, planet, seed, tell):
            finish(status)
    elif workers <= 1 or len(waiting) <= 1:
        for job in waiting:
            finish(_work(*job))
    else:
        with _single_threaded():
            context = multiprocessing.get_context("spawn")
            pool = ProcessPoolExecutor(min(workers, len(waiting)), mp_context=context)
            try:
                for future in as_completed([pool.submit(_work, *job) for job in waiting]):
                    finish(future.result())
            except BaseException:
                for process in list(pool._processes.values()):
                    process.terminate()  # Ctrl-C: finished runs are on disk, long ones go on from their checkpoint
                raise
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
    return pd.DataFrame([found[number] for number, _ in runs], columns=list(RunStatus._fields))
