"""Windows of steps on which the LSTM of arXiv:2108.10105 is trained and rolled out."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from surrogate.learning.batches import Batches


def windows(latents: np.ndarray, forcing: np.ndarray, last: np.ndarray, window: int, step: float) -> np.ndarray:
    """Cut the inputs of :func:`surrogate.learning.networks.paper.window_lstm`.

    Parameters
    ----------
    latents : array, shape (n, time, latent)
    forcing : array, shape (n, time, features)
    last : array of int, shape (n,)
        Index of the last step that the window sees.
    window : int
    step : float
        Scaled step to the next time.

    Returns
    -------
    array, shape (n, window, 2 + features + latent), float32
        Before the first step the first is repeated, with a mask of 0.
    """
    index = last[:, None] + np.arange(1 - window, 1)[None, :]
    real = (index >= 0)[..., None].astype(np.float32)
    index = np.maximum(index, 0)
    row = np.arange(len(last))[:, None]
    steps = np.full_like(real, step)
    return np.concatenate([real, steps, forcing[row, index], latents[row, index]], axis=-1).astype(np.float32)


class WindowBatches(Batches):
    """Teacher-forced windows of all runs, cut when they are asked for.

    Parameters
    ----------
    latents : array, shape (run, time, latent)
    forcing : array, shape (run, time, features)
    real : array of bool, shape (run, time)
    window : int
    step : float
    batch_size : int
    seed : int, optional
    """

    def __init__(
        self,
        latents: np.ndarray,
        forcing: np.ndarray,
        real: np.ndarray,
        window: int,
        step: float,
        *,
        batch_size: int,
        seed: int | None = None,
    ) -> None:
        super().__init__(batch_size, seed)
        self.latents, self.forcing, self.window, self.step = latents, forcing, window, step
        self.places = np.argwhere(real[:, 1:])  # (run, last step seen); the target is the step after it

    def __len__(self) -> int:
        return -(-len(self.places) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return one batch."""
        chosen = self.order(len(self.places))[index * self.batch_size : (index + 1) * self.batch_size]
        run, last = self.places[chosen].T
        inputs = windows(self.latents[run], self.forcing[run], last, self.window, self.step)
        return inputs, self.latents[run, last + 1]


def roll_windows(
    network: keras.Model, initial: np.ndarray, forcing: np.ndarray, window: int, step: float
) -> np.ndarray:
    """Use :func:`surrogate.learning.networks.paper.window_lstm` autoregressively.

    Parameters
    ----------
    network : keras.Model
    initial : array, shape (n, latent)
    forcing : array, shape (n, time, features)
    window : int
    step : float

    Returns
    -------
    array, shape (n, time, latent), float32
    """
    count, length = forcing.shape[:2]
    latents = np.zeros((count, length, initial.shape[1]), dtype=np.float32)
    latents[:, 0] = initial
    for last in range(length - 1):
        inputs = windows(latents, forcing, np.full(count, last), window, step)
        latents[:, last + 1] = ops.convert_to_numpy(network.predict_on_batch(inputs))[:, 0]
    return latents
