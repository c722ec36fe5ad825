"""What the reference paper reports of its own corpus: to be read beside, never against, the numbers of another one.

Agarwal, Tosi, Kessel, Breuer & Montavon (2021), Deep learning for surrogate modelling of two-dimensional mantle
convection, Phys. Rev. Fluids 6, 113801, arXiv:2108.10105: 10,525 GAIA simulations on 302 x 394 nodes. Means and
quantiles were recomputed from the errors that its authors published for 96 unseen runs (10,102 snapshots); the ratios
of singular values are those of the abstract.
"""

from __future__ import annotations

from typing import Any

from surrogate.parameters import EVOLUTION_PARAMETERS, ParameterSpace
from surrogate.planet import MARS, Planet

PUBLISHED: dict[str, dict[str, Any]] = {
    "fnn": {
        "relative_accuracy": {
            "mean": 99.285,
            "run_median": 99.36,
            "run_tail": 98.52,
            "run_worst": 97.81,
            "snapshot_worst": 96.49,
        },
        "mean_square_error": {"mean": 1.16e-4},
        "singular_value_sum_ratio": {"mean": 96.51},
    },
    "lstm": {
        "relative_accuracy": {
            "mean": 99.174,
            "run_median": 99.33,
            "run_tail": 98.17,
            "run_worst": 97.48,
            "snapshot_worst": 95.96,
        },
        "mean_square_error": {"mean": 1.65e-4},
        "singular_value_sum_ratio": {"mean": 97.66},
    },
}
"""Same layout as the methods of :func:`surrogate.diagnostics.evaluation.evaluate`."""

PUBLISHED_SOURCE = "Agarwal et al. 2021 (arXiv:2108.10105): another corpus (10,525 GAIA runs, 302 x 394)"


def published_for(space: ParameterSpace, planet: Planet) -> dict[str, Any]:
    """Return what the paper reports, if a corpus is like its own: of Mars, with the same parameters.

    Returns
    -------
    dict
        ``published`` and ``published_source``, both empty beside any other corpus.
    """
    alike = set(space.names) == set(EVOLUTION_PARAMETERS.names) and planet == MARS
    return {"published": PUBLISHED if alike else {}, "published_source": PUBLISHED_SOURCE if alike else ""}
