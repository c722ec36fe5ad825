import json

import pytest
from made_up import made_up_run
from test_cli_basics import run

from surrogate.fields import annulus_of, make_run, write_netcdf
from surrogate.parameters import PARAMETERS, Parameters


@pytest.fixture
def raw(tmp_path):
    """Twelve raw runs, of which one is cut short on disk."""
    folder = tmp_path / "raw"
    for number in range(12):
        run_dataset = made_up_run(count=12, seed=number)
        for parameter in PARAMETERS:
            value = parameter.low + (parameter.high - parameter.low) * (number + 1) / 14
            run_dataset[parameter.name] = run_dataset[parameter.name].copy(data=value)
        write_netcdf(run_dataset.assign_attrs(simulation=number), folder / f"run_{number:05d}.nc")
    broken = folder / "run_00004.nc"
    broken.write_bytes(broken.read_bytes()[:2000])
    return folder


def test_a_corpus_from_raw_runs_to_a_table(capsys, raw, tmp_path):
    files = sorted(map(str, raw.glob("*.nc")))
    store, rejected = tmp_path / "corpus.zarr", tmp_path / "rejected.csv"
    code, out, err = run(capsys, "corpus", "ingest", store, *files, "--rejected", rejected, "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert (summary["runs"], summary["rejected"]) == (11, 1)
    assert "run_00004.nc" in rejected.read_text()

    code, out, _ = run(capsys, "corpus", "inspect", store, "--json")
    content = json.loads(out)
    assert code == 0
    assert sum(content["split"].values()) == 11
    assert [entry["what"] for entry in content["rejected"]] == ["unreadable"]
    code, out, _ = run(capsys, "corpus", "inspect", store)
    assert "left out: 1" in out

    code, out, _ = run(capsys, "corpus", "show", store, "--json")
    rows = json.loads(out)
    assert [row["simulation"] for row in rows] == [n for n in range(12) if n != 4]
    code, out, _ = run(capsys, "corpus", "show", store, "--simulation", 3, "--json")
    assert len(json.loads(out)) == 12
    code, _, err = run(capsys, "corpus", "show", store, "--simulation", 4)
    assert code == 2
    assert "has no run 4" in err

    code, out, _ = run(capsys, "corpus", "doctor", store)
    assert code == 1
    assert "run_00004.nc" in out


def test_a_raw_run_is_inspected_and_a_report_written(capsys, raw, tmp_path):
    code, out, _ = run(capsys, "corpus", "inspect", raw / "run_00005.nc")
    assert code == 0
    assert "reader native" in out
    code, out, _ = run(capsys, "corpus", "inspect", raw / "run_00004.nc", "--json")
    assert code == 1
    assert "cannot be read" in json.loads(out)["problem"]
    for name in ("health.html", "health.md"):
        code, *_ = run(capsys, "corpus", "doctor", *sorted(raw.glob("*.nc")), "--report", tmp_path / name)
        assert code == 1
        assert "run_00004.nc" in (tmp_path / name).read_text()


def test_the_doctor_examines_raw_runs(capsys, raw, tmp_path):
    code, out, _ = run(capsys, "corpus", "doctor", raw / "run_00004.nc", raw / "run_00005.nc", "--json")
    assert code == 1
    findings = json.loads(out)
    assert [entry["file"].rsplit("/", 1)[-1] for entry in findings] == ["run_00004.nc"]
    code, out, _ = run(capsys, "corpus", "doctor", raw / "run_00005.nc")
    assert code == 0
    assert "nothing wrong" in out

    good = made_up_run(count=12)
    odd = make_run(good.temperature.values, good.time.values,
                   annulus_of(good), Parameters(1e24, 3e5, 6e-6, 10, 1700))  # fmt: skip
    write_netcdf(odd, tmp_path / "odd.nc")
    code, out, _ = run(capsys, "corpus", "doctor", tmp_path / "odd.nc")
    assert code == 0
    assert "reference_viscosity" in out
    assert "warning" in out


def test_design_takes_the_configuration(capsys, tmp_path):
    (tmp_path / "mine.yaml").write_text("design: {runs: 8, seed: 5}")
    run(capsys, "corpus", "design", tmp_path / "a.csv", "--config", tmp_path / "mine.yaml")
    run(capsys, "corpus", "design", tmp_path / "b.csv", "--runs", 8, "--seed", 5)
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()


def test_simulate_writes_a_run(capsys, tmp_path):
    from surrogate.fields import open_netcdf, validate

    (tmp_path / "small.yaml").write_text(
        "simulator: {radial_cells: 12, angular_cells: 16, snapshots: 3, end_time: 0.1}"
    )
    point = ["--reference-viscosity", "1e22 Pa s", "--activation-energy", "300 kJ/mol", "--activation-volume", "6e-6",
             "--crustal-enrichment", "10", "--initial-temperature", "1700"]  # fmt: skip
    path = tmp_path / "run.nc"
    code, out, err = run(capsys, "simulate", *point, "--config", tmp_path / "small.yaml", "-o", path, "--json")
    assert code == 0, err
    assert json.loads(out)["status"] == "done"
    with open_netcdf(path) as result:
        validate(result)
        assert result.sizes["time"] == 3
        assert float(result.reference_viscosity) == 1e22
