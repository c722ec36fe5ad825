import hashlib
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from corpus_samples import sample_run, tree_digest, write_runs

from surrogate.config import CorpusSettings
from surrogate.corpus import (
    CorpusError,
    IngestError,
    PlanError,
    examine,
    ingest,
    ingest_part,
    markdown_report,
    open_corpus,
    plan_ingest,
    provenance_of,
    show_store,
    statistics,
)
from surrogate.fields import (
    geometry_of,
    iterate_runs,
    make_run,
    open_netcdf,
    parameter_table,
    select_split,
    space_of,
    validate,
    write_netcdf,
)
from surrogate.geometry import Geometry
from surrogate.parameters import Parameter, Parameters, ParameterSpace

SMALL = CorpusSettings(validation_fraction=0.2, test_fraction=0.2)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return write_runs(tmp_path_factory.mktemp("raw"), range(8))


@pytest.fixture(scope="module")
def store(raw: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("store") / "corpus.zarr"
    ingest(raw, path, SMALL, path.parent / "rejected.csv")
    return path


def test_every_value_arrives(raw: Any, store: Any) -> None:
    corpus = validate(open_corpus(store))
    assert corpus.temperature.chunks is not None  # lazy
    for path, run in zip(raw, iterate_runs(corpus), strict=True):
        source = open_netcdf(path)
        np.testing.assert_array_equal(run.temperature.values, source.temperature.values)
        np.testing.assert_array_equal(run.time.values, source.time.values)
        np.testing.assert_array_equal(run.mean_temperature.values, source.mean_temperature.values)
        assert float(run.reference_viscosity) == float(source.reference_viscosity)
    assert pd.read_csv(store.parent / "rejected.csv").empty


def test_xarray_opens_it_alone_and_in_silence(store: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for consolidated in (False, None):
            corpus = xr.open_zarr(store, consolidated=consolidated)
            assert corpus.temperature.dtype == np.float32
            assert corpus.temperature.attrs["units"] == "K"
            assert set(corpus.split.attrs["flag_meanings"].split()) == {"train", "validation", "test"}
            corpus.temperature.isel(simulation=0).values  # noqa: B018


def test_one_file_per_run(store: Any) -> None:
    shards = [path for path in (store / "temperature" / "c").rglob("*") if path.is_file()]
    assert len(shards) == 8


def test_statistics_see_only_the_training_runs(store: Any) -> None:
    corpus = open_corpus(store)
    train = select_split(corpus, "train")
    values = train.temperature.values.astype(float)
    found = statistics(corpus)
    assert found["runs"] == train.sizes["simulation"] < 8
    assert found["snapshots"] == train.sizes["simulation"] * 12
    assert found["temperature"]["minimum"] == values.min()
    assert found["temperature"]["maximum"] == values.max()
    np.testing.assert_allclose(found["temperature"]["mean"], values.mean(), rtol=1e-7)
    np.testing.assert_allclose(found["temperature"]["standard_deviation"], values.std(), rtol=1e-6)
    np.testing.assert_allclose(found["profile_mean"], values.mean(axis=(0, 1, 3)), rtol=1e-7)
    np.testing.assert_allclose(found["profile_standard_deviation"], values.std(axis=(0, 1, 3)), rtol=1e-5, atol=1e-3)
    energy = train.activation_energy.values
    assert found["parameters"]["activation_energy"] == [energy.min(), energy.max()]
    assert found["time"] == [0.0, 4.5]


def test_provenance_names_every_file(raw: Any, store: Any) -> None:
    notes = provenance_of(store)
    assert [run.file for run in notes.runs] == [str(path) for path in raw]
    assert all(run.size == path.stat().st_size for run, path in zip(notes.runs, raw, strict=True))
    assert [run.checksum for run in notes.runs] == [hashlib.sha256(path.read_bytes()).hexdigest() for path in raw]
    assert {run.reader for run in notes.runs} == {"native"}
    assert notes.software[0]["packages"]["zarr"]
    assert notes.settings["corpus"]["split_seed"] == SMALL.split_seed


def _broken(folder: Path) -> Any:
    """Eight good runs and every kind of bad one; what each is called and why it must be left out."""
    paths = write_runs(folder, range(8))
    expected = {}

    def add(number: int, what: Any, run: Any = None) -> None:
        path = folder / f"run_{number:05d}.nc"
        if run is not None:
            write_netcdf(run, path)
        paths.append(path)
        expected[str(path)] = what

    add(8, "unreadable", sample_run(8))
    content = paths[-1].read_bytes()
    paths[-1].write_bytes(content[: len(content) // 2])
    run = sample_run(9)
    run.temperature[3, 2, 1] = np.nan
    add(9, "not finite", run)
    run = sample_run(10)
    run["temperature"] = run.temperature - 273.15
    run.temperature.attrs["units"] = "K"
    add(10, "out of range", run)
    add(11, "too short", sample_run(11, snapshots=5))
    add(12, "energy budget", sample_run(12, budget_relative_error=0.3))
    add(13, "duplicate", sample_run(3).assign_attrs(number=13))
    add(14, "grid", sample_run(14, geometry=Geometry.quarter(12, 16)))
    add(15, "unreadable", sample_run(15).drop_vars("activation_energy"))
    run = sample_run(16)
    run["temperature"] = run.temperature.isel(time=[0] * 9 + [1, 2, 3]).assign_coords(time=run.time)
    add(16, "stalled", run)
    (folder / "run_00017.nc").write_text("not NetCDF")
    add(17, "unreadable")
    add(18, "unreadable")  # no such file
    return paths, expected


def test_bad_runs_are_named_and_left_out(tmp_path: Path) -> None:
    paths, expected = _broken(tmp_path)
    statuses = pd.DataFrame(
        {"simulation": [0, 40], "file": [str(paths[0]), ""], "status": ["done", "failed"], "reason": ["", "diverged"]}
    )
    settings = SMALL.model_copy(update={"tolerated_rejects": 0.7})
    summary = ingest(paths, tmp_path / "corpus.zarr", settings, tmp_path / "rejected.csv", statuses=statuses)
    assert (summary.runs, summary.rejected) == (8, len(expected) + 1)
    table = pd.read_csv(tmp_path / "rejected.csv")
    severe = table[table.severity == "severe"]
    assert dict(zip(severe.file, severe.what, strict=True)) == {**expected, "(run 40)": "simulation failed"}
    assert open_corpus(tmp_path / "corpus.zarr").simulation.values.tolist() == list(range(8))
    assert "diverged" in severe[severe.simulation == 40].message.item()
    assert "activation_energy" in severe[severe.simulation == 15].message.item()


def test_too_many_rejects_stop_the_ingest(tmp_path: Path) -> None:
    paths, _ = _broken(tmp_path)
    with pytest.raises(IngestError, match=r"11 of 19 runs are rejected.*unreadable \(4\)"):
        ingest(paths, tmp_path / "corpus.zarr", SMALL, tmp_path / "rejected.csv")
    assert not (tmp_path / "corpus.zarr").exists()
    assert len(pd.read_csv(tmp_path / "rejected.csv")) >= 11


def test_mild_findings_are_flagged_and_kept(tmp_path: Path) -> None:
    paths = write_runs(tmp_path, range(6))
    paths += write_runs(tmp_path, [6], end=3.0)
    run = sample_run(7)
    run.temperature[5:, -1] += 40.0
    write_netcdf(run, tmp_path / "run_00007.nc")
    summary = ingest([*paths, tmp_path / "run_00007.nc"], tmp_path / "corpus.zarr", SMALL)
    assert (summary.runs, summary.flagged, summary.rejected) == (8, 2, 0)
    found = {(entry.simulation, entry.what) for entry in provenance_of(tmp_path / "corpus.zarr").findings}
    assert found == {(6, "short"), (7, "boundary drift")}


def test_nothing_to_ingest(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="empty"):
        ingest([], tmp_path / "corpus.zarr")


@pytest.mark.parametrize("change", [{}, {"encoding": "int16"}, {"times": "resample", "snapshots": 11}])
def test_an_appended_store_holds_what_a_new_one_does(raw: Any, tmp_path: Path, change: Any) -> None:
    settings = SMALL.model_copy(update=change)
    ingest(raw[:5], tmp_path / "grown.zarr", settings)
    ingest(raw, tmp_path / "grown.zarr", settings)
    ingest(raw, tmp_path / "new.zarr", settings)
    grown, new = open_corpus(tmp_path / "grown.zarr"), open_corpus(tmp_path / "new.zarr")
    np.testing.assert_array_equal(grown.temperature.values, new.temperature.values)
    np.testing.assert_array_equal(grown.snapshot_time.values, new.snapshot_time.values)
    np.testing.assert_array_equal(grown.simulation.values, new.simulation.values)


def test_append_leaves_old_shards_alone(raw: Any, tmp_path: Path) -> None:
    store = tmp_path / "corpus.zarr"
    ingest(raw[:5], store, SMALL)
    old = {path: path.stat().st_ino for path in (store / "temperature" / "c").rglob("*") if path.is_file()}
    split = open_corpus(store).split.values
    longer = write_runs(tmp_path, [20], snapshots=14)  # also lengthens the time dimension
    summary = ingest([*raw, *longer], store, SMALL)
    assert (summary.added, summary.runs) == (4, 9)
    assert {path: path.stat().st_ino for path in old} == old
    corpus = validate(open_corpus(store))
    assert corpus.sizes["time"] == 14
    assert corpus.snapshot_count.values.tolist() == [12] * 8 + [14]
    np.testing.assert_array_equal(corpus.split.values[:5], split)
    for path, run in zip([*raw, *longer], iterate_runs(corpus), strict=True):
        np.testing.assert_array_equal(run.temperature.values, open_netcdf(path).temperature.values)
        np.testing.assert_array_equal(run.mean_temperature.values, open_netcdf(path).mean_temperature.values)
    values = select_split(corpus, "train")
    flat = np.concatenate([run.temperature.values.astype(float).ravel() for run in iterate_runs(values)])
    np.testing.assert_allclose(statistics(corpus)["temperature"]["mean"], flat.mean(), rtol=1e-7)
    assert ingest([*raw, *longer], store, SMALL).added == 0


def test_store_follows_the_list_unless_told_to_keep(raw: Any, tmp_path: Path) -> None:
    store = tmp_path / "corpus.zarr"
    ingest(raw[:6], store, SMALL)
    assert ingest(raw[5:], store, SMALL, keep_unlisted=True).runs == 8
    assert ingest(raw[:6], store, SMALL).runs == 6
    other = SMALL.model_copy(update={"encoding": "int16"})
    with pytest.raises(IngestError, match="settings differ"):
        ingest(raw, store, other, keep_unlisted=True)
    assert ingest(raw, store, other).runs == 8
    assert xr.open_zarr(store).temperature.encoding["dtype"] == np.int16


@pytest.mark.parametrize("change", [{}, {"times": "resample", "snapshots": 11}])
def test_parts_converted_apart_become_the_store_that_one_ingest_makes(raw: Any, tmp_path: Path, change: Any) -> None:
    settings = SMALL.model_copy(update=change)
    longer = write_runs(tmp_path, [0], snapshots=14, end=4.7)  # a second run 0: gets the next free number
    paths = [*raw, *longer, tmp_path / "nothing.nc"]
    store = tmp_path / "parts" / "corpus.zarr"
    for listed in (paths[3:], paths):  # the second time the store grows, and run 0 is new
        key = plan_ingest(listed, store, settings)
        counts = [ingest_part(store, key, part, 3) for part in (2, 0, 1)]
        assert plan_ingest(listed, store, settings) == key  # planned again: what is converted stays
        told: list[Any] = []
        summary = ingest(listed, store, settings, progress=lambda *what, told=told: told.append(what))
        assert [what for what in told if what[0] == "ingest"] == [("ingest", summary.added, summary.added)]
        assert sum(count["runs"] for count in counts) == summary.added
    ingest(paths[3:], tmp_path / "one" / "corpus.zarr", settings)
    ingest(paths, tmp_path / "one" / "corpus.zarr", settings)
    assert tree_digest(store) == tree_digest(tmp_path / "one" / "corpus.zarr")
    assert plan_ingest(paths[:-1], store, settings) == ""
    assert ingest_part(store, "", 0, 3) == {"runs": 0, "rejected": 0}
    with pytest.raises(PlanError, match=r"plan the ingest of .* again"):
        ingest_part(store, key, 0, 3)


def test_a_changed_file_is_noticed(raw: Any, tmp_path: Path) -> None:
    paths = [shutil.copy2(path, tmp_path) for path in raw]
    ingest(paths, tmp_path / "corpus.zarr", SMALL)
    write_netcdf(sample_run(30).assign_attrs(number=2), paths[2])
    ingest(paths, tmp_path / "corpus.zarr", SMALL)
    corpus = open_corpus(tmp_path / "corpus.zarr")
    np.testing.assert_array_equal(corpus.temperature[2].values, sample_run(30).temperature.values)


def test_packed_store_is_within_its_stated_error(raw: Any, tmp_path: Path) -> None:
    summary = ingest(raw, tmp_path / "corpus.zarr", SMALL.model_copy(update={"encoding": "int16"}))
    corpus = open_corpus(tmp_path / "corpus.zarr")
    assert corpus.temperature.dtype == np.float32
    for path, run in zip(raw, iterate_runs(corpus), strict=True):
        error = np.abs(run.temperature.values - open_netcdf(path).temperature.values)
        assert error.max() <= 1 / 32 + 1e-4
    assert summary.stored_bytes < 0.6 * 4 * np.prod(summary.shape)


def test_regridded_and_resampled(raw: Any, tmp_path: Path) -> None:
    settings = SMALL.model_copy(update={"radial_cells": 20, "angular_cells": 8, "times": "resample", "snapshots": 10})
    ingest([*raw, *write_runs(tmp_path, [9], end=2.6)], tmp_path / "corpus.zarr", settings)
    corpus = validate(open_corpus(tmp_path / "corpus.zarr"))
    assert corpus.temperature.shape == (9, 10, 22, 8)
    np.testing.assert_allclose(corpus.snapshot_time.values[0], np.linspace(0, 4.5, 10))
    assert corpus.snapshot_count.values.tolist() == [10] * 8 + [6]
    source = open_netcdf(raw[0])
    wall = source.temperature.values[:, 0].mean(axis=-1)
    expected = np.interp(corpus.snapshot_time.values[0], source.time.values, wall)
    np.testing.assert_allclose(corpus.temperature[0, :, 0].values.mean(axis=-1), expected, rtol=1e-6)
    np.testing.assert_allclose(corpus.temperature[0, :, -1].values, 250.0, rtol=1e-6)


@pytest.mark.parametrize("scheduler", ["threads", pytest.param("processes", marks=pytest.mark.slow)])
def test_dask_gives_the_same_store(
    raw: Any, store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheduler: Any
) -> None:
    monkeypatch.setattr("surrogate.corpus.workers.useful_workers", lambda workers, size: workers)
    told = []
    ingest(
        raw, tmp_path / "corpus.zarr", SMALL, workers=2, scheduler=scheduler, progress=lambda *what: told.append(what)
    )
    assert tree_digest(tmp_path / "corpus.zarr") == tree_digest(store)
    assert told[-1] == ("ingest", 8, 8)


def test_errors_of_opening(store: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.zarr"):
        open_corpus(tmp_path / "nothing.zarr")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(CorpusError, match="not a Zarr 3 store"):
        open_corpus(tmp_path / "empty.zarr")
    copy = tmp_path / "copy.zarr"
    shutil.copytree(store, copy)
    shutil.rmtree(copy / "temperature" / "c" / "3")
    with pytest.raises(CorpusError, match=r"1 of 8 runs are missing.*row 3"):
        open_corpus(copy)
    shutil.copytree(store, copy, dirs_exist_ok=True)
    shutil.rmtree(copy / "split")
    with pytest.raises(CorpusError, match="ingest again"):
        open_corpus(copy)
    other = tmp_path / "other.zarr"
    xr.Dataset({"a": ("x", [1.0])}).to_zarr(other)
    with pytest.raises(CorpusError, match="corpus_format"):
        open_corpus(other)
    root = json.loads((store / "zarr.json").read_text())
    assert "statistics" in root["attributes"]


def test_a_corpus_of_other_parameters_keeps_them_and_refuses_runs_that_lack_them(raw: Any, tmp_path: Path) -> None:
    space = ParameterSpace(
        [
            Parameter("rayleigh_number", low=1e4, high=1e7, logarithmic=True, symbol="Ra"),
            Parameter("tilt", "degree", -30.0, 30.0, description="of the lid"),
        ]
    )
    paths = []
    for number, point in enumerate(space.draw(8, 3)):
        run = sample_run(number)
        point = Parameters.from_array(point, space)
        series = {"mean_temperature": run.mean_temperature.values}
        run = make_run(run.temperature.values, run.time.values, geometry_of(run), point, series, run.attrs)
        paths.append(tmp_path / f"tilted_{number}.nc")
        write_netcdf(run, paths[-1])
    other = shutil.copy2(raw[7], tmp_path / "evolution_20.nc")
    settings = SMALL.model_copy(update={"tolerated_rejects": 0.5})
    ingest(paths[:5], tmp_path / "corpus.zarr", settings)
    summary = ingest([*paths, other], tmp_path / "corpus.zarr", settings, tmp_path / "rejected.csv")
    assert (summary.runs, summary.rejected) == (8, 1)
    corpus = open_corpus(tmp_path / "corpus.zarr")
    assert space_of(corpus) == space
    np.testing.assert_array_equal(parameter_table(corpus), space.draw(8, 3))
    assert set(statistics(corpus)["parameters"]) == {"rayleigh_number", "tilt"}
    rejected = pd.read_csv(tmp_path / "rejected.csv")
    assert rejected.what.tolist() == ["parameters"]
    assert "reference_viscosity" in rejected.message[0]
    found = examine([*paths, other], settings)
    assert found.space == space
    assert [(finding.file, finding.what) for finding in found.findings] == [(str(other), "parameters")]
    assert "rayleigh number" in markdown_report(found)
    assert [row["name"] for row in show_store(tmp_path / "corpus.zarr")["coverage"]] == list(space.names)
