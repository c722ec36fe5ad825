"""Flow posteriors: densities, gradients, correction and lost modes, with answers known on paper or by quadrature."""

import math
from typing import Any

import numpy as np
import pytest
from inference_examples import box, normal_problem
from keras import ops

from surrogate.inference import Observations
from surrogate.inference.correction import (
    COVERED,
    StandIn,
    allowed_shape,
    compare,
    diagnose,
    metropolis,
    pareto_shape,
    propose,
    train_checked,
)
from surrogate.inference.flow import (
    ContinuousFlow,
    CouplingFlow,
    Flow,
    FlowTraining,
    density_in_cube,
    gradient,
    log_base,
    logit,
    reverse_gradient,
    train_flow,
)
from surrogate.inference.posterior import Posterior, solve
from surrogate.inference.reference import Reference

FLOWS: tuple[Flow, ...] = (CouplingFlow(3), ContinuousFlow(3))
NAMES = ["coupling", "continuous"]


def some_weights(flow: Flow, seed: int, dtype: str = "float32") -> list[Any]:
    """Weights of a flow that is not the identity."""
    rng = np.random.default_rng(seed)
    shapes = [entry.shape for entry in flow.initial(0)]
    return [ops.convert_to_tensor((0.4 * rng.normal(size=s) / np.sqrt(s[0])).astype(dtype)) for s in shapes]


def base(count: int, dimension: int, dtype: str = "float32") -> Any:
    return ops.convert_to_tensor(np.random.default_rng(1).logistic(size=(count, dimension)).astype(dtype))


@pytest.mark.parametrize("flow", FLOWS, ids=NAMES)
def test_density_there_and_back_is_the_same_and_the_identity_is_the_prior(flow: Flow) -> None:
    z, weights = base(64, 3), some_weights(flow, 2)
    x, log_q = flow.forward(weights, z)
    np.testing.assert_allclose(ops.convert_to_numpy(flow.log_density(weights, x)), log_q, atol=1e-4)
    assert np.abs(ops.convert_to_numpy(x) - ops.convert_to_numpy(z)).max() > 0.1
    same, log_q = flow.forward([ops.convert_to_tensor(entry) for entry in flow.initial(0)], z)
    np.testing.assert_allclose(ops.convert_to_numpy(same), ops.convert_to_numpy(z), atol=1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(log_q), ops.convert_to_numpy(log_base(z)), atol=1e-6)


@pytest.mark.parametrize("flow", FLOWS, ids=NAMES)
def test_a_density_integrates_to_one_over_the_cube(flow: Flow) -> None:
    weights = [ops.convert_to_numpy(entry) for entry in some_weights(flow, 3)]
    even = np.random.default_rng(0).random((40000, 3))
    density = np.exp(density_in_cube(flow, weights, even))
    assert density.mean() == pytest.approx(1.0, abs=5 * density.std() / 200)


@pytest.mark.parametrize("flow", FLOWS, ids=NAMES)
def test_the_score_is_the_derivative_of_the_density(flow: Flow) -> None:
    weights = some_weights(flow, 4)
    x, score = flow.score(weights, base(16, 3))
    expected = ops.convert_to_numpy(gradient(lambda point: flow.log_density(weights, point), x))
    np.testing.assert_allclose(ops.convert_to_numpy(score), expected, atol=1e-4)


def test_half_the_step_is_sixteen_times_as_exact() -> None:
    z = base(16, 2, "float64")
    if "64" not in str(z.dtype):
        pytest.skip("needs double precision")
    exact = ContinuousFlow(2, 64).forward(some_weights(ContinuousFlow(2), 5, "float64"), z)[0]
    errors = []
    for steps in (2, 4):
        x, _ = ContinuousFlow(2, steps).forward(some_weights(ContinuousFlow(2), 5, "float64"), z)
        errors.append(np.abs(ops.convert_to_numpy(x) - ops.convert_to_numpy(exact)).max())
    assert 10 < errors[0] / errors[1] < 25


def banana(x: Any) -> Any:
    """A target whose ridge is a parabola, less the prior."""
    return -0.5 * (x[:, 0] ** 2 + ((x[:, 1] - 0.5 * x[:, 0] ** 2) / 0.5) ** 2) - log_base(x)


@pytest.mark.parametrize("flow", [CouplingFlow(2, 2), ContinuousFlow(2, 2)], ids=NAMES)
def test_path_and_total_gradient_have_the_same_mean(flow: Flow) -> None:
    weights, parts = some_weights(flow, 6), {"path": [], "total": []}  # type: ignore[var-annotated]
    z = np.random.default_rng(7).logistic(size=(9, 456, 2)).astype(np.float32)
    for batch in z:
        for name, found in parts.items():
            _, slopes = reverse_gradient(
                flow,
                weights,
                ops.convert_to_tensor(batch),
                lambda x: banana(x) + log_base(x),
                name,  # type: ignore[arg-type]
            )
            found.append(np.concatenate([ops.convert_to_numpy(slope).ravel() for slope in slopes]))
    path, total = np.array(parts["path"]), np.array(parts["total"])
    # Along one fixed direction: thousands of weights would exceed three errors somewhere.
    direction = total.mean(axis=0) / np.linalg.norm(total.mean(axis=0))
    apart = (path - total) @ direction
    assert abs(apart.mean()) < 3 * apart.std(ddof=1) / 3
    assert total.mean(axis=0) @ direction > 5 * (total @ direction).std(ddof=1) / 3


@pytest.mark.parametrize("flow", [CouplingFlow(2), ContinuousFlow(2)], ids=NAMES)
def test_at_the_target_nothing_is_left_of_the_path_gradient(flow: Flow) -> None:
    z = base(128, 2, "float64")
    if "64" not in str(z.dtype):
        pytest.skip("needs double precision")
    weights, held = some_weights(flow, 8, "float64"), some_weights(flow, 8, "float64")
    size = {}
    for name in ("path", "total"):
        _, slopes = reverse_gradient(flow, weights, z, lambda x: flow.log_density(held, x), name)
        size[name] = max(float(np.abs(ops.convert_to_numpy(slope)).max()) for slope in slopes)
    tolerance = 1e-8 if isinstance(flow, CouplingFlow) else 1e-4  # the inverse is exact only to the steps in time
    assert size["path"] < tolerance
    assert size["total"] > 1e-3


def test_a_flow_corrected_gives_the_numbers_of_the_closed_form() -> None:
    forward, seen, mean, covariance, evidence = normal_problem(3)
    reference = solve(forward, seen, 2**13, 3, "reference").reference
    found = propose(forward, seen, reference, 8192, 0, training=FlowTraining(steps=120))
    answer = Posterior(forward, seen, found.points, 0)
    assert found.efficiency > 0.8
    assert found.pareto < allowed_shape(8192)
    assert found.covered == pytest.approx(1.0, abs=0.1)
    assert found.density == pytest.approx(1.0, abs=0.1)
    assert found.acceptance > 0.5
    assert answer.log_evidence == pytest.approx(evidence, abs=max(0.01, 4 * answer.log_evidence_error))
    points = forward.space.unscale(answer.reference.unit.reshape(-1, 3))
    spread = np.sqrt(np.diag(covariance) / answer.effective)
    assert np.all(np.abs(answer.weights.ravel() @ points - mean) < 4 * spread)
    expected = (3 * np.log(9.0) - 0.5 * np.log(np.linalg.det(2 * np.pi * math.e * covariance))) / np.log(2)
    assert answer.bits == pytest.approx(expected, abs=0.02)
    prior_only = answer.only("x0").log_evidence  # re-weighted: the defensive tenth holds what the flow left out
    assert prior_only == pytest.approx(-np.log(9.0), abs=0.15)


def two_modes(x: Any) -> Any:
    """Likelihood of a target of two normals, 0.7 and 0.3 of it, far apart."""
    larger = -0.5 * ops.sum(((x - 2.0) / 0.35) ** 2, axis=-1) + float(np.log(0.7))
    smaller = -0.5 * ops.sum(((x + 2.0) / 0.35) ** 2, axis=-1) + float(np.log(0.3))
    return ops.logaddexp(larger, smaller) - log_base(x)


@pytest.mark.slow
def test_a_lost_mode_is_seen_and_found_again() -> None:
    flow, even = CouplingFlow(2), Reference.evaluate(Empty(), Observations(()), 2**16, 0).unit.reshape(-1, 2)
    known = ops.convert_to_numpy(two_modes(ops.convert_to_tensor(logit(even).astype(np.float32)))).astype(float)
    upper = even.mean(axis=1) > 0.5
    shares = np.where(upper, np.exp(known - known.max()), 0.0)
    one = FlowTraining(steps=300, forward_steps=400, coldest=1.0)
    started = train_flow(flow, two_modes, one, 0, (logit(even), shares / shares.sum()))
    blind = diagnose(flow, started, two_modes, even, known, 0)
    assert blind.efficiency > 0.8
    assert 0.65 < blind.covered < 0.75 < COVERED
    assert blind.forward_efficiency < 0.1
    # The training that checks itself, from there.
    again = FlowTraining(steps=200, coldest=1.0)
    cured = diagnose(flow, train_checked(flow, two_modes, again, 0, even, known, started), two_modes, even, known, 1)
    assert cured.covered > 0.97


class Empty:
    """Two parameters without observations."""

    space = box(2, 1.0)

    def __call__(self, unit: np.ndarray, observations: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.empty((0, len(unit))), np.empty((0, len(unit))), np.zeros(len(unit))


def test_what_a_flow_never_drew_shows_in_points_that_it_did_not_draw() -> None:
    # Half of a uniform posterior is lost: all weights are equal, half of the evidence is missing.
    known, even = np.zeros(1000), np.arange(1000) % 2 == 0
    log_density = np.where(even, np.log(2.0), -50.0)
    found = compare(np.full(500, -np.log(2.0)), known, log_density)
    assert found.efficiency == pytest.approx(1.0)
    assert found.covered == pytest.approx(0.5)
    assert found.forward_efficiency < 1e-10


def test_a_stand_in_is_as_good_as_it_says() -> None:
    forward, seen, *_ = normal_problem(3)
    reference = solve(forward, seen, 2**13, 3, "reference").reference
    stand_in = StandIn.fit(reference, tuple(seen), 0)
    assert stand_in.error < 1e-3  # the observables are linear
    unit = np.random.default_rng(3).random((50, 3))
    found = ops.convert_to_numpy(stand_in.log_likelihood(ops.convert_to_tensor(logit(unit).astype(np.float32))))
    values, widths, distance = forward(unit, seen)
    exact = Reference(unit[None], values[:, None], widths[:, None], distance[None]).log_likelihoods(seen).sum(axis=0)[0]
    np.testing.assert_allclose(found, exact, rtol=1e-3, atol=1e-2)


def test_independence_metropolis_draws_from_the_target() -> None:
    rng = np.random.default_rng(5)
    proposals = rng.random(20000)
    chain, accepted = metropolis(np.log(3 * proposals**2), 1)  # a density of 3 x^2 from uniform proposals
    assert proposals[chain].mean() == pytest.approx(0.75, abs=0.01)
    assert accepted == pytest.approx(0.5, abs=0.02)  # the double integral of 3 x^2 min(1, y^2 / x^2)


@pytest.mark.parametrize("shape", [0.1, 0.5, 0.9])
def test_the_shape_of_a_tail_is_found(shape: float) -> None:
    uniform = np.random.default_rng(2).random(100000)
    assert pareto_shape(np.log((uniform**-shape - 1) / shape)) == pytest.approx(shape, abs=0.12)


@pytest.mark.slow
def test_reference_and_flow_agree_on_the_shipped_bundle() -> None:
    from surrogate.inference import Observation, posterior
    from surrogate.query import Surrogate

    surrogate = Surrogate.load("demo")
    seen = [
        Observation("surface_heat_flux", 4.5, low="9 mW/m2", high="10 mW/m2", structural_error=0.0),
        Observation("mean_temperature", 4.5, low=1700.0, high=1750.0),
    ]
    differences, errors = [], []
    for seed in (1, 2, 3):
        even, flow = (posterior(surrogate, seen, seed=seed, solver=solver) for solver in ("reference", "flow"))
        differences.append(even.log_evidence - flow.log_evidence)
        errors.append(np.hypot(even.log_evidence_error, flow.log_evidence_error))
    # One pair is not enough: eight scramblings know their error to a fourth only.
    assert abs(np.mean(differences)) < 3 * np.linalg.norm(errors) / len(errors)
    assert flow.flow is not None
    assert flow.flow.pareto < 0.7
    assert flow.flow.efficiency > 0.5
    assert flow.bits == pytest.approx(even.bits, abs=0.05)
