"""The same function on many small descriptions, in a local Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

Scheduler = Literal["processes", "threads"]


class WorkerError(RuntimeError):
    """A worker died, most often for want of memory."""


def for_each(
    function: Callable[..., Any],
    calls: Sequence[tuple],
    workers: int = 1,
    memory_limit: str = "4GB",
    scheduler: Scheduler = "processes",
) -> Iterator[Any]:
    """Yield ``function(*call)`` for every call, in any order.

    Parameters
    ----------
    function : callable
        Importable, as are its arguments; small results.
    calls : sequence of tuples
    workers : int
        One works in this process, without a cluster.
    memory_limit : str
        Of all workers together.
    scheduler : "processes" or "threads"

    Raises
    ------
    WorkerError
        When a worker keeps dying.
    """
    workers = min(workers, len(calls))
    if workers <= 1:
        yield from (function(*call) for call in calls)
        return
    import dask
    from dask.utils import parse_bytes
    from distributed import Client, KilledWorker, LocalCluster, as_completed

    settings = {
        "distributed.worker.daemon": False,
        "distributed.worker.multiprocessing-method": "spawn",  # HDF5 and forks do not mix
        "distributed.nanny.pre-spawn-environ.OMP_NUM_THREADS": 1,
        "distributed.comm.timeouts.connect": "120s",
    }
    limit = parse_bytes(memory_limit)
    shape = (
        {"n_workers": workers, "threads_per_worker": 1, "processes": True, "memory_limit": limit // workers}
        if scheduler == "processes"
        else {"n_workers": 1, "threads_per_worker": workers, "processes": False, "memory_limit": limit}
    )
    with (
        dask.config.set(settings),
        LocalCluster(dashboard_address=None, host="127.0.0.1", silence_logs=50, **shape) as cluster,
        Client(cluster) as client,
    ):
        futures = client.map(function, *zip(*calls, strict=True), pure=False)
        completed = as_completed(futures)
        del futures  # a result is let go as soon as it was yielded
        for future in completed:
            try:
                yield future.result()
            except KilledWorker as error:
                raise WorkerError(
                    f"a worker was killed repeatedly, most often for want of memory: give more than {memory_limit} "
                    f"or fewer than {workers} workers ({error})"
                ) from error
            future.release()


def useful_workers(workers: int, size: int) -> int:
    """Workers worth starting for `size` bytes of input: a cluster takes seconds to come up.

    >>> useful_workers(8, 10_000_000)
    1
    """
    return min(workers, os.cpu_count() or 1, max(1, size // 100_000_000))
