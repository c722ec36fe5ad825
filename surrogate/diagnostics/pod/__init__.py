"""Proper orthogonal decomposition (POD) of sets of snapshots.

Snapshots are the rows of a matrix ``X`` of shape (snapshot, node). With the diagonal matrix ``W`` of the inner
product (cell volumes divided by their sum, or the identity) the decomposition is ``X = U S V`` with orthonormal
coefficients, ``U' U = I``, and modes orthonormal in the inner product, ``V W V' = I``.

The method goes through the Gram matrix ``X W X'`` (method of snapshots, Sirovich 1987) or, when there are fewer
nodes than snapshots, through the covariance ``W^1/2 X' X W^1/2``. A constant row near the mean is subtracted before
any product, and a mean that shall stay in is put back as terms of rank one in double precision, so that a large mean
does not drown the small singular values.

**Truncation rule**: of at most `modes` modes, the smallest number r is kept for which the sum of the squared singular
values left out is at most `tolerance` squared times the sum of all of them; the relative error of the snapshots in
the norm of the inner product is then at most `tolerance`.

:class:`POD` takes any array, as scikit-learn's decompositions do; :func:`decompose` takes a run or a corpus.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from surrogate.diagnostics.pod.decomposition import (
    decompose,
    reconstruct,
    singular_values,
    snapshot_matrix,
    subspace_angles,
    sum_ratio,
)

if TYPE_CHECKING:
    from surrogate.diagnostics.pod.estimator import POD

__all__ = ["POD", "decompose", "reconstruct", "singular_values", "snapshot_matrix", "subspace_angles", "sum_ratio"]

if not TYPE_CHECKING:  # for which a misspelt name is an error

    def __getattr__(name: str) -> Any:
        if name == "POD":  # scikit-learn takes half a second to load
            return import_module("surrogate.diagnostics.pod.estimator").POD
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
