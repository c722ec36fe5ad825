"""One function on many small arguments, in a local Dask cluster that starts when it is first needed."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Literal

Scheduler = Literal["processes", "threads"]

DASK_SETTINGS: dict[str, Any] = {
    "distributed.worker.multiprocessing-method": "spawn",  # HDF5 and forks do not mix
    "distributed.worker.profile.enabled": False,  # looks at the stack a hundred times a second
    "distributed.admin.tick.interval": "1s",
    "distributed.comm.timeouts.connect": "120s",
    "distributed.nanny.pre-spawn-environ": {
        "DASK_LOGGING__DISTRIBUTED": "error",
        "OMP_NUM_THREADS": 1,
        # Dask would have all memory above 64 kB given back as soon as it is free. Each block of a run then costs fresh
        # pages: 20,000 of them a run of the paper's size, half of all the time of an ingest.
        "MALLOC_TRIM_THRESHOLD_": 2**27,
        "MALLOC_MMAP_THRESHOLD_": 2**25,
        "MALLOC_ARENA_MAX": 1,
    },
}
"""Settings of Dask while the workers live."""

PRELOAD = "surrogate.corpus.ingestion.convert"
"""A process is given work when it has imported this, which takes a second."""


class WorkerError(RuntimeError):
    """A worker died, most often for want of memory."""


class Workers:
    """A local Dask cluster, used as ``with Workers(...) as workers: workers.map(function, calls)``.

    One of the workers is a thread of this process, which would only wait otherwise: it works while the others start.

    Parameters
    ----------
    number : int
        One works without a cluster.
    memory_limit : str
        Of all workers together; a worker process that exceeds its share is restarted.
    scheduler : "processes" or "threads"
        Processes decompress at the same time; the HDF5 library lets only one thread in.

    Examples
    --------
    >>> with Workers() as workers:
    ...     list(workers.map(pow, [(2, 3), (2, 4)]))
    [8, 16]
    """

    def __init__(self, number: int = 1, memory_limit: str = "4GB", scheduler: Scheduler = "processes") -> None:
        self.number, self.memory_limit, self.scheduler = number, memory_limit, scheduler
        self._stack = ExitStack()
        self._cluster: Any = None
        self._client: Any = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        import dask
        from dask.utils import parse_bytes
        from distributed import Client, Nanny, Scheduler, SpecCluster, Worker

        self._stack.enter_context(dask.config.set(DASK_SETTINGS))
        logging.getLogger("distributed").setLevel(logging.ERROR)
        processes = self.scheduler == "processes"
        local = {"host": "127.0.0.1", "dashboard": False}
        here = {"nthreads": 1 if processes else self.number, "memory_limit": 0}
        others = {"nthreads": 1, "memory_limit": parse_bytes(self.memory_limit) // self.number, "preload": [PRELOAD]}
        self._cluster = SpecCluster(  # type: ignore[no-untyped-call]
            workers={0: {"cls": Worker, "options": local | here}},
            scheduler={"cls": Scheduler, "options": local | {"port": 0, "dashboard_address": "127.0.0.1:0"}},
            worker={"cls": Nanny, "options": local | others},
        )
        self._stack.enter_context(self._cluster)
        self._client = self._stack.enter_context(Client(self._cluster))  # type: ignore[no-untyped-call]
        if processes:  # after the client, which would wait for them
            self._cluster.scale(self.number)

    def release(self) -> None:
        """Let the other processes go, without waiting for it."""
        if self._cluster is not None:
            self._cluster.scale(1)

    def map(
        self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], size: int | None = None, together: int = 1
    ) -> Iterator[Any]:
        """Yield ``function(*call)`` for every call, in any order.

        Parameters
        ----------
        function : callable
            Importable, as its arguments are; small results.
        calls : sequence of tuples
        size : int, optional
            Bytes that are to be read, now or later: a few are not worth the seconds that a process takes to come up.
        together : int
            Calls that make one task of Dask, which costs some milliseconds.

        Raises
        ------
        WorkerError
            When a worker keeps dying.
        """
        if not calls:
            return
        useful = min(self.number, len(calls)) if size is None else useful_workers(self.number, size)
        if useful <= 1 and self._client is None:
            yield from (function(*call) for call in calls)
            return
        from distributed import KilledWorker, as_completed

        if self._client is None:
            self._start()
        together = max(1, min(together, len(calls) // (8 * self.number)))
        tasks = [calls[first : first + together] for first in range(0, len(calls), together)]
        futures = self._client.map(_call_each, [function] * len(tasks), tasks, pure=False)
        for future in as_completed(futures):  # type: ignore[no-untyped-call]
            try:
                yield from future.result()
            except KilledWorker as error:
                raise WorkerError(
                    f"a worker was killed repeatedly, most often for want of memory: give more than "
                    f"{self.memory_limit} or fewer than {self.number} workers ({error})"
                ) from error


def _call_each(function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> list[Any]:
    return [function(*call) for call in calls]


def useful_workers(workers: int, size: int) -> int:
    """Workers worth starting for `size` bytes of input.

    >>> useful_workers(8, 10_000_000)
    1
    """
    return min(workers, os.cpu_count() or 1, max(1, size // 100_000_000))


LEADER_MEMORY = 1000
"""Memory of the process that leads the workers and is one of them, MB."""


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
