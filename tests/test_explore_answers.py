"""What stands behind the explorer's page: pictures, simulations, answers. No web framework is needed here."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from learning_examples import made_up_corpus

from surrogate.explore import ExploreError, Explorer, Simulations
from surrogate.explore.explorer import NEAR, SAME, Question, card_rows
from surrogate.explore.pictures import MOST_NODES, PixelMap, pack
from surrogate.explore.spelling import read, symbol_html, unit_text, written
from surrogate.fields import parameter_table, select_run, validate
from surrogate.geometry import Geometry
from surrogate.parameters import EVOLUTION_PARAMETERS, Parameter, Parameters, ParameterSpace
from surrogate.quantities import DIMENSIONAL
from surrogate.query import OutOfRangeWarning, QueryError, Surrogate

GEOMETRY = Geometry.quarter(20, 24)


# -- pictures --


@given(arrays(np.float64, (3, 4), elements=st.one_of(st.floats(-1e4, 1e4), st.just(np.nan))))
def test_packed_values_come_back_to_half_a_step(values: np.ndarray) -> None:
    packed = pack(values)
    back = packed.unpack()
    np.testing.assert_array_equal(np.isnan(back), np.isnan(values))
    known = np.isfinite(values)
    if known.any():
        assert packed.integers.dtype == np.uint16
        assert packed.step <= max(np.ptp(values[known]) / 65534, 1.0) * (1 + 1e-12)
        np.testing.assert_allclose(back[known], values[known], atol=0.501 * packed.step, rtol=1e-12)


def test_a_picture_shows_every_pixel_where_it_lies() -> None:
    # Linear in radius and in angle: interpolation is exact between the outermost nodes.
    chart = PixelMap.of(GEOMETRY, pixels=90)
    field = 1e-3 * GEOMETRY.vertical[:, None] + 100 * GEOMETRY.lateral[None, :]
    image = chart.draw(chart.thin(field))
    left, bottom, size = chart.extent
    centre = (np.arange(90) + 0.5) / 90 * size
    x, y = np.meshgrid(left + centre, bottom + centre)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    expected = 1e-3 * radius + 100 * np.clip(angle, GEOMETRY.lateral[0], GEOMETRY.lateral[-1])
    inside = (radius > GEOMETRY.vertical[0]) & (radius < GEOMETRY.vertical[-1]) & (x > 0) & (y > 0)
    assert inside.sum() > 4000
    np.testing.assert_array_equal(np.isfinite(image), inside)
    np.testing.assert_allclose(image[inside], expected[inside], atol=0.05)


def test_a_sector_over_the_negative_axis_is_drawn() -> None:
    wide = Geometry(GEOMETRY.vertical_faces, np.linspace(0.75 * np.pi, 1.25 * np.pi, 9))
    chart = PixelMap.of(wide, pixels=60)
    share = len(chart.pixel) * (chart.extent[2] / 60) ** 2 / wide.volume.sum()
    assert share == pytest.approx(1.0, abs=0.05)


def test_without_blending_each_part_keeps_its_value() -> None:
    chart = PixelMap.of(GEOMETRY.refined(None, 2), blend=False)
    image = chart.draw(np.repeat([[1.0, 2.0]], GEOMETRY.shape[0], axis=0))
    assert set(np.unique(image[np.isfinite(image)])) == {1.0, 2.0}
    # The second column is the left, upper half.
    assert image[-20, 20] == 2.0
    assert image[20, -20] == 1.0


def test_a_fine_grid_is_thinned_but_keeps_its_walls() -> None:
    fine = Geometry.quarter(300, 394)
    chart = PixelMap.of(fine, pixels=40)
    field = np.broadcast_to(fine.vertical[:, None], fine.shape)
    thin = chart.thin(field)
    assert thin.shape[0] <= MOST_NODES[0] + 1
    assert thin.shape[1] <= MOST_NODES[1] + 1
    assert (thin[0, 0], thin[-1, 0]) == (fine.vertical[0], fine.vertical[-1])


def test_the_outline_is_closed_and_lies_on_the_walls() -> None:
    ((x, y),) = GEOMETRY.outlines(120)
    radius = np.hypot(x, y)
    assert (x[0], y[0]) == (x[-1], y[-1])
    walls = GEOMETRY.vertical_faces[[0, -1]]
    assert np.isclose(radius[:, None], walls[None, :]).any(axis=1).all()


# -- numbers and units --


OTHERS = ParameterSpace(
    [
        Parameter("rayleigh_number", low=1e4, high=1e7, symbol=r"\mathrm{Ra}", logarithmic=True),
        Parameter("yield_stress", "MPa", -5, 400),
        Parameter("lid", "m", 1e4, 3e5, "d"),
    ]
)


@given(st.sampled_from([*EVOLUTION_PARAMETERS.parameters, *OTHERS.parameters]), st.floats(0, 1))
def test_what_is_written_reads_back(parameter: Parameter, share: float) -> None:
    low, high = float(parameter.natural(parameter.low)), float(parameter.natural(parameter.high))
    value = float(parameter.from_natural(low + share * (high - low)))
    close = pytest.approx(value, rel=5e-3, abs=1e-3 if parameter.low < 0 else 0)
    assert read(parameter, written(parameter, value, unit=False)) == close
    assert read(parameter, written(parameter, value)) == close


def test_any_parameter_is_written_for_people() -> None:
    assert written(EVOLUTION_PARAMETERS["activation_volume"], 6e-6) == "6 cm³/mol"
    assert written(OTHERS["lid"], 1.5e5) == "150 km"
    assert written(OTHERS["rayleigh_number"], 1e6) == "1e6"
    assert unit_text(OTHERS["yield_stress"]) == "MPa"
    assert symbol_html(OTHERS["rayleigh_number"]) == "<i>Ra</i>"
    assert symbol_html(OTHERS["yield_stress"]) == ""
    assert symbol_html(EVOLUTION_PARAMETERS["initial_temperature"]) == "<i>T</i><sub>ini</sub>"


@pytest.mark.parametrize("text", ["", "much", "1e21 K", "-3", "0", "nan", "1e999"])
def test_what_cannot_be_a_viscosity_is_refused_with_its_unit(text: str) -> None:
    with pytest.raises(ValueError, match=r"Reference viscosity: expected a positive number in Pa s, got "):
        read(EVOLUTION_PARAMETERS["reference_viscosity"], text)


def test_a_parameter_that_may_be_negative_is_read_so() -> None:
    assert read(OTHERS["yield_stress"], "-3 MPa") == -3
    with pytest.raises(ValueError, match="Yield stress: expected a number in MPa, got '3 K'"):
        read(OTHERS["yield_stress"], "3 K")


# -- simulations --


@pytest.fixture(scope="module")
def corpus() -> Any:
    return made_up_corpus()


@pytest.fixture(scope="module")
def explorer(tiny: Surrogate, corpus: xr.Dataset) -> Any:
    return Explorer(tiny, corpus)


def test_a_run_is_nearest_to_itself_and_says_what_it_was_used_for(explorer: Any, corpus: xr.Dataset) -> None:
    table = parameter_table(corpus)
    for position, split in ((0, "train"), (13, "validation"), (17, "test")):
        found = explorer.simulations.nearest(table[position])
        assert (found.position, found.simulation, found.split) == (position, 100 + position, split)
        assert found.distance <= SAME
    assert [explorer.simulations.split(row) for row in explorer.simulations.unseen()] == ["test"] * 3


def test_the_distance_is_in_units_of_the_trained_ranges(explorer: Any, tiny: Surrogate, corpus: xr.Dataset) -> None:
    point = parameter_table(corpus)[5].copy()
    low, high = tiny.space.ranges["activation_energy"]
    for share, near in ((0.1, True), (0.2, False)):
        moved = point.copy()
        moved[1] += share * (high - low)
        found = explorer.simulations.nearest(moved)
        assert found.position == 5
        assert found.distance == pytest.approx(share / np.sqrt(5), rel=1e-6)
        assert found.farthest == "activation_energy"
        assert found.near is near is (found.distance <= NEAR)


def test_a_decade_of_viscosity_counts_the_same_everywhere(explorer: Any, tiny: Surrogate, corpus: xr.Dataset) -> None:
    low, high = np.log10(tiny.space.ranges["reference_viscosity"])
    point = parameter_table(corpus)[7].copy()
    point[0] *= 10**0.1
    assert explorer.simulations.nearest(point).distance == pytest.approx(0.1 / (high - low) / np.sqrt(5))


def test_snapshots_beyond_the_end_of_a_short_run_are_missing(explorer: Any, corpus: xr.Dataset) -> None:
    times = np.linspace(0, 4.5, 8)
    short, whole = (explorer.simulations.snapshots(position, times) for position in (0, 1))
    assert short.tolist() == [0, 1, 2, 3, 4, 5, -1, -1]
    assert whole.tolist() == list(range(8))


def test_a_simulation_shows_what_its_fields_say(explorer: Any, corpus: xr.Dataset) -> None:
    run = explorer.simulations.run(3)
    expected = select_run(corpus, 3)["temperature"].mean("angle")
    np.testing.assert_allclose(run["lateral_mean_temperature"], expected, atol=1e-3)
    assert run["surface_heat_flux"].dims == ("time",)


def test_a_corpus_of_another_planet_is_refused(tiny: Surrogate, corpus: xr.Dataset) -> None:
    bounds = {name: corpus[name] * 1.5 for name in ("radius_bounds",)}
    with pytest.raises(ExploreError, match=r"another domain: cylinder, 850 .. 3400 km by 90 degrees"):
        Simulations(tiny, corpus.assign_coords(bounds))
    with pytest.raises(ExploreError, match=r"another planet: its surface has 400.0 K.*250.0 K"):
        Simulations(tiny, corpus.assign(temperature=corpus["temperature"] + 150))


def test_a_corpus_of_other_parameters_is_refused(tiny: Surrogate, corpus: xr.Dataset) -> None:
    other = corpus.copy(deep=True).rename(activation_energy="yield_stress")
    for name in other.coords:
        attributes = other[name].attrs
        if "parameters" in attributes:
            attributes["parameters"] = attributes["parameters"].replace("activation_energy", "yield_stress")
    with pytest.raises(
        ExploreError, match=r"other parameters: .*yield_stress.* those of the surrogate are reference_v"
    ):
        Simulations(tiny, other)


def test_another_corpus_of_the_same_planet_claims_nothing_of_training(tiny: Surrogate, corpus: xr.Dataset) -> None:
    other = Simulations(tiny, corpus.assign_coords(activation_energy=corpus["activation_energy"] * 1.01))
    assert other.split(17) == ""
    assert other.unseen() == list(range(corpus.sizes["simulation"]))


# -- answers --


def test_an_answer_holds_both_predictors_their_bands_and_the_simulation(
    explorer: Any, tiny: Surrogate, corpus: xr.Dataset
) -> None:
    parameters = Parameters.from_array(parameter_table(corpus)[5])
    question = Question(parameters, 0.9)
    evolution, lines = explorer.evolution(question), explorer.lines(question)
    for method in ("fnn", "lstm"):
        direct = tiny.predict(parameters, method=method)["temperature"]
        np.testing.assert_array_equal(evolution.fields[method]["temperature"], direct)
        np.testing.assert_allclose(
            lines[method]["lateral_mean_temperature"], direct.mean("angle", dtype=float), atol=0.01
        )
        assert (lines[method]["surface_heat_flux_half_width"] > 0).all()
        wider = explorer.fields(Question(parameters, 0.95), method)["temperature_half_width"]
        assert (wider >= evolution.fields[method]["temperature_half_width"]).all()
    assert evolution.near.simulation == 105
    np.testing.assert_array_equal(evolution.run["temperature"], select_run(corpus, 5)["temperature"])


def test_what_is_out_of_range_is_said_in_the_units_of_the_page_and_has_no_bands(explorer: Any, tiny: Surrogate) -> None:
    low, high = tiny.space.ranges["activation_energy"]
    question = Question(Parameters(**{**explorer.centre, "activation_energy": high + 0.2 * (high - low)}), 0.9)
    with pytest.warns(OutOfRangeWarning):
        evolution = explorer.evolution(question)
    (line,) = explorer.outside(evolution)
    assert line.startswith("activation energy ")
    assert line.endswith(f"kJ/mol is above the trained {high / 1e3:.4g} kJ/mol")
    with pytest.warns(OutOfRangeWarning):
        lines = explorer.lines(question)
    for answer in (*evolution.fields.values(), *lines.values()):
        assert [name for name in answer if name.endswith("half_width")] == []


def test_what_is_far_out_of_range_has_no_answer(explorer: Any) -> None:
    far = Question(Parameters(**{**explorer.centre, "reference_viscosity": 1e31}), 0.9)
    with pytest.raises(QueryError, match="reference_viscosity"):
        explorer.evolution(far)


def test_an_answer_unlike_the_training_runs_is_said_of_the_method_that_gave_it(explorer: Any) -> None:
    evolution = explorer.evolution(Question(explorer.centre, 0.9))
    inside = {name: answer.assign(in_range=answer["in_range"] * 0 + 1) for name, answer in evolution.fields.items()}
    assert explorer.outside(replace(evolution, fields=inside)) == []
    late = (inside["lstm"]["time"] < 2).astype(np.int8)
    far = inside | {"lstm": inside["lstm"].assign(in_range=late, training_distance=late * 0 + 2.5)}
    (line,) = explorer.outside(replace(evolution, fields=far))
    assert line == "LSTM: unlike the training runs at 50 % of the times (distance up to 2.5 thresholds)"


def test_the_download_is_a_run_of_the_convention_with_its_bands(explorer: Any) -> None:
    content = explorer.netcdf(Question(explorer.centre, 0.5), "lstm")
    with xr.open_dataset(io.BytesIO(content), engine="h5netcdf", decode_times=False) as run:
        validate(run.load(), "download")
        assert run.attrs["method"] == "lstm"
        assert run["temperature_half_width"].attrs["level"] == 0.5
        for name in ("surface_heat_flux", "lateral_mean_temperature", "core_mantle_boundary_heat_flux_half_width"):
            assert np.isfinite(run[name]).all()
    assert explorer.file_name(explorer.centre, "lstm").endswith(".nc")


def test_the_report_card_is_of_both_predictors_and_of_a_near_simulation(explorer: Any, corpus: xr.Dataset) -> None:
    parameters = Parameters.from_array(parameter_table(corpus)[16])
    cards = explorer.report_cards(parameters)
    assert list(cards) == ["fnn", "lstm", "simulation"]
    rows = card_rows(cards, DIMENSIONAL)
    label, limit, cells = rows[0]
    assert (label, limit) == ("surface temperature deviation [K]", "5")
    assert cells[2] == ("0", True)
    assert {len(cells) for _, _, cells in rows} == {3}
    assert list(explorer.report_cards(explorer.centre)) == ["fnn", "lstm"]


def test_without_a_corpus_there_is_no_simulation(tiny: Surrogate) -> None:
    evolution = Explorer(tiny).evolution(Question(Explorer(tiny).centre, 0.9))
    assert evolution.near is None
    assert evolution.run is None


def test_the_provenance_names_bundle_digest_and_training_runs(explorer: Any, tiny: Surrogate) -> None:
    line = explorer.provenance
    assert str(tiny.inspect()["digest"])[:12] in line
    assert "12 training, 3 validation and 3 test runs on 10 x 10 cells" in line
