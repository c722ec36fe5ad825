"""Batches for training, in an order that depends on nothing but the seed and the epoch, so that training can resume."""

from __future__ import annotations

import weakref
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Lock
from typing import Any

import keras
import numpy as np
import xarray as xr

from surrogate.corpus.store import run_reader
from surrogate.fields import geometry_of, valid_snapshots
from surrogate.learning.scaling import FieldScaler

READERS = 2
"""Threads that read a group of runs."""


class Batches(keras.utils.PyDataset):
    """Batches that are shuffled anew in each epoch.

    Attributes
    ----------
    epoch : int
        Set by the training loop before an epoch begins.
    failure : Exception or None
        What went wrong when a batch was asked for; Keras may hide it in an error of its own.
    """

    def __init__(self, batch_size: int, seed: int | None) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        self.failure: Exception | None = None
        self._order: tuple[tuple[int, int, int], np.ndarray] | None = None

    def permutation(self, count: int, epoch: int, salt: int = 0) -> np.ndarray:
        """Order of `count` samples in an epoch: the natural one where there is no seed."""
        if self.seed is None:
            return np.arange(count)
        return np.random.default_rng([self.seed, epoch, salt]).permutation(count)

    def order(self, count: int, salt: int = 0) -> np.ndarray:
        """Order of `count` samples in this epoch; the last one asked for is kept."""
        key = (self.epoch, count, salt)
        if self._order is None or self._order[0] != key:
            self._order = (key, self.permutation(count, self.epoch, salt))
        return self._order[1]


class ArrayBatches(Batches):
    """Batches of arrays in memory.

    Parameters
    ----------
    inputs : array or tuple of arrays, shape (samples, ...)
    targets : array, shape (samples, ...)
    weights : array, shape (samples, ...), optional
        Weights of the loss.
    batch_size : int
    seed : int, optional
        Without one the order never changes.

    Examples
    --------
    >>> batches = ArrayBatches(np.arange(5.0), np.arange(5.0), batch_size=2, seed=1)
    >>> len(batches), sorted(np.concatenate([batches[i][1] for i in range(3)]).tolist())
    (3, [0.0, 1.0, 2.0, 3.0, 4.0])
    """

    def __init__(self, inputs: Any, targets: Any, weights: Any = None, *, batch_size: int, seed: int | None = None):
        super().__init__(batch_size, seed)
        self.inputs, self.targets, self.weights = inputs, targets, weights

    def __len__(self) -> int:
        return -(-len(self.targets) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return one batch: inputs, targets and, where there are some, weights."""
        chosen = self.order(len(self.targets))[index * self.batch_size : (index + 1) * self.batch_size]
        take = tuple(part[chosen] for part in self.inputs) if isinstance(self.inputs, tuple) else self.inputs[chosen]
        batch = (take, self.targets[chosen])
        return batch if self.weights is None else (*batch, self.weights[chosen])


class SnapshotBatches(Batches):
    """Batches of scaled snapshots of a corpus: ((image, wall scalars), image).

    Runs are shuffled, then read in groups that fit into memory, and the snapshots of a group are shuffled. A corpus
    smaller than the limit is one group, read once and kept. A larger one is read again in each epoch, run by run,
    which is the order in which a store gives its data fastest; threads read the next group while one is learnt, at
    the end of an epoch the first of the next epoch.

    Parameters
    ----------
    corpus : xarray.Dataset
        Lazy or in memory.
    scaler : FieldScaler
    batch_size : int
    seed : int, optional
        Without one the order never changes.
    memory : float
        Gigabytes of scaled snapshots held at a time.
    moved : float, optional
        Mirror half of the batches, and move this share of them along the domain (:meth:`Geometry.window`).
    """

    def __init__(
        self,
        corpus: xr.Dataset,
        scaler: FieldScaler,
        *,
        batch_size: int,
        seed: int | None = None,
        memory: float = 2.0,
        moved: float | None = None,
    ) -> None:
        super().__init__(batch_size, seed)
        self.geometry, self.moved = geometry_of(corpus), moved
        self.corpus, self.scaler = corpus, scaler
        self.counts = valid_snapshots(corpus).sum(axis=1)
        size = 4 * int(np.prod(corpus["temperature"].shape[-2:])) * max(int(self.counts.max()), 1)
        self.runs_held = max(1, int(memory * 1e9 / size))
        if self.runs_held < len(self.counts):
            self.runs_held = max(1, self.runs_held // 2)  # two groups are in memory: one learnt, one being read
        self._threads = ThreadPoolExecutor(READERS, "snapshots")
        weakref.finalize(self, self._threads.shutdown, wait=False, cancel_futures=True)
        self._read_run = run_reader(corpus)
        self._plans: dict[int, tuple[list[tuple[int, ...]], list[int]]] = {}
        self._lock = Lock()
        self._free: list[np.ndarray] = []
        self._held: _Group | None = None
        self._coming: _Group | None = None

    def _plan(self, epoch: int) -> tuple[list[tuple[int, ...]], list[int]]:
        """List the runs of each group that an epoch uses, and the number of batches up to the end of each."""
        if epoch not in self._plans:
            count, held = len(self.counts), self.runs_held
            runs = (self.permutation(count, epoch) if held < count else np.arange(count)).tolist()
            groups = [tuple(runs[i : i + held]) for i in range(0, count, held)]
            ends = np.cumsum([-(-int(self.counts[list(group)].sum()) // self.batch_size) for group in groups])
            used = bisect_left(ends, len(self)) + 1
            self._plans = {kept: plan for kept, plan in self._plans.items() if abs(kept - epoch) == 1}
            self._plans[epoch] = (groups[:used], ends.tolist())
        return self._plans[epoch]

    def __len__(self) -> int:
        # Does not depend on how the runs fell into groups; the few snapshots beyond wait for the next epoch.
        return -(-int(self.counts.sum()) // self.batch_size)

    def _group(self, number: int) -> _Group:
        """Take a group of the plan, and begin to read the one after it."""
        plan, _ = self._plan(self.epoch)
        if self._held is None or self._held.runs != plan[number]:
            if self._held is not None:
                self._free.append(self._held.memory)  # batches are copies: nobody looks at it any more
                self._held = None
            coming, self._coming = self._coming, None
            if coming is not None and coming.runs != plan[number]:
                coming.cancel()
                self._free.append(coming.memory)
                coming = None
            held = coming or self._begin(plan[number])
            held.wait()
            self._held = held
        if len(plan) > 1 and self._coming is None:
            following = plan[number + 1] if number + 1 < len(plan) else self._plan(self.epoch + 1)[0][0]
            self._coming = self._begin(following)
        return self._held

    def _begin(self, runs: tuple[int, ...]) -> _Group:
        """Begin to read runs."""
        counts, (rows, columns) = self.counts[list(runs)].tolist(), self.corpus["temperature"].shape[-2:]
        rows = len(range(*self.scaler.rows.indices(rows)))
        # The same memory again and again: to get fresh pages from the system may take longer than to fill them.
        shape, longest = (rows, columns), np.sort(self.counts)[-self.runs_held :].sum()
        memory = self._free.pop() if self._free else np.empty((longest, *shape), np.float32)
        images = memory[: sum(counts)]
        walls = np.empty((sum(counts), self.scaler.scalars), np.float32)
        ends = np.cumsum(counts).tolist()
        # Without a reference to this object: when it is let go, the rest is not read.
        tasks = [
            self._threads.submit(
                _fill, self._read_run, self.scaler, run, images[end - count : end], walls[end - count : end]
            )
            for run, count, end in zip(runs, counts, ends, strict=True)
        ]
        return _Group(runs, memory, images, walls, tasks)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return one batch."""
        ends = self._plan(self.epoch)[1]
        if not 0 <= index < len(self):
            raise IndexError(index)
        number = bisect_right(ends, index)
        first = (index - (ends[number - 1] if number else 0)) * self.batch_size
        with self._lock:  # Keras asks from threads of its own
            try:
                group = self._group(number)
            except Exception as error:
                self.failure = error
                raise
            chosen = self.order(len(group.images), number + 1)[first : first + self.batch_size]
            images = group.images[chosen]
            if self.moved is not None:
                chance = np.random.default_rng([self.seed or 0, self.epoch, index])
                if chance.random() < self.moved:
                    images = self.geometry.window(images, int(chance.integers(2 * images.shape[-1])))
                if chance.random() < 0.5:
                    images = self.geometry.mirrored(images)
                images = np.ascontiguousarray(images)
            return (images, group.walls[chosen]), images


@dataclass
class _Group:
    """Scaled snapshots of some runs, which threads may still be reading."""

    runs: tuple[int, ...]
    memory: np.ndarray
    images: np.ndarray
    walls: np.ndarray
    tasks: list[Future[None]]

    def wait(self) -> None:
        """Wait until all is there; the first error is raised."""
        for task in self.tasks:
            task.result()

    def cancel(self) -> None:
        """Read no more of it; nothing is written to its memory afterwards."""
        for task in self.tasks:
            task.cancel()
        wait(self.tasks)


def _fill(
    read: Callable[[int], np.ndarray], scaler: FieldScaler, run: int, images: np.ndarray, walls: np.ndarray
) -> None:
    """Read a run into its part of a group."""
    images[...], walls[...] = scaler.split(read(run))
