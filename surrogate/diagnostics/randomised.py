"""Randomised singular value decomposition of a matrix that is read in blocks of rows."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from surrogate.diagnostics.eigen import orthonormal
from surrogate.diagnostics.exact import Subspace
from surrogate.diagnostics.gram import Centred

OVERSAMPLING = 20
"""Random directions beyond the modes asked for."""

POWER_ITERATIONS = 4
"""Each squares the ratio of wanted to unwanted singular values, and reads the matrix twice."""


def randomised(source: Centred, limit: int, remove_mean: bool, seed: int) -> Subspace:
    """Approximate leading singular values and right vectors (Halko, Martinsson & Tropp 2011, algorithm 4.4).

    Every power iteration is orthonormalised: without that, the small singular values drown in rounding.

    Parameters
    ----------
    source : Centred
    limit : int
        Number of singular values.
    remove_mean : bool
    seed : int

    Returns
    -------
    Subspace
        Right vectors; the energy is exact.
    """
    snapshots, nodes = source.matrix.shape
    width = min(limit + OVERSAMPLING, snapshots, nodes)
    basis = orthonormal(np.random.default_rng(seed).standard_normal((nodes, width)))
    offset = np.zeros(nodes)
    if remove_mean:
        total_row = sum((block.sum(axis=0, dtype=np.float64) for _, block in source.blocks()), offset)
        offset = total_row * source.scale / snapshots
    else:
        offset = -source.shift * source.scale
    scale = source.scale.astype(source.dtype)
    total = 0.0
    for iteration in range(POWER_ITERATIONS + 1):
        image, squares = np.zeros(basis.shape), 0.0
        small, narrow = np.zeros((basis.shape[1],) * 2), basis.astype(source.dtype)
        for _, block in source.blocks():
            if source.weighted:
                block *= scale
            block -= offset.astype(block.dtype)
            squares += float(np.einsum("ij,ij->", block, block, dtype=np.float64))
            forward = block @ narrow
            image += block.T @ forward
            small += forward.T.astype(np.float64) @ forward
        total = squares
        if iteration < POWER_ITERATIONS:
            basis = orthonormal(orthonormal(image))
    squares_kept, rotation = scipy.linalg.eigh(small)
    order = np.argsort(squares_kept)[::-1][:limit]
    return Subspace(np.sqrt(np.clip(squares_kept[order], 0.0, None)), None, basis @ rotation[:, order], total)
