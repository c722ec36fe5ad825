"""The Stokes equations solved directly: the oracle of the tests, and the fallback of a run."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg

from surrogate.simulator.mesh import Mesh
from surrogate.simulator.stencil import Stencil


def direct_solution(
    load: np.ndarray,
    stencil: Stencil,
    mesh: Mesh,
    cell_weight: np.ndarray,
    corner_weight: np.ndarray,
    drag: np.ndarray | None = None,
) -> np.ndarray:
    """Solve the same discrete equations by banded Cholesky factorisation, assembled independently of the kernels.

    The oracle of the tests, and what a run falls back on when the iteration does not converge.

    Parameters
    ----------
    load : array, shape (radial cells - 1, unknown columns)

    Returns
    -------
    array, the shape of `load`
    """
    rows, columns = cell_weight.shape
    width = load.shape[1]
    corners = columns if mesh.periodic else columns + 1
    around = scipy.sparse.eye(corners, format="csr")
    following = scipy.sparse.csr_matrix(np.roll(np.eye(corners), 1, axis=1))
    outer_of = scipy.sparse.diags(stencil.high) @ scipy.sparse.eye(rows, rows + 1, k=1)
    inner_of = scipy.sparse.diags(stencil.low) @ scipy.sparse.eye(rows, rows + 1)
    stretch = scipy.sparse.kron(outer_of - inner_of, (following - around)[:columns])
    radial = scipy.sparse.diags([stencil.below[1:], -stencil.below - stencil.above, stencil.above[:-1]], [-1, 0, 1])
    laplacian = following + following.T - 2 * around
    shear = scipy.sparse.kron(radial, around) + scipy.sparse.kron(scipy.sparse.diags(stencil.sideways), laplacian)
    matrix = stretch.T @ scipy.sparse.diags(cell_weight.ravel()) @ stretch
    matrix = matrix + shear.T @ scipy.sparse.diags(corner_weight[:, :corners].ravel()) @ shear
    if drag is not None:
        turn = scipy.sparse.kron(scipy.sparse.eye(rows + 1), (following - around)[:columns])
        matrix = matrix + turn.T @ scipy.sparse.diags(drag[:, 1:-1].ravel()) @ turn
    first = 0 if mesh.periodic else 1
    inside = (np.arange(1, rows)[:, None] * corners + first + np.arange(width)).T.ravel()  # radius fastest
    matrix = matrix.tocsr()[inside][:, inside].tocoo()
    if mesh.periodic:  # the first and last columns meet: no narrow band
        solution: np.ndarray = scipy.sparse.linalg.spsolve(matrix.tocsc(), load.T.ravel())
        return solution.reshape(width, rows - 1).T.copy()
    bandwidth = min(2 * (rows - 1), inside.size - 1)
    band = np.zeros((bandwidth + 1, inside.size))
    lower = matrix.row >= matrix.col
    band[matrix.row[lower] - matrix.col[lower], matrix.col[lower]] = matrix.data[lower]
    solution = scipy.linalg.solveh_banded(band, load.T.ravel(), lower=True)
    return solution.reshape(width, rows - 1).T.copy()
