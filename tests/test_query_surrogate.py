import inspect
import io
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from query_examples import POINT

from surrogate import diagnostics
from surrogate.fields import geometry_of, make_run, open_netcdf, parameters_of, validate, write_netcdf
from surrogate.parameters import Parameter, Parameters, ParameterSpace
from surrogate.query import (
    BundleError,
    OutOfRangeWarning,
    QueryError,
    Surrogate,
    names,
    pack,
    read_bundle,
    write_bundle,
)
from surrogate.query.engine import Engine, Progress
from surrogate.query.extrapolation import Nearness
from surrogate.query.naming import naming

METHODS = ("fnn", "lstm", "ensemble")


@pytest.mark.parametrize("method", METHODS)
def test_one_set_gives_a_run_of_the_convention(tiny: Surrogate, method: str) -> None:
    answer = tiny.predict(**POINT, time=["500 Myr", 4.5], method=method)
    validate(answer)
    assert answer.temperature.dims == ("time", "radius", "angle")
    assert answer.temperature.attrs["units"] == "K"
    assert answer.time.values.tolist() == [0.5, 4.5]
    assert parameters_of(answer) == Parameters.create(POINT, tiny.space)
    assert geometry_of(answer) == tiny.geometry
    assert answer.attrs["method"] == method
    assert answer.attrs["bundle_digest"] == tiny.bundle.description["digest"]
    assert ("linear in time" in answer.attrs.get("time_interpolation", "")) == (method != "fnn")
    if method == "fnn":  # the other networks of the tests are too small to stay near the training runs
        assert answer.in_range.values.tolist() == [1, 1]


@pytest.mark.parametrize("method", METHODS)
def test_the_compiled_answer_is_that_of_the_networks(tiny: Surrogate, method: str) -> None:
    parameters = np.stack([Parameters.create(POINT).as_array()] * 2)
    parameters[1, 4] = 1650
    times = np.array([0.3, 1.0, 4.2])
    engine = tiny.engine
    latents = {
        "fnn": lambda: engine.predictor("fnn").predict(parameters, times),
        "lstm": lambda: engine.predictor("lstm").predict(parameters, times),
    }
    expected = latents[method]() if method in latents else 0.5 * (latents["fnn"]() + latents["lstm"]())
    np.testing.assert_allclose(engine.latents(method, parameters, times), expected, rtol=1e-4, atol=1e-3)
    fields = engine.autoencoder.decode(expected)
    answer = tiny.predict(parameters, time=times, method=method)
    np.testing.assert_allclose(answer.temperature, fields, atol=2e-2)
    assert answer.temperature.dtype == np.float32


def test_many_sets_are_the_single_ones_side_by_side(tiny: Surrogate) -> None:
    energies = [2e5, 3e5, 4e5]
    many = tiny.predict(**{**POINT, "activation_energy": energies}, time=[1, 2])
    validate(many)
    assert many.temperature.dims == ("simulation", "time", "radius", "angle")
    for position, energy in enumerate(energies):
        one = tiny.predict(**{**POINT, "activation_energy": energy}, time=[1, 2])
        np.testing.assert_allclose(many.temperature[position], one.temperature, atol=1e-2)
    assert not np.allclose(many.temperature[0], many.temperature[2], atol=0.1)


def test_numbers_of_a_table_label_the_answer(tiny: Surrogate) -> None:
    table = pd.DataFrame([dict(Parameters.create(POINT))] * 2, index=[4, 8])
    assert tiny.predict(table, time=1).simulation.values.tolist() == [4, 8]


def test_parts_make_the_same_answer_as_the_whole(tiny: Surrogate, monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = np.stack([Parameters.create(POINT).as_array()] * 3)
    whole = tiny.engine.answer("fnn", parameters, np.linspace(0, 4.5, 5))
    monkeypatch.setattr("surrogate.query.engine.NODES_AT_ONCE", 4 * 12 * 10)
    engine = Engine(tiny.bundle.folder, tiny.space)
    assert engine.chunk == 4
    parts = engine.answer("fnn", parameters, np.linspace(0, 4.5, 5))
    np.testing.assert_allclose(parts, whole, atol=1e-2)


def test_a_large_answer_is_lazy_and_the_same(tiny: Surrogate, monkeypatch: pytest.MonkeyPatch) -> None:
    question = {**POINT, "crustal_enrichment": np.linspace(5, 45, 7)}
    loaded = tiny.predict(**question, time=[1, 2])
    monkeypatch.setattr(tiny, "largest_answer", 0.0)
    monkeypatch.setattr("surrogate.query.answers.LAZY_PIECE", 2.5 * 960e-9)  # two sets of two fields of 12 x 10
    lazy = tiny.predict(**question, time=[1, 2])
    assert lazy.temperature.chunks[0] == (2, 2, 2, 1)
    np.testing.assert_allclose(lazy.temperature.compute(), loaded.temperature, atol=1e-2)


@pytest.mark.parametrize("method", METHODS)
def test_reduced_answers_are_those_of_the_fields(tiny: Surrogate, method: str) -> None:
    question = {**POINT, "initial_temperature": [1640.0, 1760.0], "time": [0.5, 2, 4.5], "method": method}
    fields = tiny.predict(**question)
    np.testing.assert_allclose(
        tiny.profile(**question).lateral_mean_temperature, diagnostics.lateral_mean(fields), atol=1e-2
    )
    np.testing.assert_allclose(
        tiny.mean_temperature(**question).mean_temperature, diagnostics.mean_temperature(fields), atol=1e-2
    )
    fluxes = tiny.heat_flux(**question)
    for function in (diagnostics.surface_heat_flux, diagnostics.core_mantle_boundary_heat_flux):
        expected = function(fields, tiny.planet, "olivine")
        np.testing.assert_allclose(fluxes[expected.name], expected, rtol=1e-3, atol=1e-6)
        assert fluxes[expected.name].attrs["units"] == "W m-2"
    one = tiny.heat_flux(**{**question, "initial_temperature": 1640.0})
    assert one.surface_heat_flux.dims == ("time",)
    np.testing.assert_allclose(one.surface_heat_flux, fluxes.surface_heat_flux[0], rtol=1e-3)


def test_the_default_times_are_those_of_the_training_runs(tiny: Surrogate) -> None:
    assert tiny.predict(**POINT).time.values == pytest.approx(np.linspace(0, 4.5, 8))


def test_extrapolation_warns_once_and_is_flagged(tiny: Surrogate) -> None:
    with pytest.warns(OutOfRangeWarning) as caught:
        answer = tiny.predict(**{**POINT, "reference_viscosity": [1e21, 1e24], "time": [1, 5]})
    assert len(caught) == 1
    assert "reference_viscosity = 1e+24 Pa s is outside the trained" in str(caught[0].message)
    assert "time = 5 Gyr is outside the trained 0 .. 4.5" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert answer.in_range.values.tolist() == [[1, 0], [0, 0]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiny.predict(**POINT, time=1)


def test_a_hole_in_the_design_is_far_though_within_all_ranges(tiny: Surrogate) -> None:
    """In range by every parameter alone, and far from all training runs together."""
    low, high = (np.array([tiny.space.ranges[name][end] for name in tiny.space.names]) for end in (0, 1))
    rng = np.random.default_rng(0)
    design = np.geomspace(low, high, 40) * rng.uniform(0.98, 1.02, (40, 5))  # runs along the diagonal only
    nearness = Nearness.of_runs(design, tiny.space)
    kept = {name: getattr(tiny.bundle.nearness, name) for name in ("knots", "latents", "latent_threshold")}
    nearness, time = replace(nearness, **kept), np.array([1.0])
    on, off = design[20], np.where(np.arange(5) % 2, low, high)
    latents = tiny.engine.latents("fnn", np.stack([on, on]), time)
    nearby, distance = nearness.relative_distances(nearness.scale(np.stack([on, off])), time, latents)
    assert nearby[0] <= 1 < nearby[1]
    assert distance[0, 0] <= 1 < distance[1, 0]


def test_an_answer_unlike_any_training_run_is_far(tiny: Surrogate) -> None:
    values, times, nearness = Parameters.create(POINT).as_array()[None], np.array([1.0, 3.0]), tiny.bundle.nearness
    latents, scaled = tiny.engine.latents("fnn", values, times), nearness.scale(values)
    strange = latents.copy()
    strange[:, 1] += 1000.0  # K
    near, far = (nearness.relative_distances(scaled, times, each)[1] for each in (latents, strange))
    assert (near <= 1).tolist() == [[True, True]]
    assert (far <= 1).tolist() == [[True, False]]
    assert far[0, 1] > 5 > 1 >= near.max()
    for index in range(2):  # batches, and knots, say the same as one at a time
        alone = nearness.latent_distance(strange[:, index : index + 1], times[index : index + 1])
        np.testing.assert_allclose(nearness.latent_distance(np.repeat(strange, 3, 0), times)[2, index], alone[0, 0])


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"method": "cnn"}, "method 'cnn': expected one of fnn, lstm, ensemble"),
        ({"reference_viscosity": "1e21 K"}, "reference_viscosity"),
        ({"time": [2, 1]}, "increasing"),
        ({"color": 1}, "unknown color"),
    ],
)
def test_bad_questions_are_named(tiny: Surrogate, question: Any, message: str) -> None:
    for ask in (tiny.predict, tiny.profile, tiny.heat_flux, tiny.mean_temperature):
        with pytest.raises(QueryError, match=message):
            ask(**{**POINT, **question})


def test_an_answer_survives_its_file(tiny: Surrogate, tmp_path: Path) -> None:
    for question in (POINT, {**POINT, "initial_temperature": [1650, 1700]}):
        answer = tiny.predict(**question, time=[1, 2], method="lstm")
        write_netcdf(answer, tmp_path / "answer.nc")
        with open_netcdf(tmp_path / "answer.nc") as again:
            xr.testing.assert_equal(again.load(), answer)


def test_encode_and_decode_keep_names_and_meet_the_autoencoder(tiny: Surrogate) -> None:
    answer = tiny.predict(**POINT, time=[1, 2, 3])
    latents = tiny.encode(answer)
    assert latents.dims == ("time", "component")
    np.testing.assert_array_equal(latents.time, answer.time)
    fields = tiny.decode(latents)
    assert fields.dims == ("time", "radius", "angle")
    np.testing.assert_allclose(fields, tiny.engine.autoencoder.decode(latents.values), atol=1e-2)
    np.testing.assert_allclose(tiny.encode(answer.temperature.values[0]), latents[0], atol=1e-4)
    np.testing.assert_array_equal(fields[:, -1], 250.0)
    for bad in (np.ones((3, 4)), np.full(tiny.geometry.shape, np.nan)):
        with pytest.raises(QueryError, match="temperature: expected"):
            tiny.encode(bad)
    with pytest.raises(QueryError, match="latents: expected"):
        tiny.decode(np.ones((2, 99)))


def test_inspect_says_what_matters_and_verify_passes(tiny: Surrogate) -> None:
    content = tiny.inspect()
    assert content["runs"] == {"train": 12, "validation": 3, "test": 3}
    assert content["cells"] == [10, 10]
    assert content["provenance"]["seed"] == 1
    assert content["metrics"]["methods"]["fnn"]["relative_accuracy"]["mean"] == 99.0
    assert any("end early" in line for line in content["limits"])
    assert content["parameters"]["reference_viscosity"]["unit"] == "Pa s"
    result = tiny.verify()
    assert result["passed"]
    assert set(result["example"]) == {"fnn", "lstm"}
    assert all(entry["difference"] < 0.01 for entry in result["example"].values())


def test_verify_sees_an_example_that_the_networks_do_not_reproduce(bundle_folder: Path, tmp_path: Path) -> None:
    from surrogate.query.bundle.files import seal

    copy = shutil.copytree(bundle_folder, tmp_path / "copy")
    example = xr.load_dataset(copy / "example.nc", engine="h5netcdf")
    example["temperature"] = example.temperature + 1.0
    example.to_netcdf(copy / "example.nc", engine="h5netcdf")
    content = {key: value for key, value in read_bundle(bundle_folder).items() if key not in ("files", "digest")}
    seal(copy, content)  # every checksum is right, the content is not
    result = Surrogate.load(copy).verify()
    assert not result["passed"]
    assert result["example"]["fnn"]["difference"] == pytest.approx(1.0, abs=0.01)


def test_a_zip_a_folder_and_a_name_open_the_same_bundle(
    bundle_folder: Path, tmp_path: Path, tiny: Surrogate, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(bundle_folder, tmp_path / "tiny.zip")
    zipped = Surrogate.load(tmp_path / "tiny.zip")
    np.testing.assert_array_equal(
        zipped.predict(**POINT, time=1).temperature, tiny.predict(**POINT, time=1).temperature
    )
    scratch = zipped.bundle.folder
    assert scratch.exists()
    del zipped
    assert not scratch.exists()
    shutil.copytree(bundle_folder, tmp_path / "results" / "mine" / "surrogate")
    monkeypatch.chdir(tmp_path)
    assert Surrogate.load("mine").bundle.description["digest"] == tiny.bundle.description["digest"]
    assert Surrogate.load("results/mine").bundle.description["digest"] == tiny.bundle.description["digest"]
    assert list(names()) == ["demo", "mine"]
    with pytest.raises(FileNotFoundError, match=r"yours: no such bundle; .* one of the names demo, mine"):
        Surrogate.load("yours")


def test_a_tampered_network_is_refused(bundle_folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bundle_folder, tmp_path / "copy")
    network = copy / "fnn" / "network.keras"
    network.write_bytes(network.read_bytes()[:-100])
    with pytest.raises(BundleError, match=r"network\.keras: has .* bytes, expected"):
        Surrogate.load(copy)


def test_a_bundle_needs_its_models(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="expected a trained autoencoder"):
        write_bundle(tmp_path / "bundle", tmp_path, xr.Dataset())
    assert not (tmp_path / "bundle").exists()


def test_a_picture_shows_every_time_and_its_interval(tiny: Surrogate) -> None:
    figure = tiny.plot(**POINT, time=[1, 2, 4.5], interval=0.9)
    titles = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert [title for title in titles if "Gyr" in title] == ["1.00 Gyr", "2.00 Gyr", "4.50 Gyr"]
    profiles = figure.axes[3:6]
    expected = tiny.profile(**POINT, time=[1, 2, 4.5]).lateral_mean_temperature.values
    for axes, profile in zip(profiles, expected, strict=True):
        np.testing.assert_allclose(np.asarray(axes.lines[0].get_xdata(), dtype=float), profile)
        assert len(axes.collections) == 1  # the band
    for bad in ({"time": [1, 2, 3, 3.5, 4, 4.5]}, {"initial_temperature": [1650, 1700]}):
        with pytest.raises(QueryError, match="plot: expected one set and at most 5 times"):
            tiny.plot(**{**POINT, "time": 1, **bad})


def test_the_report_card_is_that_of_the_prediction(tiny: Surrogate) -> None:
    card = diagnostics.check(tiny.predict(**POINT), tiny.planet, "olivine")
    assert tiny.check(**POINT) == card | {"beyond_ranges": {}}
    with pytest.warns(OutOfRangeWarning):
        outside = tiny.check(**{**POINT, "initial_temperature": 1900})["beyond_ranges"]
    assert list(outside) == ["initial_temperature"]
    low, high = tiny.space.ranges["initial_temperature"]
    assert outside["initial_temperature"] == pytest.approx((1900 - high) / (high - low))


def test_ranges_say_by_which_parameter_and_how_far(tiny: Surrogate) -> None:
    ends = {name: np.array(span) for name, span in tiny.space.ranges.items()}
    low, high = (float(value) for value in ends["reference_viscosity"])
    decades = np.log10(high / low)
    many = tiny.ranges(**{**POINT, "reference_viscosity": [low, low / 10, high * 100]}, time=[0.0, 4.5, 9.0])
    viscosity = many.beyond.sel(parameter="reference_viscosity").values
    np.testing.assert_allclose(viscosity, [0.0, -1 / decades, 2 / decades], atol=1e-9)
    assert not many.beyond.drop_sel(parameter="reference_viscosity").values.any()
    assert many.value.sel(parameter="reference_viscosity").values[2] == pytest.approx(high * 100)
    np.testing.assert_allclose(many.beyond_time, [0.0, 0.0, 1.0])
    one = tiny.ranges(**POINT)
    assert one.beyond.dims == ("parameter",)
    assert one.units.sel(parameter="reference_viscosity").item() == "Pa s"


def test_answers_come_in_parts_of_any_size(tiny: Surrogate, monkeypatch: pytest.MonkeyPatch) -> None:
    question = {**POINT, "crustal_enrichment": np.linspace(5, 45, 7)}
    whole = {method: tiny.heat_flux(**question, method=method) for method in METHODS}
    monkeypatch.setattr("surrogate.query.engine.ROWS_AT_ONCE", 2 * 8)  # two sets of eight times
    monkeypatch.setattr("surrogate.query.surrogate.WALLS_AT_ONCE", 3 * 16e-9 * 10 * 8)  # three sets
    for method in METHODS:
        parts = tiny.heat_flux(**question, method=method)
        xr.testing.assert_allclose(parts, whole[method], rtol=1e-4)


class Terminal(io.StringIO):
    def isatty(self) -> Any:
        return True


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_a_long_answer_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch, stream: Any) -> None:
    clock = iter(np.arange(0.0, 1000.0, 6.0))
    monkeypatch.setattr("surrogate.query.engine.monotonic", lambda: float(next(clock)))
    written = stream()
    monkeypatch.setattr("sys.stderr", written)
    progress = Progress(4000, "fields")
    for _ in range(4):
        progress.advance(1000)
    shown = written.getvalue()
    if stream is io.StringIO:
        assert shown.splitlines()[0].startswith("fields: 2,000 of 4,000 (50%), ")
        assert "\x1b" not in shown
    else:
        assert "fields" in shown
        assert "25%" in shown
    assert progress._bar is None


def test_a_short_answer_tells_nothing(tiny: Surrogate, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    tiny.predict(**POINT, time=[1, 2])
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_a_film_has_a_picture_per_time(tiny: Surrogate, tmp_path: Path, suffix: str) -> None:
    from PIL import Image

    if suffix == ".mp4" and shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    path = tiny.animate(tmp_path / f"film{suffix}", **POINT, time=[1, 2, 4.5])
    assert path.stat().st_size > 1000
    if suffix == ".gif":
        with Image.open(path) as film:
            assert getattr(film, "n_frames", 1) == 3
    for question, name, message in (
        ({"initial_temperature": [1650, 1700]}, "film.gif", "one set"),
        ({}, "film.avi", "ends in .gif or .mp4"),
    ):
        with pytest.raises(QueryError, match=message):
            tiny.animate(tmp_path / name, **{**POINT, **question}, time=1)


def test_answers_of_one_set_are_runs_as_the_convention_makes_them_and_share_nothing(tiny: Surrogate) -> None:
    times = np.array([1.0, 2.5])
    first, second = (tiny.predict(**POINT, time=times) for _ in range(2))
    parameters = Parameters.create(POINT, tiny.space)
    plain = make_run(
        first.temperature.values, times, tiny.geometry, parameters, attributes=tiny._answers._origin("fnn")
    )
    xr.testing.assert_identical(first.drop_vars(["in_range", "training_distance"]), plain)
    first.radius_bounds.values[:] = 0
    first.radius.attrs["units"] = "km"
    validate(second)
    validate(tiny.predict(**POINT, time=times))


@pytest.mark.parametrize("question", ["profile", "predict"])
def test_the_first_question_reads_the_networks_before_it_compiles_them(
    bundle_folder: Path, tiny: Surrogate, question: Any
) -> None:
    answers = [getattr(own, question)(**POINT, time=3.0) for own in (Surrogate.load(bundle_folder), tiny)]
    xr.testing.assert_allclose(*answers, rtol=1e-6)


def test_a_rollout_serves_all_answers_of_the_same_sets(tiny: Surrogate, monkeypatch: pytest.MonkeyPatch) -> None:
    rolled = []
    lstm = tiny.engine.predictor("lstm")
    predict = lstm.predict

    def counted(*arguments: Any) -> Any:
        rolled.append(arguments)
        return predict(*arguments)

    monkeypatch.setattr(lstm, "predict", counted)
    hotter = {**POINT, "initial_temperature": POINT["initial_temperature"] + 1}
    first = tiny.predict(**hotter, time=[1.0, 2.0], method="lstm")
    before = first.temperature.values.copy()
    first.temperature.values[:] = 0  # an answer belongs to who asked
    tiny.profile(**hotter, time=[1.0, 2.0], method="lstm")
    again = tiny.predict(**hotter, time=[1.0, 2.0], method="lstm")
    assert len(rolled) == 1
    np.testing.assert_array_equal(again.temperature.values, before)
    tiny.predict(**hotter, time=[1.0, 2.5], method="lstm")
    tiny.predict(**POINT, time=[1.0, 2.5], method="lstm")
    assert len(rolled) == 3


def test_a_loaded_surrogate_names_its_parameters_and_the_class_does_not(tiny: Any) -> None:
    names = list(inspect.signature(tiny.predict).parameters)
    assert names[-5:] == list(tiny.space.names)
    assert "values" not in names
    for question in (tiny.profile, tiny.heat_flux, tiny.sample, tiny.ranges, tiny.jacobian, tiny.check, tiny.plot):
        assert set(tiny.space.names) < set(inspect.signature(question).parameters)
    text = tiny.predict.__doc__ or ""
    entry = tiny.space["activation_energy"]
    assert f"activation_energy : {entry.low:.4g} .. {entry.high:.4g} J/mol" in text
    assert entry.description[1:] in text
    plain = inspect.signature(Surrogate.predict).parameters
    assert plain["values"].kind is inspect.Parameter.VAR_KEYWORD
    assert isinstance(tiny, Surrogate)
    # A surrogate that loads another bundle takes the names of that one.
    assert list(inspect.signature(tiny.load("demo").predict).parameters) == names


def test_a_surrogate_of_other_parameters_names_those() -> None:
    space = ParameterSpace([Parameter("rayleigh_number", low=1e4, high=1e7, symbol="Ra", logarithmic=True)])
    named = naming(Surrogate, space)
    parameters = inspect.signature(named.predict).parameters
    assert list(parameters)[-2:] == ["extrapolate", "rayleigh_number"]
    assert parameters["rayleigh_number"].kind is inspect.Parameter.KEYWORD_ONLY
    assert "rayleigh_number : 1e+04 .. 1e+07, logarithmic" in (named.predict.__doc__ or "")
