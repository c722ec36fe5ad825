import json
from pathlib import Path
from typing import Any

import pytest
from made_up import made_up_run

from conftest import Command
from surrogate.fields import geometry_of, make_run, write_netcdf
from surrogate.parameters import EVOLUTION_PARAMETERS, Parameters


@pytest.fixture
def raw(tmp_path: Path) -> Any:
    """Twelve raw runs, of which one is cut short on disk."""
    folder = tmp_path / "raw"
    for number in range(12):
        run_dataset = made_up_run(count=12, seed=number)
        for parameter in EVOLUTION_PARAMETERS:
            value = parameter.low + (parameter.high - parameter.low) * (number + 1) / 14
            run_dataset[parameter.name] = run_dataset[parameter.name].copy(data=value)
        write_netcdf(run_dataset.assign_attrs(simulation=number), folder / f"run_{number:05d}.nc")
    broken = folder / "run_00004.nc"
    broken.write_bytes(broken.read_bytes()[:2000])
    return folder


def test_a_corpus_from_raw_runs_to_a_table(command: Command, raw: Path, tmp_path: Path) -> None:
    files = sorted(map(str, raw.glob("*.nc")))
    store, rejected = tmp_path / "corpus.zarr", tmp_path / "rejected.csv"
    code, out, err = command("corpus", "ingest", store, *files, "--rejected", rejected, "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert (summary["runs"], summary["rejected"]) == (11, 1)
    assert "run_00004.nc" in rejected.read_text()

    code, out, _ = command("corpus", "inspect", store, "--json")
    content = json.loads(out)
    assert code == 0
    assert sum(content["split"].values()) == 11
    assert [entry["what"] for entry in content["rejected"]] == ["unreadable"]
    code, out, _ = command("corpus", "inspect", store)
    assert "left out: 1" in out

    code, out, _ = command("corpus", "show", store, "--json")
    rows = json.loads(out)
    assert [row["simulation"] for row in rows] == [n for n in range(12) if n != 4]
    code, out, _ = command("corpus", "show", store, "--simulation", 3, "--json")
    assert len(json.loads(out)) == 12
    code, _, err = command("corpus", "show", store, "--simulation", 4)
    assert code == 2
    assert "has no run 4" in err

    code, out, _ = command("corpus", "doctor", store)
    assert code == 1
    assert "run_00004.nc" in out


def test_a_raw_run_is_inspected_and_a_report_written(command: Command, raw: Path, tmp_path: Path) -> None:
    code, out, _ = command("corpus", "inspect", raw / "run_00005.nc")
    assert code == 0
    assert "reader native" in out
    code, out, _ = command("corpus", "inspect", raw / "run_00004.nc", "--json")
    assert code == 1
    assert "cannot be read" in json.loads(out)["problem"]
    for name in ("health.html", "health.md"):
        code, *_ = command("corpus", "doctor", *sorted(raw.glob("*.nc")), "--report", tmp_path / name)
        assert code == 1
        assert "run_00004.nc" in (tmp_path / name).read_text()


def test_the_doctor_examines_raw_runs(command: Command, raw: Path, tmp_path: Path) -> None:
    code, out, _ = command("corpus", "doctor", raw / "run_00004.nc", raw / "run_00005.nc", "--json")
    assert code == 1
    findings = json.loads(out)
    assert [entry["file"].rsplit("/", 1)[-1] for entry in findings] == ["run_00004.nc"]
    code, out, _ = command("corpus", "doctor", raw / "run_00005.nc")
    assert code == 0
    assert "nothing wrong" in out

    good = made_up_run(count=12)
    odd = make_run(good.temperature.values, good.time.values,
                   geometry_of(good), Parameters(1e24, 3e5, 6e-6, 10, 1700))  # fmt: skip
    write_netcdf(odd, tmp_path / "odd.nc")
    code, out, _ = command("corpus", "doctor", tmp_path / "odd.nc")
    assert code == 0
    assert "reference_viscosity" in out
    assert "warning" in out


def test_design_takes_the_configuration(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("design: {runs: 8, seed: 5}")
    command("corpus", "design", tmp_path / "a.csv", "--config", tmp_path / "mine.yaml")
    command("corpus", "design", tmp_path / "b.csv", "--runs", 8, "--seed", 5)
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()


def test_the_doctor_says_the_same_thing_of_many_runs_once(command: Command, tmp_path: Path) -> None:
    good = made_up_run(count=12)
    for number in range(8):
        point = Parameters(1e24 * (1 + number), 3e5, 6e-6, 10, 1700)
        noisy = good.temperature.values + 0.01 * number
        write_netcdf(make_run(noisy, good.time.values, geometry_of(good), point), tmp_path / f"odd_{number}.nc")
    code, out, _ = command("corpus", "doctor", *sorted(tmp_path.glob("*.nc")))
    assert code == 0
    (line,) = [line for line in out.splitlines() if "reference_viscosity" in line]
    assert "odd_0.nc, odd_1.nc, odd_2.nc and 5 more" in line
    assert line.endswith("(and 7 like it)")
    assert len(json.loads(command("corpus", "doctor", *sorted(tmp_path.glob("*.nc")), "--json")[1])) >= 8


def test_a_store_behind_a_link_is_written_and_read_and_the_link_stays(
    command: Command, raw: Path, tmp_path: Path
) -> None:
    files = [path for path in sorted(raw.glob("*.nc")) if path.name != "run_00004.nc"]
    link = tmp_path / "link.zarr"
    (tmp_path / "disk").mkdir()
    link.symlink_to(tmp_path / "disk" / "corpus.zarr")
    for number in range(2):  # the second time there is nothing left to do
        code, out, err = command("corpus", "ingest", link, *files, "--json")
        assert code == 0, err
        assert json.loads(out)["runs"] == 11
        assert link.is_symlink(), number
    assert command("corpus", "inspect", link)[0] == 0
    assert command("corpus", "doctor", link)[0] == 0
