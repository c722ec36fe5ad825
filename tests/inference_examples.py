"""Functions with known answers in place of a surrogate, and a posterior that figures can draw."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from scipy import stats

from surrogate.inference import Observation, Observations, Posterior
from surrogate.inference.posterior import solve
from surrogate.parameters import EVOLUTION_PARAMETERS, Parameter, ParameterSpace


def box(count: int, half: float) -> ParameterSpace:
    return ParameterSpace([Parameter(f"x{number}", low=-half, high=half) for number in range(count)])


@dataclass(frozen=True)
class Known:
    """Observables y0, y1, ... that are the rows of a matrix times the parameters, with a standard error."""

    space: ParameterSpace
    matrix: np.ndarray
    width: float = 0.0

    def __call__(self, unit: np.ndarray, observations: Observations) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        point = self.space.unscale(unit)
        values, widths = np.empty((2, len(observations), len(unit)))
        for row, entry in enumerate(observations):
            if entry.quantity in self.space.names:
                values[row], widths[row] = point[:, self.space.names.index(entry.quantity)], 1e-9
            else:
                values[row], widths[row] = point @ self.matrix[int(entry.quantity[1:])], self.width
        return values, widths, np.zeros(len(unit))


def measured(values: Any, errors: Any) -> Observations:
    pairs = enumerate(zip(values, np.broadcast_to(errors, np.shape(values)), strict=True))
    return Observations(tuple(Observation(f"y{row}", value=float(v), error=float(e)) for row, (v, e) in pairs))


def normal_problem(count: int = 5) -> tuple[Known, Observations, np.ndarray, np.ndarray, float]:
    """Parameters with a normal prior and three linear observables: mean, covariance and ln Z of the posterior."""
    rng = np.random.default_rng(4)
    forward = Known(box(count, 4.5), 0.4 * rng.normal(size=(3, count)))
    data, error = np.array([0.7, -0.4, 0.3]), 1.0
    prior = tuple(Observation(name, value=0.0, error=1.0) for name in forward.space.names)
    seen = Observations((*prior, *measured(data, error)))
    precision = np.eye(count) + forward.matrix.T @ forward.matrix / error**2
    covariance = np.linalg.inv(precision)
    mean = covariance @ forward.matrix.T @ data / error**2
    of_data = forward.matrix @ forward.matrix.T + error**2 * np.eye(3)
    # Densities are per standard error, and the box is uniform.
    evidence = stats.multivariate_normal(np.zeros(3), of_data).logpdf(data) - count * np.log(9.0)
    return forward, seen, mean, covariance, float(evidence)


def drawn_posterior() -> xr.Dataset:
    """The content of a posterior.nc of five parameters, with made-up histories."""
    seen = Observations(
        (
            Observation("total_surface_heat_flux", 4.5, low="14 mW/m2", high="25 mW/m2"),
            Observation("lithosphere_thickness", 4.5, value="540 km", error="120 km"),
            Observation("core_temperature", 4.5, low=1450.0),
        ),
        ("The crust is thin.",),
    )

    class Planet:
        space = EVOLUTION_PARAMETERS

        def __call__(self, unit: np.ndarray, observations: Observations) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            values = np.stack([0.01 + 0.02 * unit[:, 3], 2e5 + 4e5 * unit[:, 0], 1400 + 900 * unit[:, 4]])
            return values, 0.02 * values, np.zeros(len(unit))

    answer: Posterior = solve(Planet(), seen, 2048, 1, "reference")
    data, times = answer.dataset(), np.linspace(0.25, 4.5, 18)
    middle = {"total_surface_heat_flux": 0.02, "lithosphere_thickness": 4e5, "core_temperature": 2000.0}
    for name, value in middle.items():
        for kind, share in (("prior", 0.3), ("posterior", 0.1)):
            band = value * (1 + share * np.array([-1.0, 0.0, 1.0]))[:, None] * np.ones(len(times))
            data[f"{name}_{kind}"] = (("quantile", "time"), band)
    return data.assign_coords(time=times)
