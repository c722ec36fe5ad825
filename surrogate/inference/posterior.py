"""What observations say of the parameters: posterior, evidence, what each datum gives, and what is predicted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from surrogate.files import atomic, code_version
from surrogate.inference.correction import COVERED, Corrected, allowed_shape, propose
from surrogate.inference.likelihood import LEVEL
from surrogate.inference.observations import MARS, Observation, Observations, read_observations
from surrogate.inference.reference import (
    Forward,
    InferenceError,
    Prediction,
    Reference,
    information,
    marginal_information,
    moments,
    resampled,
)
from surrogate.quantities import DIMENSIONAL, VARIABLES
from surrogate.query import Surrogate

ENOUGH = 2000.0
"""Effective number of points from which on the reference is the answer."""

LARGEST_ERROR = 0.1
"""Standard error of the logarithm of the evidence, at most."""

LARGEST_SHARE = 0.05
"""Share of the posterior that may lie far from the training runs."""

DRAWS = 4096
"""Draws that a written result holds."""

HISTORIES = 512
"""Draws whose histories are predicted."""

PRECISION = 4096
"""Draws from which the worth of a measurement is estimated."""

PROPOSED = 16384
"""Points that a flow proposes, at most."""

QUANTILES = (0.05, 0.5, 0.95)

Solver = Literal["auto", "reference", "flow"]


@dataclass(frozen=True)
class Check:
    """Something that must hold for the answer to be trusted.

    Attributes
    ----------
    name : str
    passed : bool
    found : str
        What was found, and expected.
    """

    name: str
    passed: bool
    found: str


class Posterior:
    """Parameters that fit observations, made by :func:`posterior`.

    Parameters
    ----------
    forward : Forward
    observations : Observations
    reference : Reference
        With one row for each observation: even points of the box, or those that a flow proposed.
    seed : int
    flow : Corrected, optional
        What is known of that flow.
    plain : Posterior, optional
        The one of even points, beside that of a flow.

    Attributes
    ----------
    log_evidence, log_evidence_error : float
        Logarithm of the mean likelihood over the prior: of intervals, the probability that they are met.
    effective : float
        Effective number of points.
    bits, bits_error : float
        Information gained on all parameters together.
    """

    def __init__(
        self,
        forward: Forward,
        observations: Observations,
        reference: Reference,
        seed: int,
        flow: Corrected | None = None,
        plain: Posterior | None = None,
    ) -> None:
        self.flow, self.plain = flow, plain
        self.forward, self.observations, self.reference, self.seed = forward, observations, reference, seed
        self.space = forward.space
        self._likelihoods = reference.log_likelihoods(observations)
        log_likelihood = self._likelihoods.sum(axis=0) + np.zeros(reference.distance.shape)
        weighed = moments(log_likelihood - reference.log_proposal)
        self.log_evidence, self.log_evidence_error, self.weights, self.effective = weighed
        self.bits, self.bits_error = information(log_likelihood, reference.log_proposal)

    @cached_property
    def parameter_bits(self) -> pd.DataFrame:
        """Information gained on each parameter on its own, and its standard error."""
        bits, error = marginal_information(self.reference.unit, self.weights, self.effective)
        return pd.DataFrame({"bits": bits, "error": error}, index=list(self.space.names))

    @cached_property
    def checks(self) -> tuple[Check, ...]:
        """Whether the answer can be trusted."""
        beyond = float(self.weights[self.reference.distance > 1].sum())
        return (
            *self._checks_of_flow(),
            Check("effective points", self.effective >= ENOUGH, f"{self.effective:.0f}, expected {ENOUGH:.0f} or more"),
            Check(
                "error of the evidence",
                self.log_evidence_error <= LARGEST_ERROR,
                f"{self.log_evidence_error:.3f}, expected {LARGEST_ERROR:g} or less",
            ),
            Check(
                "near the training runs",
                beyond <= LARGEST_SHARE,
                f"{beyond:.1%} of the posterior is far from them, expected {LARGEST_SHARE:.0%} or less",
            ),
        )

    def _checks_of_flow(self) -> Iterator[Check]:
        if self.flow is None or self.plain is None:
            return
        shape, most = self.flow.pareto, allowed_shape(self.weights.size)
        yield Check("tail of the weights", shape < most, f"Pareto k = {shape:.2f}, expected less than {most:.2f}")
        found = f"{self.flow.covered:.2f} of the evidence of even points, expected {COVERED:g} or more"
        slack = 3 * self.plain.log_evidence_error
        yield Check("no mode is lost", np.log(self.flow.covered) >= np.log(COVERED) - slack, found)
        apart = self.log_evidence - self.plain.log_evidence
        error = float(np.hypot(self.log_evidence_error, self.plain.log_evidence_error))
        found = f"{apart:+.3f} +- {error:.3f} from that of even points, expected within 3 errors"
        yield Check("evidence by two routes", abs(apart) <= 3 * error, found)

    @property
    def passed(self) -> bool:
        """Whether all checks hold."""
        return all(check.passed for check in self.checks)

    def table(self) -> pd.DataFrame:
        """Quantiles of each parameter in its unit, and the bits gained on it."""
        values = self.space.unscale(self.reference.unit[np.unravel_index(self._draw(DRAWS, 0), self.weights.shape)])
        low, median, high = np.quantile(values, QUANTILES, axis=0)
        frame = pd.DataFrame(
            {"unit": [entry.unit for entry in self.space], "5 %": low, "median": median, "95 %": high},
            index=list(self.space.names),
        )
        return frame.assign(bits=self.parameter_bits["bits"], error=self.parameter_bits["error"])

    def _draw(self, count: int, seed: int | None) -> np.ndarray:
        return resampled(self.weights, count, self.seed if seed is None else seed)

    def draws(self, count: int = 500, seed: int | None = None) -> pd.DataFrame:
        """Draw sets of parameters, in their units: a table that `predict`, `heat_flux` and others take.

        Systematic draws from weighted points: with more draws than the effective number of points, some come twice.
        """
        rows = np.random.default_rng(self.seed if seed is None else seed).permutation(self._draw(count, seed))
        unit = self.reference.unit.reshape(-1, len(self.space))[rows]
        return pd.DataFrame(self.space.unscale(unit), columns=list(self.space.names))

    def _restricted(self, kept: Observations) -> Posterior:
        rows = [self.observations.entries.index(entry) for entry in kept]
        own = self.reference
        narrowed = Reference(own.unit, own.values[rows], own.widths[rows], own.distance, own.log_proposal)
        return Posterior(self.forward, kept, narrowed, self.seed)

    def without(self, *names: str) -> Posterior:
        """Return the posterior without some observations; nothing is evaluated anew."""
        return self._restricted(self.observations.without(*names))

    def only(self, *names: str) -> Posterior:
        """Return the posterior with these observations alone; nothing is evaluated anew."""
        return self._restricted(self.observations.only(*names))

    def subsets(self) -> xr.Dataset:
        """Tell what every subset of the observations says of every parameter; nothing is evaluated anew.

        This is the table of Agarwal et al. 2021 (EGU21-4044), in bits.

        Returns
        -------
        xarray.Dataset
            ``bits`` on (subset, parameter), ``total_bits`` on (subset), and ``used`` on (subset, observation).
        """
        names = [entry.name for entry in self.observations]
        chosen = [part for size in range(1, len(names) + 1) for part in combinations(range(len(names)), size)]
        bits, total = np.empty((len(chosen), len(self.space))), np.empty(len(chosen))
        for row, part in enumerate(chosen):
            log_likelihood = self._likelihoods[list(part)].sum(axis=0)
            _, _, weights, effective = moments(log_likelihood - self.reference.log_proposal)
            bits[row], _ = marginal_information(self.reference.unit, weights, effective)
            total[row], _ = information(log_likelihood, self.reference.log_proposal)
        used = [[number in part for number in range(len(names))] for part in chosen]
        return xr.Dataset(
            {
                "bits": (("subset", "parameter"), bits, {"units": "bit"}),
                "total_bits": ("subset", total, {"units": "bit"}),
                "used": (("subset", "observation"), np.array(used, dtype=np.int8).reshape(len(chosen), len(names))),
            },
            {"parameter": list(self.space.names), "observation": names},
        )

    @property
    def surrogate(self) -> Surrogate:
        """What predicts."""
        if not isinstance(self.forward, Prediction):
            raise InferenceError("this posterior is of a function, not of a surrogate")
        return self.forward.surrogate

    def predict(self, quantity: str, time: Any = None, draws: int = HISTORIES) -> xr.Dataset:
        """Predict a quantity with the parameters that fit.

        Parameters
        ----------
        quantity : str
            An observable of the surrogate.
        time : as :meth:`surrogate.Surrogate.predict` takes it
        draws : int

        Returns
        -------
        xarray.Dataset
            On (quantile, time): ``posterior``, ``posterior_with_error`` with the surrogate's own error, and ``prior``.
        """
        from surrogate.query import read_times

        surrogate, times = self.surrogate, read_times(time, self.surrogate.default_times, self.surrogate.units)
        observables = surrogate.observables(self._method)
        observables.check(quantity)
        fitting = self.draws(draws).to_numpy()
        before = self.space.draw(draws, self.seed)
        bands: dict[str, Any] = {}
        for name, sets in (("posterior", fitting), ("prior", before)):
            values = observables.evaluate(sets, times, (quantity,))
            bands[name] = np.quantile(values[quantity], QUANTILES, axis=0)
            if name == "posterior":
                width = observables.half_widths(values, sets, times, LEVEL)[quantity]
                noise = np.random.default_rng(self.seed).standard_normal(width.shape)
                bands["posterior_with_error"] = np.quantile(values[quantity] + width * noise, QUANTILES, axis=0)
        about = surrogate.units.described(quantity)
        return xr.Dataset(
            {name: (("quantile", "time"), band, about) for name, band in bands.items()},
            {"quantile": list(QUANTILES), "time": ("time", times, surrogate.units.described("time"))},
        )

    @property
    def _method(self) -> str:
        return self.forward.method if isinstance(self.forward, Prediction) else ""

    def worth(self, quantity: str, time: Any = 4.5, error: Any = None) -> tuple[float, float]:
        """Tell how much a measurement that has not been made would add, on average over what it may find.

        Parameters
        ----------
        quantity : str
        time : float or str, Gyr
        error : float or str
            Standard error of the measurement.

        Returns
        -------
        bits, error : float
            Expected divergence of the posterior with the measurement from this one, and its standard error.
        """
        units = self.surrogate.units if isinstance(self.forward, Prediction) else DIMENSIONAL
        wanted = Observation(quantity, time, value=0.0, error=error).of(self.space, units)
        unit = self.reference.unit.reshape(-1, len(self.space))[self._draw(PRECISION, None)]
        values, widths, _ = self.forward(unit, Observations((wanted,)))
        own = float(wanted.structural_error or 0.0)
        width = np.sqrt(widths[0] ** 2 + (own * values[0]) ** 2 + float(wanted.error) ** 2)
        rng = np.random.default_rng(self.seed)
        some = rng.choice(PRECISION, PRECISION // 4, replace=False)
        seen = values[0, some] + width[some] * rng.standard_normal(len(some))
        of_all = -0.5 * ((seen[:, None] - values[0]) / width) ** 2 - np.log(width)
        of_all = of_all - np.max(of_all, axis=1, keepdims=True, initial=-np.inf, where=np.isfinite(of_all)) + 0.0
        own_row = of_all[np.arange(len(some)), some]
        gained = (own_row - np.log(np.exp(of_all).mean(axis=1))) / np.log(2)
        return float(gained.mean()), float(gained.std(ddof=1) / np.sqrt(len(gained)))

    def summary(self) -> dict[str, Any]:
        """Everything that a reader must know, as JSON can hold it."""
        return {
            "observations": list(self.observations.sources()),
            "caveats": list(self.observations.caveats),
            "log_evidence": self.log_evidence,
            "log_evidence_error": self.log_evidence_error,
            "effective_points": self.effective,
            "bits": self.bits,
            "bits_error": self.bits_error,
            **({} if self.flow is None else self._about_flow()),
            "parameters": self.table().to_dict("index"),
            "checks": [asdict(check) for check in self.checks],
        }

    def _about_flow(self) -> dict[str, float]:
        names = ("efficiency", "pareto", "covered", "forward_efficiency", "acceptance", "density")
        return {f"flow_{name}": float(getattr(self.flow, name)) for name in names}

    def dataset(self) -> xr.Dataset:
        """Draws, quantiles, bits, subsets and histories of what was observed, with how they came about.

        Errors of several observations are taken to be independent.
        """
        table, draws = self.table(), self.draws(DRAWS)
        rows = ["parameter"]
        content = {
            "draws": (("draw", "parameter"), draws.to_numpy()),
            "quantiles": (("quantile", "parameter"), table[["5 %", "median", "95 %"]].to_numpy(float).T),
            "parameter_bits": (rows, table["bits"].to_numpy(), {"units": "bit"}),
            "parameter_bits_error": (rows, table["error"].to_numpy(), {"units": "bit"}),
            "low": (rows, [entry.low for entry in self.space]),
            "high": (rows, [entry.high for entry in self.space]),
            "logarithmic": (rows, [int(entry.logarithmic) for entry in self.space]),
        }
        coordinates = {
            "parameter": list(self.space.names),
            "symbol": (rows, [entry.symbol for entry in self.space]),
            "unit": (rows, [entry.unit for entry in self.space]),
            "quantile": list(QUANTILES),
        }
        interval = np.array([entry.interval for entry in self.observations]).reshape(-1, 2)
        errors = [entry.error or 0.0 for entry in self.observations]
        data = xr.Dataset(content, coordinates).merge(self.subsets())
        data = data.assign(
            observed_low=("observation", interval[:, 0] - errors),
            observed_high=("observation", interval[:, 1] + errors),
            observed_time=("observation", [float(entry.time) for entry in self.observations]),
            observed_quantity=("observation", [entry.quantity for entry in self.observations]),
        )
        summary = self.summary()
        attributes = {
            **{name: summary[name] for name in summary if isinstance(summary[name], float)},
            "observations": json.dumps([entry.record() for entry in self.observations]),
            "caveats": json.dumps(summary["caveats"]),
            "checks": json.dumps(summary["checks"]),
            "errors_of_observations": "taken to be independent",
            "points": int(self.weights.size),
            "seed": self.seed,
            "code_version": code_version(),
        }
        if isinstance(self.forward, Prediction):
            data = data.merge(self._histories())
            attributes |= {"method": self._method, "bundle_digest": self.surrogate.bundle.digest}
        return data.assign_attrs(attributes)

    def _histories(self) -> xr.Dataset:
        """Bands of each observed quantity over time."""
        names = [name for name in dict.fromkeys(entry.quantity for entry in self.observations) if name in VARIABLES]
        first, last = self.surrogate.time_range
        times = np.linspace(first, last, 19)[1:]
        parts = [
            self.predict(name, times, HISTORIES // 2).rename({own: f"{name}_{own}" for own in ("prior", "posterior")})
            for name in names
        ]
        merged = [part.drop_vars("posterior_with_error") for part in parts]
        return xr.merge(merged, combine_attrs="drop") if merged else xr.Dataset()

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write :meth:`dataset` to a NetCDF file, whole or not at all."""
        with atomic(path) as temporary:
            self.dataset().to_netcdf(temporary, engine="h5netcdf")


def posterior(
    surrogate: Surrogate,
    observations: Any = MARS,
    *,
    chosen: str = "default",
    method: str = "fnn",
    points: int = 131072,
    seed: int = 0,
    solver: Solver = "auto",
) -> Posterior:
    """Find the parameters that fit observations.

    The prior is uniform over the trained ranges, on the natural axes; narrow it with observations of parameters.

    Parameters
    ----------
    surrogate : Surrogate
    observations : Observations, sequence of Observation, path of a YAML file, or "mars"
    chosen : str
        Set of the observations in a file.
    method : str
        Of the surrogate.
    points : int
        Points of the reference, a power of two.
    seed : int
    solver : {"auto", "reference", "flow"}
        Even points of the box, or points that a normalising flow proposes, weighed by the surrogate; "auto" takes the
        flow where too few of the even points fit.

    Returns
    -------
    Posterior

    Raises
    ------
    ObservationError
        If the observations cannot be read, or count the same thing twice.
    QueryError, BundleError
        If the surrogate cannot tell what was observed.
    InferenceError
        If an observation lies outside what the corpus can produce, or nothing meets all of them.

    Examples
    --------
    >>> from surrogate import Surrogate
    >>> answer = posterior(Surrogate.load("demo"), MARS.only("lithosphere_thickness"), points=8192)
    >>> bool(answer.parameter_bits.bits["crustal_enrichment"] > answer.parameter_bits.bits["activation_volume"])
    True
    """
    read = read_observations(observations, chosen)
    bound = Observations(tuple(entry.of(surrogate.space, surrogate.units) for entry in read), read.caveats)
    return solve(Prediction(surrogate, method), bound, points, seed, solver)


def solve(forward: Forward, observations: Observations, points: int, seed: int, solver: Solver = "auto") -> Posterior:
    """Evaluate, refuse what cannot be met, and weigh; see :func:`posterior`."""
    if solver not in ("auto", "reference", "flow"):
        raise InferenceError(f"solver {solver!r}: expected auto, reference or flow")
    reference = Reference.evaluate(forward, observations, points, seed)
    reference.refuse_unreachable(observations)
    plain = Posterior(forward, observations, reference, seed)
    if solver == "reference" or not len(observations) or (solver == "auto" and plain.effective >= ENOUGH):
        return plain
    found = propose(forward, observations, reference, min(points, PROPOSED), seed)
    return Posterior(forward, observations, found.points, seed, found, plain)
