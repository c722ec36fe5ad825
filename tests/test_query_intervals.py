import warnings
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from query_examples import POINT

from surrogate.parameters import EVOLUTION_PARAMETERS as SPACE
from surrogate.query import QueryError, Surrogate
from surrogate.query.extrapolation import Nearness, conformal
from surrogate.query.intervals.calibration import calibrate, coverage, whole_coverage
from surrogate.query.intervals.residuals import Pairs, Residuals, Scatter
from surrogate.query.intervals.widths import LEVELS, features_of, half_width

MIDDLE = SPACE.unscale(np.full((1, 5), 0.5))


def width_at(calibration: Any, name: str, parameters: Any, nearness: Any, *question: Any) -> Any:
    """Half-width at parameters in their units."""
    scaled = nearness.scale(parameters)
    features = features_of(scaled, nearness.distance(scaled) / nearness.threshold)
    return half_width(calibration, name, features, *question)


def calibration_of(residuals: Any) -> Any:
    """Calibrate with residuals of training runs; with where these lie."""
    nearness = Nearness.of_runs(residuals.parameters, SPACE)
    return calibrate(replace(residuals, own=np.arange(len(residuals.times))), nearness), nearness


def draw(runs: int, seed: int, short: Any = True) -> Any:
    """Errors that grow with time, depth and (log-linearly) with the vigour of a run; known exactly."""
    rng = np.random.default_rng(seed)
    unit = rng.random((runs, 5))
    parameters = SPACE.unscale(unit)
    times = np.tile(np.linspace(0, 4.5, 20), (runs, 1))
    if short:
        times[::5, 14:] = np.nan
    size = np.exp(1.5 - 2.0 * unit[:, 0]) * np.exp(0.2 * rng.normal(size=runs))
    scale = size[:, None, None] * (1 + times[..., None]) * np.array([0.0, 1.0, 3.0, 0.0])
    profile = np.abs(rng.normal(size=scale.shape)) * scale
    field = np.abs(rng.normal(size=(*scale.shape, 4))) * scale[..., None]
    values = {"temperature": field, "profile": profile, "mean_temperature": profile[..., 1]}
    return Residuals(parameters, times, values)


def whole(calibration: Any, nearness: Any, test: Any, name: str, level: float) -> Any:
    """Share of the runs that lie within the simultaneous band as a whole."""
    inside = []
    for run, times in enumerate(test.times):
        real = np.isfinite(times)
        width = width_at(calibration, name, test.parameters[run : run + 1], nearness, times[real], level, True)[0]
        inside.append(np.all(test.values[name][run, real] <= width + 1e-12))
    return np.mean(inside)


@pytest.fixture(scope="module")
def calibrated() -> Any:
    return *calibration_of(draw(100, 0)), draw(400, 1)


@pytest.mark.parametrize("name", ["temperature", "profile", "mean_temperature"])
@pytest.mark.parametrize("level", [0.5, 0.72, 0.9, 0.95])
def test_the_share_of_the_truth_inside_is_the_level(calibrated: Any, name: str, level: float) -> None:
    calibration, nearness, test = calibrated
    # 100 runs fix a quantile no better: on average over corpora, below, the level is met within 0.02.
    assert coverage(calibration, test, nearness, [level])[0][name][f"{level:g}"] == pytest.approx(level, abs=0.03)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_whole_histories_lie_within_a_simultaneous_band(calibrated: Any, level: float) -> None:
    calibration, nearness, test = calibrated
    assert whole(calibration, nearness, test, "profile", level) == pytest.approx(level, abs=0.08)


def test_exchangeable_runs_get_the_nominal_coverage_on_average() -> None:
    """Over many corpora, with errors that are correlated within a run as those of real runs are."""
    levels, found, said = [0.5, 0.9, 0.95], [], []
    for corpus in range(25):
        parts = []
        for runs, seed in ((60, 2 * corpus), (40, 2 * corpus + 1)):
            residuals = draw(runs, 100 + seed, short=False)
            common = np.abs(np.random.default_rng(seed).normal(size=(runs, 1)))  # one number for a whole history
            series = common * (1 + residuals.times) * residuals.values["profile"][..., 1].mean(axis=1, keepdims=True)
            parts.append(Residuals(residuals.parameters, residuals.times, {"mean_temperature": series}))
        calibration, nearness = calibration_of(parts[0])
        shares, errors = coverage(calibration, parts[1], nearness, levels)
        found.append(list(shares["mean_temperature"].values()))
        said.append(list(errors["mean_temperature"].values()))
    # 25 x 40 runs, each one draw: the mean is known to 0.02 at 50 % and to 0.01 at 90 %.
    np.testing.assert_allclose(np.mean(found, axis=0), levels, atol=0.02)
    # What one corpus says of its own error is the scatter between corpora; that of the calibration comes on top.
    assert np.all(np.mean(said, axis=0) < 1.2 * np.std(found, axis=0))
    assert np.all(np.mean(said, axis=0) > 0.4 * np.std(found, axis=0))


def members_and_mean(runs: int, seed: int, members: Any = 12) -> Any:
    """Errors of a mean, with a bias and heavy tails from run to run, and of members that scatter about it."""
    rng = np.random.default_rng(seed)
    parameters, times = draw(runs, seed, short=False).parameters, np.tile(np.linspace(0, 4.5, 20), (runs, 1))
    size = np.exp(0.5 * rng.normal(size=(runs, 1, 1)))
    mean = size * (0.4 + rng.normal(size=(runs, 20, 8)) + rng.normal(size=(runs, 1, 1)))
    scatter = rng.normal(size=(runs, members, 20, 8)) + 0.5 * rng.normal(size=(runs, members, 1, 1))
    scatter -= scatter.mean(axis=1, keepdims=True)
    return parameters, times, mean, scatter


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_errors_of_single_members_become_those_of_their_mean(level: float) -> None:
    """Calibrated with members, judged on the mean: as good as if calibrated with the mean itself, bands too."""
    parameters, times, mean, scatter = members_and_mean(300, 0)
    others = members_and_mean(400, 1)
    test = Residuals(others[0], others[1], {"profile": others[2]})
    points = members_and_mean(64, 2)
    of_members = Scatter(points[0], points[1][0], {"profile": points[3]})
    blind = Residuals(parameters, times, {"profile": mean + scatter[:, 0]})
    found, whole_found = {}, {}
    for label, residuals in {
        "members": blind,
        "brought to the mean": replace(blind, scatter=of_members),
        "mean": Residuals(parameters, times, {"profile": mean}),
    }.items():
        calibration, nearness = calibration_of(residuals)
        found[label] = coverage(calibration, test, nearness, [level])[0]["profile"][f"{level:g}"]
        whole_found[label] = whole_coverage(calibration, test, nearness, [level])["profile"][f"{level:g}"]
    assert found["brought to the mean"] == pytest.approx(found["mean"], abs=0.02)
    assert whole_found["brought to the mean"] == pytest.approx(whole_found["mean"], abs=0.05)
    assert found["members"] > found["mean"] + 0.008


@pytest.mark.parametrize("known", [0.5, 0.75])
def test_pairs_correct_a_scatter_that_says_too_little(known: Any) -> None:
    """Members differ at the points of the scatter by half, or not at all, of what they do on runs."""
    parameters, times, mean, scatter = members_and_mean(300, 0)
    others, points, validation = members_and_mean(400, 1), members_and_mean(64, 2), members_and_mean(100, 3)
    mean, test_mean, paired_mean = (0.5 * values for values in (mean, others[2], validation[2]))  # members differ more
    test = Residuals(others[0], others[1], {"profile": test_mean})
    blind = Residuals(
        parameters,
        times,
        {"profile": mean + scatter[:, 0]},
        scatter=Scatter(points[0], points[1][0], {"profile": known * points[3]}),
    )
    single = list((paired_mean[:, None] + validation[3][:, :4]).astype(np.float32))
    pairs = Pairs(validation[0], validation[1], {"profile": single}, {"profile": list(paired_mean[:, None])})
    few = Pairs(validation[0][:3], validation[1][:3], {"profile": single[:3]}, {"profile": pairs.mean["profile"][:3]})
    found = {}
    for label, residuals in {
        "without": blind,
        "with": replace(blind, pairs=pairs),
        "few": replace(blind, pairs=few),
        "mean": Residuals(parameters, times, {"profile": mean}),
    }.items():
        calibration, nearness = calibration_of(residuals)
        shares = coverage(calibration, test, nearness, [0.5, 0.9])[0]["profile"]
        found[label] = np.array([shares["0.5"], shares["0.9"]])
    off = {label: np.abs(shares - found["mean"]) for label, shares in found.items()}
    assert off["without"][0] > 0.04
    assert np.all(off["with"] < 0.01 + 0.3 * off["without"])
    # Three runs know little, and do no harm.
    assert np.all(off["few"] < off["without"] + 0.02)


def test_a_whole_history_counts_every_column_of_the_fields(calibrated: Any) -> None:
    """An error in a column that is not among those kept widens the band, and is seen by the coverage."""
    known, others = draw(100, 8), draw(200, 9)
    kept = [np.abs(residuals.values["temperature"]).max(axis=-1) for residuals in (known, others)]
    test = replace(others, largest=3 * kept[1])
    for level in (0.5, 0.9):
        shares = []
        for factor in (1, 3):
            calibration, nearness = calibration_of(replace(known, largest=factor * kept[0]))
            shares.append(whole_coverage(calibration, test, nearness, [level])["temperature"][f"{level:g}"])
        assert shares[1] == pytest.approx(level, abs=0.12)
        assert shares[0] < 0.2


@given(st.lists(st.floats(0, 100), min_size=1, max_size=60), st.floats(0.1, 0.99))
def test_a_conformal_quantile_is_one_of_the_values_and_high_enough(values: Any, level: float) -> None:
    quantile = conformal(np.array(values), level)
    assert quantile in values
    assert np.mean(np.array(values) <= quantile) >= min(level, 1.0) - 1e-9


def test_intervals_follow_vigour_time_and_depth(calibrated: Any) -> None:
    calibration, nearness, _ = calibrated
    vigorous, calm = np.concatenate([MIDDLE, MIDDLE])
    vigorous[0], calm[0] = 1.1e19, 9e21
    widths = width_at(calibration, "profile", np.stack([vigorous, calm]), nearness, np.array([0.5, 4.0]), 0.9)
    assert widths.shape == (2, 2, 4)
    np.testing.assert_array_equal(widths[..., [0, -1]], 0)  # walls that are never wrong
    widths = widths[..., :-1]
    assert np.all(widths[0, :, 1:] > 3 * widths[1, :, 1:])
    assert np.all(widths[:, 1, 1:] > 2 * widths[:, 0, 1:])
    assert np.all(widths[..., 2] > 2 * widths[..., 1])


@cache
def few_runs() -> Any:
    return calibration_of(draw(30, 5))


@given(st.lists(st.floats(0.01, 0.99), min_size=2, max_size=5).map(sorted))
def test_wider_levels_hold_narrower_ones(levels: Any) -> None:
    calibration, nearness = few_runs()
    for simultaneous in (False, True):
        widths = [
            width_at(calibration, "profile", MIDDLE, nearness, np.array([1.0]), level, simultaneous) for level in levels
        ]
        assert np.all(np.diff(widths, axis=0) >= -1e-12)


def test_few_runs_make_wider_intervals_never_an_error() -> None:
    widths = []
    for runs in (2, 5, 50):
        calibration, nearness = calibration_of(draw(runs, 3, short=False))
        widths.append(width_at(calibration, "mean_temperature", MIDDLE, nearness, np.array([1.0]), 0.9))
        assert np.all(np.isfinite(widths[-1]))
    assert LEVELS[-1] == 0.99


@pytest.mark.parametrize("method", ["fnn", "lstm", "ensemble"])
def test_answers_carry_their_intervals(tiny: Surrogate, method: str) -> None:
    question = {**POINT, "time": [1, 2], "method": method, "interval": 0.9}
    answer = tiny.predict(**question)
    assert answer.temperature_half_width.dims == ("time", "radius")
    assert answer.temperature_half_width.attrs["units"] == "K"
    assert answer.temperature_half_width.attrs["level"] == 0.9
    # The 12 training runs, each by the members that sat it out.
    assert answer.temperature_half_width.attrs["calibrated_on_runs"] == 12
    assert np.all(answer.temperature_half_width[:, 1:-1] > 0)
    np.testing.assert_allclose(answer.temperature_half_width[:, -1], 0, atol=1e-3)
    many = tiny.heat_flux(**{**question, "initial_temperature": [1650, 1700]})
    assert many.surface_heat_flux_half_width.dims == ("simulation", "time")
    assert many.surface_heat_flux_half_width.attrs["units"] == "W m-2"
    assert tiny.mean_temperature(**question).mean_temperature_half_width.dims == ("time",)
    profile = tiny.profile(**question)
    assert profile.lateral_mean_temperature_half_width.dims == ("time", "radius")
    wider = tiny.profile(**{**question, "band": "simultaneous"})
    assert np.all(wider.lateral_mean_temperature_half_width >= profile.lateral_mean_temperature_half_width - 1e-9)


def test_intervals_hold_unseen_runs_of_the_corpus(tiny: Surrogate) -> None:
    from learning_examples import SPLIT, made_up_corpus

    from surrogate.fields import iterate_runs

    # Forty runs that nobody has seen: of the three of the test split, one in trouble is a third.
    new = made_up_corpus(len(SPLIT) + 40).isel(simulation=slice(len(SPLIT), None))
    inside: dict[float, list[float]] = {0.5: [], 0.95: []}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for run in iterate_runs(new):
            for level, shares in inside.items():
                answer = tiny.predict(run, time=run.time.values, interval=level)
                held = np.abs(answer.temperature - run.temperature.values) <= answer.temperature_half_width
                shares.append(held.isel(radius=slice(1, -1)).values.mean())
    # Twelve runs calibrate them, so that they hold to ten per cent or so.
    assert np.mean(inside[0.95]) > 0.85
    assert 0.35 < np.mean(inside[0.5]) < 0.65


def test_the_bundle_says_how_its_intervals_fare_on_the_test_runs(tiny: Surrogate) -> None:
    entry = tiny.inspect()["calibration"]["fnn"]
    assert (entry["runs"], entry["test_runs"]) == (12, 3)
    shares = entry["coverage"]["temperature"]
    assert 0 < entry["coverage_error"]["profile"]["0.5"] < 0.5
    assert 0 <= shares["0.5"] <= shares["0.9"] <= shares["0.95"] <= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [({"interval": 0}, "level"), ({"interval": 1}, "level"), ({"interval": 90}, "level"), ({"band": "wide"}, "band")],
)
def test_impossible_intervals_are_refused(tiny: Surrogate, change: Any, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        tiny.profile(**{**POINT, "time": 1, "interval": 0.9, **change})
