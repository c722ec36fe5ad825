"""The whole pipeline, from a design to a bundle, through Snakemake on a tiny corpus."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from dimensionless import write_runs

ROOT = Path(__file__).parents[1]
SNAKEMAKE = Path(sys.executable).parent / "snakemake"


def snakemake(folder: Path, *arguments: Any, configuration: Any = ROOT / "config/tiny.yaml") -> Any:
    command = [SNAKEMAKE, *arguments, "--snakefile", ROOT / "Snakefile", "--directory", folder, "--cores", "2"]
    command += ["--workflow-profile", ROOT / "profiles/default", "--configfile", configuration]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def jobs(folder: Path, *arguments: Any, **keywords: Any) -> Any:
    """Return how many jobs of each rule a dry run would start."""
    code, text = snakemake(folder, "--dry-run", "--quiet", "rules", *arguments, **keywords)
    assert code == 0, text
    return {rule: int(count) for rule, count in re.findall(r"^(\w+)\s+(\d+)$", text, re.MULTILINE)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("pipeline")
    code, text = snakemake(folder)
    assert code == 0, text[-5000:]
    return folder


@pytest.fixture
def copy(finished: Any, tmp_path: Path) -> Any:
    """Return a copy of the finished run that a test may damage."""
    shutil.copytree(finished, tmp_path / "copy", symlinks=True)
    return tmp_path / "copy"


@pytest.fixture
def results(finished: Any) -> Any:
    return finished / "results/tiny"


def changed(folder: Path, section: Any, **values: Any) -> Any:
    """Write a copy of the tiny configuration with some keys of one section changed."""
    content = yaml.safe_load((ROOT / "config/tiny.yaml").read_text())
    content.setdefault(section, {}).update(values)
    path = folder / "changed.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_every_run_is_simulated_and_ingested(results: Any) -> None:
    statuses = pd.concat([pd.read_csv(path) for path in sorted((results / "shards").glob("*.csv"))])
    assert list(statuses.simulation) == list(range(16))
    assert set(statuses.status) == {"done"}
    assert len(pd.read_csv(results / "rejected.csv")) == 0


def test_measures_of_every_method_are_finite_and_ordered(results: Any) -> None:
    metrics = json.loads((results / "metrics.json").read_text())["methods"]
    expected = {"autoencoder", "fnn", "lstm", "flow", "mean_profile", "nearest_run", "pod_gaussian_process"}
    assert set(metrics) == expected
    for name, entry in metrics.items():
        assert 80 < entry["relative_accuracy"]["mean"] < 100, name
    # A profile has no lateral anomaly: it misses exactly all of it.
    assert metrics["mean_profile"]["lateral_anomaly_error"]["mean"] == pytest.approx(1.0, abs=1e-4)
    # The accuracy written down is that of the fields written down.
    from surrogate.corpus.store import open_corpus
    from surrogate.fields import open_netcdf, select_split

    truth = select_split(open_corpus(results / "corpus.zarr"), "test").temperature.values
    prediction = open_netcdf(results / "predictions/fnn.nc").temperature.values
    accuracy = 100 - 100 * np.nanmean(np.abs(truth - prediction) / truth)
    assert metrics["fnn"]["relative_accuracy"]["mean"] == pytest.approx(accuracy, abs=1e-3)


def test_a_second_run_does_nothing(finished: Any) -> None:
    code, text = snakemake(finished)
    assert code == 0
    assert "Nothing to be done" in text


def test_the_report_holds_figures_and_captions(finished: Any) -> None:
    report = finished / "report.html"
    code, text = snakemake(finished, "--report", report)
    assert code == 0, text[-3000:]
    assert "singular value" in report.read_text()
    assert "in five numbers" in report.read_text()


def with_observations(folder: Path) -> Any:
    """Write the tiny configuration with observations that every evolution meets."""
    seen = folder / "seen.yaml"
    seen.write_text('{observations: [{quantity: core_temperature, time: "1 Gyr", low: 1000 K}], caveats: [Made up.]}')
    return changed(folder, "inference", observations=str(seen), points=64, solver="reference")


def test_observations_add_a_posterior_and_its_figures_and_nothing_else(finished: Any, tmp_path: Path) -> None:
    figures = {f"figure_{name}": 1 for name in ("posterior", "posterior_predictive", "information")}
    wanted = {"posterior": 1, "captions": 1, "all": 1, **figures}
    assert jobs(finished, configuration=with_observations(tmp_path)) == {**wanted, "total": len(wanted)}


@pytest.mark.slow
def test_the_posterior_of_a_pipeline_is_drawn_and_told(copy: Any, tmp_path: Path) -> None:
    wanted = "results/tiny/figures/information.png", "captions"
    code, text = snakemake(copy, *wanted, configuration=with_observations(tmp_path))
    assert code == 0, text[-3000:]
    assert (copy / "results/tiny/figures/information.png").stat().st_size > 1000
    assert "Made up." in (copy / "results/tiny/captions/information.rst").read_text()


@pytest.mark.slow
def test_a_ring_with_three_parameters_goes_from_files_to_the_bundle(tmp_path: Path) -> None:
    """The whole pipeline on somebody else's runs: a full annulus, without units and without a planet."""
    from surrogate import Surrogate

    (tmp_path / "runs").mkdir()
    write_runs(tmp_path / "runs", 16)
    content = yaml.safe_load((ROOT / "config/tiny.yaml").read_text())
    del content["simulator"], content["parameters"], content["design"]
    content |= {"name": "ring", "source": {"kind": "files", "files": "runs/*.nc"}}
    configuration = tmp_path / "ring.yaml"
    configuration.write_text(yaml.safe_dump(content))
    code, text = snakemake(tmp_path, configuration=configuration)
    assert code == 0, text[-5000:]
    results = tmp_path / "results/ring"
    metrics = json.loads((results / "metrics.json").read_text())
    assert metrics["truth"]["units"] == "dimensionless"
    assert metrics["methods"]["mean_profile"]["lateral_anomaly_error"]["mean"] == pytest.approx(1.0, abs=1e-4)
    assert "accuracy (error over the range), %" in (results / "metrics.md").read_text()
    for path in (results / "captions").glob("*.rst"):
        words = re.sub(r"base64,[^\"']+", "", path.read_text())  # not what a picture spells by chance
        assert not re.search("Mars|mantle|Gyr", words), path.name
    surrogate = Surrogate.load(results / "surrogate")
    assert surrogate.space.names == ("rayleigh_number", "internal_heating", "viscosity_contrast")
    answer = surrogate.heat_flux(rayleigh_number=1e5, internal_heating=5, viscosity_contrast=30, time=0.05)
    assert "Nusselt" in answer.surface_heat_flux.attrs["long_name"]


def test_a_deleted_figure_is_made_again_alone(copy: Any) -> None:
    figure = copy / "results/tiny/figures/coverage.png"
    before = figure.read_bytes()
    figure.unlink()
    assert jobs(copy) == {"figure_coverage": 1, "all": 1, "total": 2}
    code, text = snakemake(copy)
    assert code == 0, text
    assert figure.read_bytes() == before


def test_a_changed_key_reruns_what_depends_on_it_and_nothing_else(finished: Any, tmp_path: Path) -> None:
    width = jobs(finished, configuration=changed(tmp_path, "fnn", width=96))
    assert {"fnn", "flow", "predict", "evaluate", "bundle"} <= set(width)
    assert width["predict"] == 2  # the FNN and the flow around its mean
    assert not {"design", "simulate", "ingest", "autoencoder", "encode", "lstm", "baseline"} & set(width)
    picture = jobs(finished, configuration=changed(tmp_path, "figures", resolution=99))
    # The first page of the report shows two of the pictures.
    assert {rule for rule in picture if not rule.startswith("figure_")} == {"all", "captions", "total"}
    assert {"figure_coverage", "figure_examples"} <= set(picture)
    split = jobs(finished, configuration=changed(tmp_path, "corpus", split_seed=99))
    assert {"ingest", "autoencoder", "baseline"} <= set(split)
    assert not {"design", "simulate"} & set(split)


def test_broken_raw_runs_are_left_out_and_named(copy: Any) -> None:
    results = copy / "results/tiny"
    raw = sorted((results / "raw").glob("*.nc"))
    raw[3].write_bytes(raw[3].read_bytes()[:2000])
    import xarray as xr

    poisoned = xr.load_dataset(raw[5], engine="h5netcdf", decode_times=False)
    poisoned.temperature[4] = np.nan
    poisoned.to_netcdf(raw[5], engine="h5netcdf")
    (results / "corpus.json").unlink()
    code, text = snakemake(copy, "corpus")
    assert code == 0, text[-3000:]
    rejected = pd.read_csv(results / "rejected.csv").set_index("simulation")
    assert sorted(rejected.index) == [3, 5]
    assert raw[3].name in str(rejected.loc[3, "file"])
    assert "NaN" in str(rejected.loc[5, "message"])
    assert json.loads((results / "corpus.json").read_text())["runs"] == 14


def test_files_that_are_not_there_are_named_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "none.yaml").write_text(yaml.safe_dump({"source": {"kind": "files", "files": "nowhere/*.nc"}}))
    code, text = snakemake(tmp_path, configuration=tmp_path / "none.yaml")
    assert code == 1
    assert "no file matches 'nowhere/*.nc'" in text
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("autoencoder", {"latent": 9}, "autoencoder.latent: unknown key"),
        ("design", {"runs": 0}, "design.runs: Input should be greater than or equal to 1"),
        (
            "source",
            {"kind": "files", "files": "nowhere/*.nc"},
            "simulator: has no effect; expected beside it source.kind",
        ),
    ],
)
def test_a_wrong_configuration_is_named_before_anything_runs(
    tmp_path: Path, section: Any, values: Any, message: str
) -> None:
    code, text = snakemake(tmp_path, configuration=changed(tmp_path, section, **values))
    assert code == 1
    assert message in text
    assert not (tmp_path / "results").exists()


def test_the_bundle_answers_from_python_and_from_a_shell(results: Any, tmp_path: Path) -> None:
    from surrogate import Surrogate
    from surrogate.corpus import read_design

    surrogate = Surrogate.load(results / "surrogate")
    design = read_design(results / "design.csv")
    parameters = design.iloc[0].to_dict()
    for method in ("fnn", "lstm"):
        answer = surrogate.predict(parameters, time=[1.0, 4.5], method=method)
        assert answer.temperature.dims == ("time", "radius", "angle")
        assert answer.temperature.attrs["units"] == "K"
        assert float(answer.temperature.isel(radius=-1).max()) == pytest.approx(250.0, abs=0.5)
    output = tmp_path / "answer.nc"
    options = [f"--{str(name).replace('_', '-')}={value}" for name, value in parameters.items()]
    command = [Path(sys.executable).parent / "surrogate", "predict", results / "surrogate", *options]
    done = subprocess.run(
        [*map(str, command), "--time=1", "--time=4.5", "--method=lstm", f"--output={output}"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    from surrogate.fields import open_netcdf

    written = open_netcdf(output)
    np.testing.assert_allclose(written.temperature, answer.temperature, rtol=1e-5)
