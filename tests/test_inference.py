"""Inference: posteriors, evidence and information with answers known on paper, and input that cannot be used."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_examples import Known, box, measured, normal_problem
from scipy import special, stats

from surrogate.inference import (
    MARS,
    InferenceError,
    Observation,
    ObservationError,
    Observations,
    Posterior,
    confirm,
    posterior,
    read_observations,
)
from surrogate.inference.likelihood import log_interval, log_normal_cdf, log_value
from surrogate.inference.posterior import solve as solve_by
from surrogate.inference.reference import Reference
from surrogate.quantities import DIMENSIONLESS
from surrogate.query import QueryError, Surrogate

SMALL = 2048


def solve(forward: Known, seen: Observations, points: int, seed: int) -> Posterior:
    return solve_by(forward, seen, points, seed, "reference")


@pytest.mark.parametrize(("count", "precise"), [(3, 3e-3), (5, 0.06)])
def test_a_normal_posterior_is_that_of_the_closed_form(count: int, precise: float) -> None:
    forward, seen, mean, covariance, evidence = normal_problem(count)
    answer = solve(forward, seen, 2**16, 3)
    assert answer.log_evidence == pytest.approx(evidence, abs=4 * answer.log_evidence_error)
    assert answer.log_evidence_error < precise
    points, weights = forward.space.unscale(answer.reference.unit.reshape(-1, count)), answer.weights.ravel()
    found = weights @ points
    np.testing.assert_allclose(found, mean, atol=precise)
    spread = (weights[:, None] * (points - found)).T @ (points - found)
    np.testing.assert_allclose(spread, covariance, atol=2 * precise)
    # KL of the normal from a uniform box: its negative entropy and the logarithm of the volume.
    expected = (count * np.log(9.0) - 0.5 * np.log(np.linalg.det(2 * np.pi * math.e * covariance))) / np.log(2)
    assert answer.bits == pytest.approx(expected, abs=4 * answer.bits_error)


def test_one_datum_on_one_parameter_is_told_in_bits() -> None:
    forward = Known(box(3, 1.0), np.eye(3))
    answer = solve(forward, Observations((Observation("x1", low=-0.25, high=0.0),)), 2**15, 0)
    sharp = Reference(
        answer.reference.unit, answer.reference.values, 1e-9 + answer.reference.widths, answer.reference.distance
    )
    answer = Posterior(forward, answer.observations, sharp, 0)
    assert answer.bits == pytest.approx(3.0, abs=0.01)
    np.testing.assert_allclose(answer.parameter_bits["bits"], [0, 3, 0], atol=0.03)
    assert answer.log_evidence == pytest.approx(-3 * np.log(2), abs=0.01)
    assert answer.draws(50)["x1"].between(-0.2501, 0.0001).all()


def test_without_data_nothing_is_learnt() -> None:
    answer = solve(Known(box(2, 1.0), np.eye(2)), Observations(()), SMALL, 0)
    assert (answer.log_evidence, answer.bits, answer.log_evidence_error) == (0.0, 0.0, 0.0)
    assert answer.effective == pytest.approx(SMALL)
    np.testing.assert_allclose(answer.parameter_bits["bits"], 0.0, atol=1e-12)


def test_leaving_data_out_is_the_same_as_never_having_had_them() -> None:
    forward, seen, *_ = normal_problem()
    all_data, fewer = solve(forward, seen, SMALL, 5), solve(forward, seen.without("y1"), SMALL, 5)
    assert all_data.without("y1").log_evidence == pytest.approx(fewer.log_evidence, rel=1e-12)
    assert all_data.only("y0", "y2").bits == pytest.approx(solve(forward, seen.only("y0", "y2"), SMALL, 5).bits)
    with pytest.raises(ObservationError, match="y7: no such observation"):
        all_data.without("y7")


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(8)), scrambling=st.permutations(range(8)))
def test_the_order_of_data_and_scramblings_does_not_matter(order: list[int], scrambling: list[int]) -> None:
    forward, seen, *_ = normal_problem()
    first = solve(forward, seen, 256, 1)
    own = first.reference
    other = Reference(
        own.unit[scrambling],
        own.values[order][:, scrambling],
        own.widths[order][:, scrambling],
        own.distance[scrambling],
    )
    again = Posterior(forward, Observations(tuple(seen[row] for row in order)), other, 1)
    assert again.log_evidence == pytest.approx(first.log_evidence, rel=1e-12)
    assert again.log_evidence_error == pytest.approx(first.log_evidence_error, rel=1e-9)
    assert again.bits == pytest.approx(first.bits, rel=1e-9)


def test_the_worth_of_a_measurement_is_that_of_normal_theory() -> None:
    forward = Known(box(2, 6.0), np.array([[1.0, 0.0], [0.6, 0.8]]))
    seen = Observations(tuple(Observation(name, value=0.0, error=1.0) for name in forward.space.names))
    answer = solve(forward, seen, 2**15, 2)
    bits, error = answer.worth("y1", error=0.5)
    assert bits == pytest.approx(0.5 * np.log2(1 + 1 / 0.25), abs=max(0.05, 3 * error))


def ranks(share: float) -> np.ndarray:
    """Ranks of true parameters among posterior draws, of data with an error that the likelihood takes by a share."""
    rng, forward = np.random.default_rng(8), Known(box(2, 1.0), np.array([[1.0, 0.5], [-0.4, 1.0]]))
    reference = Reference.evaluate(forward, measured([0, 0], 1.0), 4096, 1)
    found = []
    for truth in rng.uniform(-1, 1, (256, 2)):
        data = forward.matrix @ truth + 0.3 * rng.standard_normal(2)
        answer = Posterior(forward, measured(data, share * 0.3), reference, int(rng.integers(1 << 30)))
        found.append((answer.draws(63).to_numpy() < truth).sum(axis=0))
    return (np.concatenate(found) + 0.5) / 64


def test_posteriors_are_calibrated_and_those_with_half_the_error_are_not() -> None:
    assert stats.kstest(ranks(1.0), "uniform").pvalue > 0.01
    # Errors that are too small throw the truth to the ends.
    assert np.abs(ranks(0.5) - 0.5).mean() > 0.25 + 4 * np.sqrt(1 / 48 / 512)


@pytest.mark.parametrize("backend", ["numpy", "keras"])
def test_likelihoods_are_finite_far_from_the_data(backend: str) -> None:
    if backend == "keras":
        from keras import ops

        xp: Any = ops
    else:
        xp = np
    x = np.array([-40.0, -8.0, -2.0, 0.0, 2.0, 8.0], dtype=np.float32)
    np.testing.assert_allclose(np.asarray(log_normal_cdf(xp.array(x), xp)), special.log_ndtr(x), rtol=2e-5, atol=1e-7)
    for low, high in ((-1.0, 1.0), (-np.inf, 1.0), (-1.0, np.inf)):
        values = np.array([-41.0, -0.5, 0.5, 41.0], dtype=np.float32)
        found = np.asarray(log_interval(xp.array(values), xp.array(np.ones_like(values)), low, high, xp))
        assert np.isfinite(found).all()
        far = special.log_ndtr(-40.0)
        assert found[0] == pytest.approx(far if np.isfinite(low) else 0.0, rel=1e-3, abs=1e-6)
        assert found[3] == pytest.approx(far if np.isfinite(high) else 0.0, rel=1e-3, abs=1e-6)


def test_far_from_the_data_the_gradient_points_to_them() -> None:
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("written for TensorFlow")
    import tensorflow as tf

    value = tf.Variable([-40.0, 0.0, 40.0])
    with tf.GradientTape() as tape:
        likelihood = log_interval(value, tf.ones(3), -1.0, 1.0, keras.ops)
    slope = tape.gradient(likelihood, value).numpy()
    np.testing.assert_allclose(slope, [39.0, 0.0, -39.0], rtol=0.01, atol=1e-5)


def test_the_width_of_a_value_stays_in_its_density() -> None:
    widths = np.array([0.0, 1.0, 3.0])
    expected = stats.norm(2.0, np.hypot(widths, 0.5)).logpdf(3.0) + np.log(0.5)
    np.testing.assert_allclose(log_value(np.full(3, 2.0), widths, 3.0, 0.5), expected)


def test_what_cannot_be_met_is_named() -> None:
    forward = Known(box(2, 1.0), np.eye(2), width=0.01)
    with pytest.raises(
        InferenceError, match=r"y0 = 5 \+- 0.1 is outside what the corpus can produce: -0.9\d+ .. 0.9\d+"
    ):
        solve(forward, measured([5.0, 0.0], 0.1), SMALL, 0)
    both = Known(box(2, 1.0), np.array([[1.0, 0.0], [1.0, 0.0]]), width=0.01)
    with pytest.raises(InferenceError, match=r"no parameters meet the observations together; the nearest miss y0 \("):
        solve(both, measured([0.9, -0.9], 0.1), SMALL, 0)
    with pytest.raises(InferenceError, match="points: expected a power of two"):
        solve(forward, measured([0.0], 0.1), 1000, 0)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"quantity": "surface_heat_flux", "low": "1 K"}], "surface_heat_flux: low"),
        ([{"quantity": "surface_heat_flux", "value": 0.02}], "expected value and error"),
        ([{"quantity": "mean_temperature", "low": 1700, "high": 1600}], "expected low < high"),
        ([{"quantity": "mean_temperature", "value": 1700, "error": 0}], "error: expected more than 0"),
        ([{"quantity": "mean_temperature", "lowest": 1700}], "observation 1: expected some of"),
        (
            [{"quantity": "urey_ratio", "low": 0.7}, {"quantity": "total_surface_heat_flux", "low": 0.014}],
            "total_surface_heat_flux and urey_ratio at 4.5 Gyr count the same thing twice",
        ),
        (
            [
                {"quantity": name, "low": 1.0}
                for name in ("lithosphere_gradient", "lithosphere_thickness", "potential_temperature")
            ],
            "lithosphere_gradient at 4.5 Gyr follows from",
        ),
        ([{"quantity": "mean_temperature", "low": 1}, {"quantity": "mean_temperature", "high": 2}], "given twice"),
        ([{"quantity": "mean_temperature", "low": 1, "use": []}], "no observation is used in a set 'default'"),
    ],
)
def test_observations_that_cannot_be_used_are_refused(entries: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "seen.yaml"
    path.write_text(json.dumps({"observations": entries}))
    with pytest.raises(ObservationError, match=message) as raised:
        read_observations(path)
    assert str(raised.value).startswith(str(path)) or "twice" in message or "follows" in message


def test_a_dimensionless_corpus_takes_numbers_without_units() -> None:
    space = box(2, 1.0)
    seen = Observation("surface_heat_flux", 0.1, low=3.0, high=4.0).of(space, DIMENSIONLESS)
    assert (seen.name, seen.text) == ("surface_heat_flux at 0.1", "3 .. 4")
    with pytest.raises(ObservationError, match="surface_heat_flux: low"):
        Observation("surface_heat_flux", 0.1, low="3 mW/m2").of(space, DIMENSIONLESS)
    with pytest.raises(ObservationError, match="surface_heat_flux: time"):
        Observation("surface_heat_flux", "1 Gyr", low=3.0).of(space, DIMENSIONLESS)


def test_mars_holds_no_datum_twice_and_every_one_has_a_source() -> None:
    for chosen in ("default", "insight"):
        seen = read_observations("mars", chosen)
        assert all(entry.source for entry in seen)
        assert seen.caveats
    kept = MARS.only("total_surface_heat_flux")[0]
    assert (kept.low, kept.high, kept.structural_error) == pytest.approx((0.014, 0.025, 0.1))


def test_a_surrogate_is_inverted_and_the_result_is_written(tiny: Surrogate, tmp_path: Path) -> None:
    middle = tiny.observe(["mean_temperature", "surface_heat_flux"], tiny.space.unscale(np.full(5, 0.5)), time=3.0)
    seen = [
        Observation("mean_temperature", 3.0, value=float(middle.mean_temperature[0]), error=20.0),
        Observation("surface_heat_flux", 3.0, value=float(middle.surface_heat_flux[0]), error="5 mW/m2"),
        Observation("initial_temperature", low="1650 K", high="1750 K"),
    ]
    answer = posterior(tiny, seen, points=512, seed=4, solver="reference")
    assert answer.bits > 0.5
    assert answer.draws(40).initial_temperature.between(1649, 1751).all()
    band = answer.predict("core_mantle_boundary_heat_flux", [1, 3])
    assert np.all(np.diff(band.posterior_with_error, axis=0) > 0)
    answer.write(tmp_path / "posterior.nc")
    stored = xr.load_dataset(tmp_path / "posterior.nc", engine="h5netcdf")
    assert stored.attrs["bundle_digest"] == tiny.bundle.digest
    assert stored.attrs["seed"] == 4
    assert {check["name"] for check in json.loads(stored.attrs["checks"])} >= {"effective points"}
    np.testing.assert_allclose(stored.total_bits[-1], answer.bits)
    again = posterior(tiny, seen, points=512, seed=4, solver="reference")
    assert again.log_evidence == answer.log_evidence
    with pytest.raises(QueryError, match="outside the trained"):
        posterior(tiny, [Observation("mean_temperature", 9.0, low=1500.0)], points=512, solver="reference")
    with pytest.raises(QueryError, match="observable 'mean_temperatur'"):
        posterior(tiny, [Observation("mean_temperatur", 1.0, low=1500.0)], points=512, solver="reference")


def test_simulations_confirm_what_they_meet(tiny: Surrogate) -> None:
    from surrogate.settings import EvolutionSettings

    reachable = posterior(tiny, [Observation("core_temperature", 0.2, low=2000.0)], points=64, solver="reference")
    small = EvolutionSettings(radial_cells=10, angular_cells=10)
    table = confirm(reachable, 1, small)
    assert table["meets_all"].all()
    assert 2000.0 < table["core_temperature at 0.2 Gyr"][0] < 2260.0
