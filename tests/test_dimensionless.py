"""A corpus without a planet: dimensionless, in any geometry, with parameters of its own, from files to answers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from corpus_samples import sample_run
from dimensionless import RING, SNAPSHOTS, SPACE, made_up_run, write_runs
from learning_examples import training
from matplotlib.text import Text

from surrogate.config import Config, CorpusSettings
from surrogate.corpus import examine, ingest, open_corpus, open_run, provenance_of
from surrogate.diagnostics import (
    check,
    core_mantle_boundary_heat_flux,
    energy_budget,
    evaluate,
    plumes,
    range_accuracy,
    relative_accuracy,
    spectral_error,
    surface_heat_flux,
)
from surrogate.fields import (
    FieldError,
    geometry_of,
    make_run,
    open_netcdf,
    select_split,
    units_of,
    validate,
    write_netcdf,
)
from surrogate.figures import draw_figure
from surrogate.geometry import Geometry
from surrogate.learning import encode_corpus, predict_baseline, predict_split, train_autoencoder, train_predictor
from surrogate.parameters import Parameters
from surrogate.quantities import DIMENSIONLESS
from surrogate.query import QueryError, Surrogate, write_bundle
from surrogate.report import captions, conclusions, landing, metrics_table
from surrogate.settings import PodAutoencoderSettings, ResidualFnnSettings

BOX = Geometry.box(10, 24, 2.0)
DOMAINS = {
    "full annulus": RING,
    "spherical annulus": Geometry.annulus(10, 24, 1.2, 2.2, kind="spherical_annulus"),
    "closed box": BOX,
    "periodic box": Geometry.box(10, 24, 2.0, periodic=True),
}
every_domain = pytest.mark.parametrize("geometry", DOMAINS.values(), ids=DOMAINS.keys())
POINT = Parameters(1e5, 5.0, 30.0, space=SPACE)
OF_A_PLANET = re.compile(r"\b(K|kelvin|Gyr|km|mW|mantle|core|planet|Mars|Surface heat flux)\b")


def of_field(temperature: np.ndarray, geometry: Geometry, **more: Any) -> xr.Dataset:
    return make_run(temperature, np.linspace(0, 0.1, len(temperature)), geometry, POINT, units=DIMENSIONLESS, **more)


@every_domain
def test_a_run_says_what_it_is_and_comes_back_from_a_file(geometry: Geometry, tmp_path: Path) -> None:
    run = made_up_run(0, geometry)
    write_netcdf(run, tmp_path / "run_7.nc")
    for again in (open_netcdf(tmp_path / "run_7.nc"), open_run(tmp_path / "run_7.nc")):
        assert geometry_of(again) == geometry
        assert units_of(again) is DIMENSIONLESS
        assert again.temperature.dims == ("time", *geometry.dimensions)
        assert {again[name].attrs["units"] for name in ("temperature", "time", geometry.dimensions[0])} == {"1"}
        np.testing.assert_array_equal(again.temperature.values, run.temperature.values)


def test_units_are_never_mixed() -> None:
    run = made_up_run(0)
    with pytest.raises(FieldError, match="variable 'time' has units 'Gyr', expected '1'"):
        validate(run.assign_coords(time=run.time.assign_attrs(units="Gyr")))
    with pytest.raises(FieldError, match=r"spans .*expected dimensionless values"):
        validate(run.assign(temperature=(1700 * run.temperature).assign_attrs(units="1")))
    with pytest.raises(FieldError, match=r"'box' has the dimensions .*found"):
        validate(run.assign_coords(radius_bounds=run.radius_bounds.assign_attrs(geometry="box")))
    with pytest.raises(FieldError, match="geometry: kind 'torus'"):
        validate(run.assign_coords(radius_bounds=run.radius_bounds.assign_attrs(geometry="torus")))


@every_domain
def test_conduction_has_the_nusselt_number_one(geometry: Geometry) -> None:
    power = {"cylinder": 1, "spherical_annulus": 2, "box": 0}[geometry.kind]
    fine = geometry.refined(400, 4)
    flux = 1.0 / np.maximum(fine.vertical, 1e-12) ** power
    below = np.concatenate([[0.0], np.cumsum(0.5 * (flux[1:] + flux[:-1]) * np.diff(fine.vertical))])
    run = of_field(np.broadcast_to((1 - below / below[-1])[:, None], (2, *fine.shape)), fine)
    np.testing.assert_allclose(surface_heat_flux(run), 1.0, rtol=3e-3)
    np.testing.assert_allclose(core_mantle_boundary_heat_flux(run), 1.0, rtol=3e-3)
    assert "Nusselt" in surface_heat_flux(run).attrs["long_name"]


@every_domain
def test_the_budget_of_a_warming_layer_closes(geometry: Geometry) -> None:
    """Insulated by equal temperatures everywhere, it warms at the rate of its internal heating."""
    time = np.linspace(0, 0.1, 3)
    field = 0.2 + 5.0 * time[:, None, None] + np.zeros(geometry.shape)
    budget = energy_budget(of_field(field, geometry))
    np.testing.assert_allclose(budget["change"], 5.0)
    np.testing.assert_allclose(budget["residual"], 0.0, atol=1e-9)
    steady = of_field(np.broadcast_to(1 - geometry.vertical[:, None] * 0.3, (3, *geometry.shape)), geometry)
    fluxes = [flux(steady) for flux in (core_mantle_boundary_heat_flux, surface_heat_flux)]
    lower, upper = (
        float(f[0]) * c * a for f, c, a in zip(fluxes, geometry.conduction, geometry.wall_areas, strict=True)
    )
    expected = (lower - upper) / geometry.volume.sum()
    np.testing.assert_allclose(energy_budget(steady)["inflow"] - energy_budget(steady)["outflow"], expected)


def test_the_report_card_knows_no_planet() -> None:
    card = check(made_up_run(0))
    assert card["surface_temperature_deviation"] == 0
    assert card["fraction_out_of_range"] == 0
    assert card["core_drift"] == 0
    hot = of_field(
        np.where(np.arange(12)[:, None] == 5, 1.6, RING.depth[:, None] / RING.thickness) * np.ones((4, 1, 24)), RING
    )
    assert check(hot)["fraction_out_of_range"] == 0  # it started so
    late = hot.copy(deep=True)
    late["temperature"][0] = RING.depth[:, None] / RING.thickness
    assert check(late)["largest_excursion"] > 0.05


def test_a_plume_across_the_seam_is_one() -> None:
    for offset in (0.0, np.pi / 7):
        field = 0.5 + 0.2 * np.cos(2 * (RING.lateral - offset)) * np.ones((1, 12, 1))
        assert len(plumes(of_field(field, RING), 1.7)[0]) == 2


def test_relative_accuracy_is_refused_and_the_range_takes_its_place() -> None:
    run = made_up_run(0)
    off = run.assign(temperature=run.temperature + 0.05)
    with pytest.raises(FieldError, match="divides by the temperature"):
        relative_accuracy(run, off)
    span = float(run.temperature.max() - run.temperature.min())
    np.testing.assert_allclose(range_accuracy(run, off), 100 - 5.0 / span, rtol=1e-6)


def test_the_spectrum_follows_the_sides() -> None:
    for geometry, wave in ((RING, 3), (BOX, 6)):
        x = (geometry.lateral - geometry.lateral_faces[0]) / geometry.width
        truth = of_field(0.5 + 0.1 * np.cos(2 * np.pi * 3 * x) * np.ones((2, 12, 1)), geometry)
        flat = of_field(np.full((2, 12, 24), 0.5), geometry)
        power = spectral_error(truth, flat)["error"].values
        assert power[wave] == pytest.approx(0.005)
        assert power.sum() == pytest.approx(0.005)


def test_runs_that_do_not_belong_are_rejected_by_name(tmp_path: Path) -> None:
    paths = write_runs(tmp_path, 12)
    other = DOMAINS["spherical annulus"]
    write_netcdf(made_up_run(20, other), tmp_path / "run_020.nc")
    write_netcdf(sample_run(3, snapshots=SNAPSHOTS, geometry=Geometry.quarter(10, 24)), tmp_path / "run_021.nc")
    torn = made_up_run(22)
    torn["temperature"][:] = torn.temperature.values * np.linspace(0.6, 1, 24)
    write_netcdf(torn, tmp_path / "run_022.nc")
    twice = made_up_run(23)
    twice["temperature"][..., -1] = twice.temperature.values[..., 0]
    write_netcdf(twice, tmp_path / "run_023.nc")
    paths += sorted(tmp_path.glob("run_02?.nc"))
    settings = CorpusSettings(tolerated_rejects=0.5)
    ingest(paths, tmp_path / "corpus.zarr", settings)
    found: dict[int, str] = {}
    for entry in provenance_of(tmp_path / "corpus.zarr").rejected:
        found[entry.simulation] = f"{found.get(entry.simulation, '')} {entry.what}: {entry.message}"
    assert set(found) >= {20, 22, 23}
    assert "covers spherical annulus, 1.2 .. 2.2 by 360 degrees, the store cylinder" in found[20]
    assert "it is not periodic" in found[22]
    assert "last column repeats the first" in found[23]
    told = [entry.message for entry in examine(paths, settings).findings]
    assert any("is dimensional, most runs dimensionless" in line or "parameter" in line for line in told)
    with pytest.raises(ValueError, match="int16 packs kelvin"):
        ingest(paths[:12], tmp_path / "packed.zarr", CorpusSettings(encoding="int16"))


class Pipeline(NamedTuple):
    corpus: xr.Dataset
    metrics: dict[str, Any]
    predictions: dict[str, xr.Dataset]
    models: Path


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    folder = tmp_path_factory.mktemp("ring")
    ingest(write_runs(folder, 16), folder / "corpus.zarr", CorpusSettings())
    corpus = open_corpus(folder / "corpus.zarr")
    models = folder / "models"
    settings = PodAutoencoderSettings(latents=6, modes=8, width=16, depth=1, training=training(epochs=1))
    autoencoder = train_autoencoder(corpus, settings, models / "autoencoder", progress=None)
    latents = encode_corpus(autoencoder, corpus)
    small = ResidualFnnSettings(depth=1, width=16, members=1, training=training(epochs=20))
    fnn = train_predictor("fnn", latents, small, models / "fnn", progress=None)
    predicted = predict_split(autoencoder, latents, fnn)
    predictions = {
        "autoencoder": predict_split(autoencoder, latents),
        "fnn": predicted,
        "lstm": predicted,  # pictures and captions want both
        "mean_profile": predict_baseline("mean_profile", corpus, Config().evaluation),
    }
    return Pipeline(corpus, evaluate(select_split(corpus, "test"), predictions), predictions, models)


def test_the_measures_are_labelled_for_what_they_are(pipeline: Pipeline) -> None:
    metrics = pipeline.metrics
    assert metrics["truth"]["units"] == "dimensionless"
    assert metrics["published"] == {}
    fnn, mean = (metrics["methods"][name] for name in ("fnn", "mean_profile"))
    assert "relative_accuracy" not in fnn
    truth = select_split(pipeline.corpus, "test").temperature.values
    error = np.abs(truth - pipeline.predictions["fnn"].temperature.values).mean() / np.ptp(truth)
    assert fnn["range_accuracy"]["mean"] == pytest.approx(100 - 100 * error, rel=1e-5)
    assert mean["lateral_anomaly_error"]["mean"] == pytest.approx(1.0)
    table, said = metrics_table(metrics), " ".join(conclusions(metrics))
    assert "accuracy (error over the range), %" in table
    assert "upper wall Nusselt number error" in table
    losses = {name: pd.read_csv(pipeline.models / name / "losses.csv") for name in ("autoencoder", "fnn")}
    texts = [table, said, landing(metrics, {}), *captions(metrics, losses, figures()).values()]
    for text in texts:
        assert not OF_A_PLANET.search(text), OF_A_PLANET.search(text)
        assert "relative accuracy" not in text.lower()


def figures() -> Config:
    return Config(figures={"examples": 1})


def test_no_figure_speaks_of_a_planet(pipeline: Pipeline) -> None:
    predictions = pipeline.predictions
    given = {
        "corpus": pipeline.corpus,
        "predictions": {**predictions, "lstm": predictions["fnn"], "flow": predictions["fnn"]},
    }
    names = "concept evolution_fnn_1 extremes error_time error_maps heat_flux spectra singular_values accuracy_pairs"
    for name in names.split():
        figure = draw_figure(name, given, figures().figures)
        words = " ".join(text.get_text() for text in figure.findobj(Text))
        assert not OF_A_PLANET.search(words), (name, OF_A_PLANET.search(words))
        if name == "heat_flux":
            assert "Nusselt number" in words
        if name == "spectra":
            assert "waves per circle" in words


def test_a_bundle_answers_in_its_own_words(pipeline: Pipeline, tmp_path: Path) -> None:
    content = write_bundle(tmp_path / "bundle", pipeline.models, pipeline.corpus, metrics=pipeline.metrics, name="ring")
    assert content["planet"] is None
    assert not OF_A_PLANET.search(" ".join(content["limits"]))
    surrogate = Surrogate.load(tmp_path / "bundle")
    assert (surrogate.geometry, surrogate.units) == (RING, DIMENSIONLESS)
    asked: dict[str, Any] = {"rayleigh_number": 1e5, "internal_heating": 5, "viscosity_contrast": 30}
    answer = surrogate.predict(**asked, time=[0.01, 0.05], interval=0.9)
    validate(answer)
    assert geometry_of(answer) == RING
    assert answer.temperature_half_width.dims == ("time", "radius")
    flux = surrogate.heat_flux(**asked, time=[0.01, 0.05], interval=0.9)
    for name, own in (
        ("surface_heat_flux", surface_heat_flux),
        ("core_mantle_boundary_heat_flux", core_mantle_boundary_heat_flux),
    ):
        np.testing.assert_allclose(flux[name], own(answer), rtol=1e-4)
        assert flux[name].attrs["units"] == "1"
        assert "Nusselt" in flux[name].attrs["long_name"]
    mean = surrogate.mean_temperature(**asked, time=0.05)
    np.testing.assert_allclose(mean.mean_temperature, RING.average(answer.temperature.values[1:]), rtol=1e-5)
    assert set(surrogate.observe(None, **asked, time=0.05).data_vars) >= {"mean_temperature", "core_temperature"}
    assert surrogate.profile(**asked).lateral_mean_temperature.dims == ("time", "radius")
    assert surrogate.decode(surrogate.encode(answer.temperature)).dims == ("time", "radius", "angle")
    with pytest.raises(QueryError, match=r"time = 2 is outside the trained 0 \.\. 0\.1"):
        surrogate.predict(**asked, time=2)
    with pytest.raises(QueryError, match="unit 'Gyr'"):
        surrogate.predict(**asked, time="1 Gyr")
    words = " ".join(text.get_text() for text in surrogate.plot(**asked).findobj(Text))
    assert not OF_A_PLANET.search(words)
