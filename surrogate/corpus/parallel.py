"""The same function on many small descriptions, in a local Dask cluster that starts when it is first needed."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Literal

Scheduler = Literal["processes", "threads"]


class WorkerError(RuntimeError):
    """A worker died, most often for want of memory."""


class Workers:
    """A local Dask cluster, used as ``with Workers(...) as workers: workers.each(function, calls)``.

    Parameters
    ----------
    number : int
        One works in this process, without a cluster.
    memory_limit : str
        Of all workers together; a worker process that exceeds its share is restarted.
    scheduler : "processes" or "threads"
        Processes decompress at the same time; the HDF5 library lets only one thread in.

    Examples
    --------
    >>> with Workers() as workers:
    ...     list(workers.each(pow, [(2, 3), (2, 4)]))
    [8, 16]
    """

    def __init__(self, number: int = 1, memory_limit: str = "4GB", scheduler: Scheduler = "processes") -> None:
        self.number, self.memory_limit, self.scheduler = number, memory_limit, scheduler
        self._stack = ExitStack()
        self._client: Any = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def _start(self) -> Any:
        import dask
        from dask.utils import parse_bytes
        from distributed import Client, LocalCluster

        limit = parse_bytes(self.memory_limit)
        shape: dict[str, Any] = {"n_workers": 1, "threads_per_worker": self.number, "processes": False}
        if self.scheduler == "processes":
            shape = {"n_workers": self.number, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
        self._stack.enter_context(
            dask.config.set(
                {
                    "distributed.worker.multiprocessing-method": "spawn",  # HDF5 and forks do not mix
                    "distributed.nanny.pre-spawn-environ.OMP_NUM_THREADS": 1,
                    "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED": "error",
                    "distributed.comm.timeouts.connect": "120s",
                    "distributed.worker.profile.enabled": False,  # looks at the stack a hundred times a second
                    "distributed.admin.tick.interval": "1s",
                }
            )
        )
        logging.getLogger("distributed").setLevel(logging.ERROR)
        cluster = LocalCluster(
            dashboard_address=None, silence_logs=False, memory_limit=limit // shape["n_workers"], **shape
        )
        self._stack.enter_context(cluster)
        return self._stack.enter_context(Client(cluster))

    def each(self, function: Callable[..., Any], calls: Sequence[tuple], size: int | None = None) -> Iterator[Any]:
        """Yield ``function(*call)`` for every call, in any order.

        Parameters
        ----------
        function : callable
            Importable, as its arguments are; small results.
        calls : sequence of tuples
        size : int, optional
            Bytes that the calls read: a few are not worth the seconds that a cluster takes to come up.

        Raises
        ------
        WorkerError
            When a worker keeps dying.
        """
        useful = min(self.number, len(calls)) if size is None else useful_workers(self.number, size)
        if useful <= 1 and self._client is None:
            yield from (function(*call) for call in calls)
            return
        from distributed import KilledWorker, as_completed

        if self._client is None:
            self._client = self._start()
        completed = as_completed(self._client.map(function, *zip(*calls, strict=True), pure=False))
        for future in completed:
            try:
                yield future.result()
            except KilledWorker as error:
                raise WorkerError(
                    f"a worker was killed repeatedly, most often for want of memory: give more than "
                    f"{self.memory_limit} or fewer than {self.number} workers ({error})"
                ) from error


def useful_workers(workers: int, size: int) -> int:
    """Workers worth starting for `size` bytes of input.

    >>> useful_workers(8, 10_000_000)
    1
    """
    return min(workers, os.cpu_count() or 1, max(1, size // 100_000_000))


LEADER_MEMORY = 1000
"""Memory of the process that leads the workers, MB."""


def job_memory(limit: str) -> int:
    """Return the memory that a job asks for, MB: that of its workers, and 1 GB for the process that leads them.

    >>> job_memory("4GB")
    5000
    """
    from dask.utils import parse_bytes

    return parse_bytes(limit) // 10**6 + LEADER_MEMORY


def workers_memory(job: int) -> str:
    """Return the memory of the workers of a job that was given `job` MB.

    Raises
    ------
    WorkerError
        If that is not enough for the process that leads them.

    Examples
    --------
    >>> workers_memory(5000)
    '4000MB'
    """
    if job <= LEADER_MEMORY:
        raise WorkerError(f"a job of the ingest needs more than {LEADER_MEMORY} MB, got {job}")
    return f"{job - LEADER_MEMORY}MB"
