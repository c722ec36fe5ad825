import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus_samples import sample_run, write_runs

from surrogate.config import CorpusSettings
from surrogate.corpus import (
    RunRecord,
    examine,
    examine_store,
    html_report,
    ingest,
    inspect_file,
    inspection_text,
    markdown_report,
    provenance_of,
    show_store,
    store_text,
)
from surrogate.corpus.checks.doctor import compare_runs, near_across_split
from surrogate.corpus.checks.report import coverage
from surrogate.corpus.checks.run import RunCheck
from surrogate.corpus.split import assign_split
from surrogate.fields import write_netcdf
from surrogate.geometry import Geometry
from surrogate.parameters import EVOLUTION_PARAMETERS, Parameter, ParameterSpace

SMALL = CorpusSettings(validation_fraction=0.2, test_fraction=0.2, tolerated_rejects=0.5)


@pytest.fixture(scope="module")
def sick(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Six good runs, one of each of three kinds of bad ones, and one to be flagged."""
    folder = tmp_path_factory.mktemp("sick")
    paths = write_runs(folder, range(6))
    run = sample_run(6)
    run.temperature[2, 1, 1] = np.nan
    write_netcdf(run, folder / "run_00006.nc")
    write_netcdf(sample_run(1).assign_attrs(number=7), folder / "run_00007.nc")
    write_netcdf(sample_run(8, geometry=Geometry.quarter(12, 16)), folder / "run_00008.nc")
    write_netcdf(sample_run(9, end=2.0, status="short"), folder / "run_00009.nc")
    return [*paths, *(folder / f"run_0000{number}.nc" for number in range(6, 10))]


def test_the_doctor_says_of_raw_runs_what_the_ingest_will_reject(sick: Any, tmp_path: Path) -> None:
    examination = examine(sick, SMALL)
    severe = {(entry.simulation, entry.what) for entry in examination.findings if entry.severity == "severe"}
    mild = {(entry.simulation, entry.what) for entry in examination.findings if entry.severity == "warning"}
    assert severe == {(6, "not finite"), (7, "duplicate"), (8, "grid")}
    assert mild == {(9, "stopped early"), (9, "short")}
    summary = ingest(sick, tmp_path / "corpus.zarr", SMALL)
    assert summary.rejected == examination.severe == 3
    again = examine_store(tmp_path / "corpus.zarr")
    assert {(entry.simulation, entry.what) for entry in again.findings} == severe | mild


def test_the_doctor_finds_rot_in_a_store(sick: Any, tmp_path: Path) -> None:
    ingest(sick[:6], tmp_path / "corpus.zarr", SMALL)
    assert not examine_store(tmp_path / "corpus.zarr").findings
    shards = sorted(path for path in (tmp_path / "corpus.zarr" / "temperature" / "c").rglob("*") if path.is_file())
    shutil.copy(shards[4], shards[1])
    content = bytearray(shards[2].read_bytes())
    content[len(content) // 3 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 3)
    shards[2].write_bytes(content)
    found = {entry.simulation: entry.what for entry in examine_store(tmp_path / "corpus.zarr").findings}
    assert found[1] == "changed"
    assert found[2] in ("unreadable", "changed")
    assert set(found) == {1, 2}


class _Strict(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[Any] = []
        self.circles = 0

    def handle_starttag(self, tag: Any, attributes: Any) -> None:
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: Any, attributes: Any) -> None:
        self.circles += tag == "circle"

    def handle_endtag(self, tag: Any) -> None:
        assert self.open.pop() == tag


def test_reports(sick: Any) -> None:
    examination = examine(sick, SMALL)
    text = markdown_report(examination)
    assert "3 with severe findings" in text
    assert f"| {Path(sick[7]).name} |" in text
    assert "the same temperatures as run 1" in text
    page = _Strict()
    page.feed(html_report(examination))
    assert page.open == []
    assert page.circles == len(examination.runs) * 10
    healthy = examine(sick[:6], SMALL)
    assert "Nothing is wrong" in markdown_report(healthy)


def test_coverage_counts_every_run_once() -> None:
    points = np.array([[entry.low for entry in EVOLUTION_PARAMETERS], [entry.high for entry in EVOLUTION_PARAMETERS]])
    points = np.vstack([points, 2 * points[1]])
    for row in coverage(points, EVOLUTION_PARAMETERS):
        assert row["counts"] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
        assert row["outside"] == 1


def test_runs_too_near_each_other_across_the_split() -> None:
    point = np.array([1e20, 3e5, 6e-6, 20.0, 1700.0])
    near = point * [1.01, 1.001, 1.0, 1.0, 1.0]
    far = point * [10, 1, 1, 1, 1]
    assert np.linalg.norm(np.subtract(*EVOLUTION_PARAMETERS.scale([point, near]))) < 0.01
    records = [
        RunRecord(f"{number}", simulation=number, parameters=values)
        for number, values in enumerate((point, near, far, near))
    ]
    found = near_across_split(records, np.array([0, 2, 2, 0]), EVOLUTION_PARAMETERS)
    assert [(entry.simulation, entry.what) for entry in found] == [(1, "near a training run")]
    assert near_across_split(records, np.array([0, 2, 2, 0]), EVOLUTION_PARAMETERS, known=2) == []


def test_a_parameter_of_unknown_range_is_measured_by_the_runs() -> None:
    space = ParameterSpace([Parameter("rayleigh_number", low=1e4, high=1e8, logarithmic=True), Parameter("tilt")])
    points = np.array([[1e4, 0.0], [1e6, 5.0], [1e8, 10.0], [1e6, 5.01]])
    rows = coverage(points, space)
    assert [row["outside"] for row in rows] == [0, 0]
    assert (rows[1]["low"], rows[1]["high"]) == (0.0, 10.0)
    records = [RunRecord(f"{number}", simulation=number, parameters=point) for number, point in enumerate(points)]
    found = near_across_split(records, np.array([0, 0, 0, 2]), space)
    assert [entry.simulation for entry in found] == [3]


def test_time_bases_that_disagree() -> Any:
    def record(number: int, times: Any) -> Any:
        point = np.array([float(number)])
        return RunRecord(str(number), simulation=number, digest=str(number), times=times, parameters=point)

    base = np.linspace(0, 4.5, 46)
    records = [record(number, base) for number in range(5)] + [record(5, base + 0.3), record(6, base[:30])]
    found = {(entry.simulation, entry.what) for entry in compare_runs(records, [], SMALL)}
    assert found == {(5, "time base"), (6, "short")}


@pytest.mark.parametrize("block", [1, 5, 12])
def test_checks_and_moments_do_not_depend_on_the_blocks(block: Any) -> None:
    values = sample_run(3).temperature.values
    check = RunCheck(3, "run", SMALL)
    for start in range(0, 12, block):
        check.feed(values[start : start + block])
    check.finish()
    assert check.findings == []
    whole = RunCheck(3, "run", SMALL)
    whole.feed(values)
    assert check.digest == whole.digest
    moments = check.moments()
    np.testing.assert_allclose(moments.profile_mean, values.mean(axis=(0, 2), dtype=float), rtol=1e-7)
    np.testing.assert_allclose(moments.profile_variance, values.var(axis=(0, 2), dtype=float), rtol=1e-4, atol=1e-3)
    assert (moments.minimum, moments.maximum) == (values.min(), values.max())


@pytest.mark.parametrize("runs", [3, 8, 128, 1000])
@pytest.mark.parametrize("seed", [0, 11, 99])
def test_split_sizes_and_stability(runs: Any, seed: Any) -> None:
    settings = CorpusSettings(split_seed=seed)
    split = assign_split(np.arange(runs), settings)
    counts = np.bincount(split, minlength=3)
    assert counts.min() >= 1
    assert np.all(np.abs(counts - runs * np.array([0.75, 0.10, 0.15])) <= 2.5)
    if runs >= 128:
        kept = np.delete(np.arange(runs), [3, 50, 51])
        np.testing.assert_array_equal(assign_split(kept, settings), split[kept])  # rejects move nobody
        np.testing.assert_array_equal(assign_split(np.arange(2 * runs), settings)[:runs], split)
    fixed = np.zeros(runs, dtype=np.int8)
    grown = assign_split(np.arange(runs + 5), settings, fixed)
    np.testing.assert_array_equal(grown[:runs], fixed)
    assert set(grown) == {0, 1, 2}


def test_too_few_runs_to_split() -> None:
    with pytest.raises(ValueError, match="2 runs cannot be split"):
        assign_split([0, 1], SMALL)


def test_inspect(sick: Any, tmp_path: Path) -> None:
    content = inspect_file(sick[0])
    assert (content["reader"], content["snapshots"], content["grid"]) == ("native", 12, [12, 16])
    assert "12 snapshots from 0.00 Gyr to 4.50 Gyr" in inspection_text(content)
    np.savez(tmp_path / "mine.npz", T=np.zeros((3, 4, 5)))
    content = inspect_file(tmp_path / "mine.npz")
    assert content["reader"] == "gridded"
    assert content["arrays"] == {"T": [3, 4, 5]}
    assert "T  (3, 4, 5)" in inspection_text(content)
    (tmp_path / "notes.txt").write_text("nothing")
    assert "no reader takes this file" in inspection_text(inspect_file(tmp_path / "notes.txt"))


def test_show(sick: Any, tmp_path: Path) -> None:
    ingest(sick, tmp_path / "corpus.zarr", SMALL)
    content = show_store(tmp_path / "corpus.zarr")
    assert content["shape"] == {"simulation": 7, "time": 12, "radius": 12, "angle": 16}
    assert content["bytes"]["as_float32"] == 7 * 12 * 12 * 16 * 4
    text = store_text(content)
    assert "left out: 3" in text
    assert "kept and flagged: 1" in text
    assert "run 7: duplicate: the same temperatures as run 1" in text


def test_runs_of_another_planet_are_named(tmp_path: Path) -> None:
    paths = write_runs(tmp_path, range(5))
    shell = Geometry(np.linspace(1700e3, 3390e3, 11), np.linspace(0.0, np.pi / 2, 17))
    half = Geometry(Geometry.quarter(10, 16).vertical_faces, np.linspace(0.0, np.pi, 17))
    paths += write_runs(tmp_path, [5], geometry=shell) + write_runs(tmp_path, [6], geometry=half)
    settings = CorpusSettings(tolerated_rejects=0.5, radial_cells=8)
    found = {entry.simulation: entry for entry in examine(paths, settings).findings}
    assert sorted(found) == [5, 6]
    theirs, ours = (f"cylinder, {radii} km by 90 degrees" for radii in ("1700 .. 3390", "566.667 .. 2266.67"))
    assert found[5].message == f"covers {theirs}, most runs {ours}"
    assert "by 180 degrees" in found[6].message
    assert ingest(paths, tmp_path / "corpus.zarr", settings).runs == 5
    rejected = provenance_of(tmp_path / "corpus.zarr").rejected
    assert {entry.simulation: entry.what for entry in rejected} == {5: "grid", 6: "grid"}
    assert rejected[0].message.startswith("covers cylinder, 1700 .. 3390 km")
