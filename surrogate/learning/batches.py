"""Batches for training, in an order that depends on nothing but the seed and the epoch, so that training can resume."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import xarray as xr

from surrogate.fields import valid_snapshots
from surrogate.learning.scaling import FieldScaler

Images = tuple[np.ndarray, np.ndarray]
"""Scaled images, shape (snapshot, rows, angle), and wall scalars, shape (snapshot, scalars)."""


class Batches(keras.utils.PyDataset):
    """Batches that are shuffled anew in each epoch.

    Attributes
    ----------
    epoch : int
        Set by the training loop before an epoch begins.
    """

    def __init__(self, batch_size: int, seed: int | None) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        self._orders: dict[int, tuple[tuple[int, int, int], np.ndarray]] = {}

    def order(self, count: int, salt: int = 0) -> np.ndarray:
        """Permutation of `count` samples in this epoch; their natural order where there is no seed."""
        key = (self.epoch, count, salt)
        if self._orders.get(salt, (None,))[0] != key:
            generator = None if self.seed is None else np.random.default_rng([self.seed, self.epoch, salt])
            self._orders[salt] = (key, np.arange(count) if generator is None else generator.permutation(count))
        return self._orders[salt][1]


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

    def __getitem__(self, index: int) -> tuple:
        """Return one batch: inputs, targets and, where there are some, weights."""
        chosen = self.order(len(self.targets))[index * self.batch_size : (index + 1) * self.batch_size]
        take = tuple(part[chosen] for part in self.inputs) if isinstance(self.inputs, tuple) else self.inputs[chosen]
        batch = (take, self.targets[chosen])
        return batch if self.weights is None else (*batch, self.weights[chosen])


class SnapshotBatches(Batches):
    """Batches of scaled snapshots of a corpus: ((image, wall scalars), image).

    Runs are shuffled, then read in groups that fit into memory, and the snapshots of a group are shuffled. A corpus
    smaller than the limit is one group, read once and kept. A larger one is read again in each epoch, run by run,
    which is the order in which a store gives its data fastest; a thread reads the next group while one is learnt.

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
    """

    def __init__(
        self, corpus: xr.Dataset, scaler: FieldScaler, *, batch_size: int, seed: int | None = None, memory: float = 2.0
    ) -> None:
        super().__init__(batch_size, seed)
        self.corpus, self.scaler = corpus, scaler
        self.counts = valid_snapshots(corpus).sum(axis=1)
        size = 4 * corpus.sizes["radius"] * corpus.sizes["angle"] * max(int(self.counts.max()), 1)
        self.runs_held = max(1, int(memory * 1e9 / size))
        if self.runs_held < len(self.counts):
            self.runs_held = max(1, self.runs_held // 2)  # two groups are in memory: one learnt, one being read
        self._reader = ThreadPoolExecutor(1, "snapshots")
        self._held: tuple[tuple[int, ...], Images] | None = None
        self._coming: tuple[tuple[int, ...], Future[Images]] | None = None

    def _plan(self) -> list[tuple[np.ndarray, int]]:
        """List the runs of each group and the number of its batches, in this epoch."""
        runs = self.order(len(self.counts)) if self.runs_held < len(self.counts) else np.arange(len(self.counts))
        groups = [runs[i : i + self.runs_held] for i in range(0, len(runs), self.runs_held)]
        return [(group, -(-int(self.counts[group].sum()) // self.batch_size)) for group in groups]

    def __len__(self) -> int:
        # Does not depend on how the runs fell into groups; the few snapshots beyond wait for the next epoch.
        return -(-int(self.counts.sum()) // self.batch_size)

    def _group(self, number: int, plan: list[tuple[np.ndarray, int]]) -> Images:
        """Take a group of the plan, and begin to read the next."""
        key = tuple(int(run) for run in plan[number][0])
        if self._held is None or self._held[0] != key:
            self._held = None  # let go before reading, or three groups would be held at once
            coming, self._coming = self._coming, None
            self._held = (key, coming[1].result() if coming and coming[0] == key else self._read(key))
        if number + 1 < len(plan) and self._coming is None:
            following = tuple(int(run) for run in plan[number + 1][0])
            self._coming = (following, self._reader.submit(self._read, following))
        return self._held[1]

    def _read(self, runs: tuple[int, ...]) -> Images:
        sizes = self.corpus.sizes
        count = int(self.counts[list(runs)].sum())
        images = np.empty((count, len(range(*self.scaler.rows.indices(sizes["radius"]))), sizes["angle"]), np.float32)
        walls = np.empty((count, self.scaler.scalars), dtype=np.float32)
        start = 0
        for run in runs:
            stop = start + int(self.counts[run])
            field = self.corpus.temperature.isel(simulation=run, time=slice(0, int(self.counts[run]))).values
            images[start:stop], walls[start:stop] = self.scaler.split(field)
            start = stop
        return images, walls

    def __getitem__(self, index: int) -> tuple:
        """Return one batch."""
        plan = self._plan()
        for number, (_, batches) in enumerate(plan):
            if index < batches:
                images, walls = self._group(number, plan)
                chosen = self.order(len(images), number + 1)[index * self.batch_size : (index + 1) * self.batch_size]
                return (images[chosen], walls[chosen]), images[chosen]
            index -= batches
        raise IndexError(index)
