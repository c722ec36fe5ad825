import dataclasses
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from made_up import GEOMETRY, disturbed, made_up_corpus, made_up_run

from surrogate.config import EvaluationSettings
from surrogate.diagnostics import accuracy, accuracy_of_runs, compare_modes, evaluate, pairing, rank_correlations, score
from surrogate.fields import FieldError, geometry_of, make_corpus, open_netcdf, valid_snapshots, write_netcdf
from surrogate.geometry import Geometry
from surrogate.parameters import Parameter, ParameterSpace
from surrogate.planet import MARS
from surrogate.report import conclusions, metrics_table, set_beside, summary_page


@pytest.fixture(scope="module")
def metrics() -> dict[str, Any]:
    truth = made_up_corpus()
    predictions = {"fnn": disturbed(truth, 5.0), "lstm": disturbed(truth, 50.0)}
    return evaluate(truth, predictions, settings=EvaluationSettings(singular_values=4))


def test_metrics_are_json_and_rank_the_better_method_first(metrics: dict[str, Any]) -> None:
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
    better, worse = metrics["methods"]["fnn"], metrics["methods"]["lstm"]
    assert better["relative_accuracy"]["mean"] > worse["relative_accuracy"]["mean"] > 90.0
    for name in ("lateral_anomaly_error", "variance_scaled_error", "profile_error", "surface_heat_flux_error"):
        assert better[name]["mean"] < worse[name]["mean"]
        assert better[name]["run_median"] <= better[name]["run_tail"] <= better[name]["run_worst"]
    assert metrics["truth"]["snapshots"] == 21


def test_metrics_of_a_perfect_prediction() -> None:
    truth = made_up_corpus()
    perfect = evaluate(truth, {"truth": truth})["methods"]["truth"]
    assert perfect["relative_accuracy"]["run_worst"] == 100.0
    assert perfect["core_mantle_boundary_heat_flux_error"]["mean"] == 0.0
    assert perfect["singular_value_sum_ratio"]["mean"] == pytest.approx(100.0)
    assert perfect["weighted_sum_ratio"]["run_worst"] == pytest.approx(100.0)
    assert perfect["subspace_angle"]["mean"] == pytest.approx(0.0, abs=1e-4)


def test_scores_agree_with_the_measures_and_keep_the_padding() -> None:
    truth = made_up_corpus()
    prediction = disturbed(truth)
    scores = score(truth, prediction)
    np.testing.assert_allclose(scores["relative_accuracy"], accuracy.relative_accuracy(truth, prediction))
    np.testing.assert_allclose(scores["mean_square_error"], accuracy.mean_square_error(truth, prediction))
    np.testing.assert_array_equal(np.isfinite(scores["profile_error"].values), valid_snapshots(truth))
    assert scores["relative_accuracy"].attrs["units"] == "percent"
    np.testing.assert_array_equal(scores["reference_viscosity"], truth["reference_viscosity"])
    lazy = score(truth.chunk({"simulation": 1}), prediction.chunk({"simulation": 1}))
    np.testing.assert_allclose(lazy["lateral_anomaly_error"], scores["lateral_anomaly_error"])


def test_memory_does_not_grow_with_the_number_of_runs(tmp_path: Path) -> None:
    geometry = Geometry.quarter(60, 64)

    def peak(count: int) -> tuple[int, int]:
        times = np.tile(np.linspace(0.0, 4.5, 10), (count, 1))
        smooth = 1000.0 + 300.0 * np.sin(np.arange(count * 10 * geometry.weight.size) / 9.0)
        temperature = smooth.reshape(count, 10, *geometry.shape).astype(np.float32)
        corpus = make_corpus(temperature, times, geometry, np.tile([1e21, 3e5, 6e-6, 10.0, 1700.0], (count, 1)))
        for name in ("truth", "fnn"):
            write_netcdf(corpus, tmp_path / f"{name}.nc", compress=False)
        size = corpus.temperature.nbytes
        del temperature, smooth, corpus
        truth, prediction = (open_netcdf(tmp_path / f"{name}.nc") for name in ("truth", "fnn"))
        tracemalloc.start()
        try:
            evaluate(truth, {"fnn": prediction})
            return tracemalloc.get_traced_memory()[1], size
        finally:
            tracemalloc.stop()

    (few, small), (many, large) = peak(1), peak(5)
    assert many - few < 0.3 * (large - small)  # two corpora of that size were read


def test_damped_fluctuations_show_in_the_singular_values() -> None:
    truth = made_up_corpus((8, 8))
    mean = truth.temperature.mean("time")
    half = (mean + 0.5 * (truth.temperature - mean)).transpose(*truth.temperature.dims)
    modes = compare_modes(truth, truth.assign(temperature=truth.temperature.copy(data=half.values)))
    assert modes["weighted_sum_ratio"]["mean"] == pytest.approx(50.0, rel=1e-3)
    assert modes["singular_value_sum_ratio"]["mean"] > 80.0  # the paper's definition hardly notices
    assert modes["subspace_angle"]["mean"] < 0.5


def test_prediction_with_holes_is_refused() -> None:
    truth = made_up_corpus()
    prediction = disturbed(truth)
    prediction.temperature.values[0, 2, 3, 3] = np.nan
    with pytest.raises(FieldError, match="fnn: run 10: the predicted temperature is not finite in 1 of 8 "):
        evaluate(truth, {"fnn": prediction})


def test_single_run_is_refused() -> None:
    with pytest.raises(FieldError, match="expected a corpus"):
        evaluate(made_up_run(), {})


def test_table_holds_the_numbers_and_names_the_other_corpus(metrics: dict[str, Any]) -> None:
    table = metrics_table(metrics)
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1
    assert f"**{metrics['methods']['fnn']['relative_accuracy']['mean']:.3f}**" in table
    assert "99.285" in table
    assert "another corpus" in table
    assert "21 snapshots" in table


def test_networks_of_another_run_stand_beside(metrics: dict[str, Any]) -> None:
    other = json.loads(json.dumps(metrics))
    other["methods"]["fnn"]["profile_error"]["mean"] = 123.4
    other["methods"]["nearest_run"] = other["methods"]["fnn"]
    whole = set_beside(metrics, {"networks of the paper": ("results/paper/metrics.json", other)})
    assert whole["beside"]["networks of the paper"]["same_runs"]
    table = metrics_table(whole)
    head = table.splitlines()[2]
    others = ["FNN, networks of the paper", "LSTM, networks of the paper"]
    assert head.strip("| ").split(" | ") == ["measure", "FNN", "LSTM", *others, "FNN, paper*", "LSTM, paper*"]
    assert "| 123.4 |" in table
    assert "**123.4**" not in table
    assert "measured on the same unseen runs; from results/paper/metrics.json" in table
    page = summary_page(whole)
    assert "<th class=group colspan=2>networks of the paper</th>" in page
    said = [sentence for sentence in conclusions(whole) if sentence.startswith("networks of the paper: ")]
    assert len(said) == 2
    assert all(sentence.endswith("is **not** ahead in either.") for sentence in said)
    worse = json.loads(json.dumps(other))
    worse["methods"]["fnn"]["relative_accuracy"]["mean"] -= 1.0
    text = " ".join(conclusions(set_beside(metrics, {"theirs": ("there.json", worse)})))
    assert "is ahead in the first alone" in text
    other["truth"]["temperature_scale"] += 1.0
    table = metrics_table(set_beside(metrics, {"paper": ("there.json", other)}))
    assert "FNN, paper \u2020" in table
    text = " ".join(conclusions(set_beside(metrics, {"paper": ("there.json", other)})))
    assert text.count("not to be compared") == 2
    assert "ahead" not in text
    assert "\u2020 unseen runs of its own (3 runs, 21 snapshots, 14 x 16 nodes)" in table
    with pytest.raises(ValueError, match=r"there\.json: expected the metrics\.json of a pipeline run"):
        set_beside(metrics, {"paper": ("there.json", {"losses": []})})


def test_a_run_of_the_flow_is_no_baseline(metrics: dict[str, Any]) -> None:
    flow = {**metrics, "methods": {**metrics["methods"], "flow": metrics["methods"]["lstm"]}}
    said = conclusions(flow)
    # Judged by the structure of its samples, and set against no baseline.
    assert not any("baseline" in sentence and "flow" in sentence for sentence in said)
    ratio = flow["methods"]["flow"]["weighted_sum_ratio"]["mean"]
    assert any(f"sum to {ratio:.1f} % of the simulations' (FNN " in sentence for sentence in said)
    assert any(sentence.startswith("At mid-depth it draws") for sentence in said)
    sharper = {**flow["methods"]["flow"], "weighted_sum_ratio": {"mean": 100.0}}
    text = " ".join(conclusions({**flow, "methods": {**flow["methods"], "flow": sharper}}))
    assert "it has more of their structure" in text
    assert metrics_table(flow).splitlines()[2].startswith("| measure | FNN | LSTM | flow (one sample) |")


def test_conclusions_say_who_wins() -> None:
    truth = made_up_corpus()
    worse, better = disturbed(truth, 40.0), disturbed(truth, 5.0)
    text = " ".join(conclusions(evaluate(truth, {"fnn": better, "nearest_run": worse, "autoencoder": truth})))
    assert "The FNN reaches" in text
    assert "21 snapshots" in text
    assert "not** beat" not in text
    text = " ".join(conclusions(evaluate(truth, {"fnn": worse, "nearest_run": better})))
    assert text.count("does **not** beat the best trivial baseline, nearest run") == 2


def test_conclusions_name_broken_physics() -> None:
    truth = made_up_corpus()
    hot = truth.assign(temperature=truth.temperature + 30.0)
    hot["temperature"].attrs = truth.temperature.attrs
    text = " ".join(conclusions(evaluate(truth, {"lstm": hot})))
    assert "break the temperature of the surface" in text


def test_summary_page_is_whole_html(metrics: dict[str, Any]) -> None:
    page = summary_page(metrics, "a <run>")
    assert (
        page.count("<tr>")
        == page.count("</tr>")
        == len([r for r in metrics_table(metrics).splitlines() if r.startswith("|")])  # a row of groups, but no rule
    )
    assert "a &lt;run&gt;" in page
    assert "another corpus" in page
    assert "**" not in page


OTHER_SPACE = ParameterSpace(
    [Parameter("rayleigh_number", low=1e4, high=1e7, logarithmic=True), Parameter("yield_stress", "Pa", 1e6, 5e8)]
)


def corpus_of_another_kind() -> xr.Dataset:
    corpus = made_up_corpus((4,) * 9)
    values = OTHER_SPACE.draw(9, seed=1)
    times, temperature = corpus["snapshot_time"].values, corpus["temperature"].values
    return make_corpus(temperature, times, GEOMETRY, values, space=OTHER_SPACE)


def test_a_corpus_of_other_parameters_is_judged_without_the_papers_numbers() -> None:
    truth = corpus_of_another_kind()
    found = evaluate(truth, {"fnn": disturbed(truth)}, settings=EvaluationSettings(singular_values=3))
    json.dumps(found, allow_nan=False)
    assert found["published"] == {}
    assert found["methods"]["fnn"]["report_card"]["budget_residual"] is None  # nobody says how the rock is heated
    assert "paper*" not in metrics_table(found)
    assert "another corpus" not in summary_page(found)
    assert set(found["methods"]["fnn"]["accuracy_correlation"]) == set(OTHER_SPACE.names)
    moon = dataclasses.replace(MARS, surface_temperature=251.0)
    assert evaluate(made_up_corpus(), {}, moon)["published"] == {}


def test_rank_correlations_find_the_parameter_that_orders_the_runs() -> None:
    corpus = corpus_of_another_kind()
    stress = corpus["yield_stress"].values
    found = rank_correlations(corpus, -(stress**3))
    assert found["yield_stress"]["coefficient"] == pytest.approx(-1.0)
    assert found["yield_stress"]["chance"] < 1e-6
    assert found["rayleigh_number"]["chance"] > 0.01
    assert rank_correlations(corpus, np.ones(9)) == {}


def test_the_grid_is_found_once_per_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, asked = made_up_corpus(), 0
    predictions = {"fnn": disturbed(truth, 5.0), "lstm": disturbed(truth, 6.0)}

    def counted(dataset: xr.Dataset) -> Geometry:
        nonlocal asked
        asked += 1
        return geometry_of(dataset)

    monkeypatch.setattr(pairing, "geometry_of", counted)
    evaluate(truth, predictions, settings=EvaluationSettings(singular_values=3))
    assert asked == 3  # of the truth and of each prediction, however many runs and measures


def test_accuracy_of_runs_is_the_mean_over_their_snapshots() -> None:
    truth = made_up_corpus()
    prediction = disturbed(truth)
    expected = np.nanmean(accuracy.relative_accuracy(truth, prediction).values, axis=1)
    np.testing.assert_allclose(accuracy_of_runs(truth, prediction), expected)
