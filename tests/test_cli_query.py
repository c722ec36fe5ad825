import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from query_examples import POINT

from conftest import Command
from surrogate.fields import open_netcdf
from surrogate.query import Surrogate
from surrogate.query.engine import Engine

PARAMETERS = [part for name, value in POINT.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def test_predict_prints_series(command: Command, bundle_folder: Path) -> None:
    code, out, err = command("predict", bundle_folder, *PARAMETERS, "--time", "500 Myr", "--time", 4)
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["time", "Gyr", "0.5", "4"]


def test_predict_as_json_is_the_answer_of_the_package(command: Command, bundle_folder: Path, tiny: Surrogate) -> None:
    code, out, _ = command(
        "predict", bundle_folder, *PARAMETERS, "--time", 1, "--time", 2, "--json", "--method", "lstm"
    )
    assert code == 0
    content = json.loads(out)
    question = {**POINT, "time": [1, 2], "method": "lstm"}
    assert content["time"] == [1.0, 2.0]
    np.testing.assert_allclose(
        content["mean_temperature"], tiny.mean_temperature(**question).mean_temperature, rtol=1e-5
    )
    np.testing.assert_allclose(content["surface_heat_flux"], tiny.heat_flux(**question).surface_heat_flux, rtol=1e-4)
    assert content["in_range"] == tiny.mean_temperature(**question).in_range.values.tolist()
    assert content["attributes"]["method"] == "lstm"


def test_predict_writes_a_file_that_can_be_checked(command: Command, bundle_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "answer.nc"
    code, out, err = command("predict", bundle_folder, *PARAMETERS, "--time", 1, "--time", 2, "-o", path)
    assert code == 0
    assert out == ""
    assert "answer.nc" in err
    with open_netcdf(path) as answer:
        assert answer.temperature.sizes == {"time": 2, "radius": 12, "angle": 10}
    code, out, _ = command("check", path, "--json")
    card = json.loads(out)[str(path)]
    assert code == (1 if False in card["passed"].values() else 0)
    code, out, _ = command("check", path)
    assert "surface temperature deviation" in out


def test_check_fails_what_cannot_be_a_mantle(
    command: Command, bundle_folder: Path, tmp_path: Path, tiny: Surrogate
) -> None:
    from surrogate.fields import write_netcdf

    answer = tiny.predict(**POINT, time=[1, 2, 3])
    answer["temperature"][:, -1] = 400.0  # K: the surface is at 250 K
    write_netcdf(answer, tmp_path / "hot.nc")
    code, out, _ = command("check", tmp_path / "hot.nc")
    assert code == 1
    assert "FAILED" in out


def test_predict_answers_a_table(command: Command, bundle_folder: Path, tmp_path: Path) -> None:
    code, _, _ = command("corpus", "design", tmp_path / "design.csv", "--runs", 4, "--seed", 3)
    assert code == 0
    code, out, _ = command("predict", bundle_folder, "--parameters", tmp_path / "design.csv", "--time", 1, "--json")
    assert code == 0
    assert json.loads(out)["simulation"] == [0, 1, 2, 3]
    code, _, err = command("predict", bundle_folder, "--parameters", tmp_path / "design.csv", *PARAMETERS)
    assert code == 2
    assert "cannot be combined" in err


@pytest.fixture
def interruptible() -> Any:
    """As in a terminal; where tests run side by side, their processes ignore the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("number", "ends", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_stopping_a_long_prediction_leaves_what_was_there(
    command: Command,
    bundle_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: Any,
    ends: int,
    word: str,
) -> None:
    table, output = tmp_path / "table.csv", tmp_path / "many.nc"
    assert command("corpus", "design", table, "--runs", 64)[0] == 0
    output.write_text("older")
    monkeypatch.setattr("surrogate.cli.query.WRITTEN_AT_ONCE", 0.0)
    monkeypatch.setattr("surrogate.query.answers.LAZY_PIECE", 1e-6)  # one set at a time
    expand, asked = Engine.expand, []

    def interrupted(self: Engine, latents: Any, *arguments: Any) -> Any:
        asked.append(latents)
        if len(asked) == 20:
            assert len(list(tmp_path.glob(".many.nc.*/many.nc"))) == 1  # writing has begun
            os.kill(os.getpid(), number)
        return expand(self, latents, *arguments)

    monkeypatch.setattr(Engine, "expand", interrupted)
    code, out, err = command("predict", bundle_folder, "--parameters", table, "--time", 1, "-o", output)
    assert (code, out) == (ends, "")
    assert err.splitlines()[-1] == f"surrogate: {word}; files are whole or absent"
    assert len(asked) < 40
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many.nc", "table.csv"]
    assert output.read_text() == "older"


@pytest.mark.parametrize(("option", "name"), [("--output", "run.nc"), ("--picture", "run.png")])
def test_a_file_that_cannot_be_written_is_named_before_anything_is_predicted(
    command: Command, bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, name: str
) -> None:
    monkeypatch.setattr(Engine, "latents", lambda *_: pytest.fail("predicted first"))
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / name
    code, _, err = command("predict", bundle_folder, *PARAMETERS, option, path)
    assert code == 2
    assert f"{path}: cannot be written" in err


def test_extrapolation_is_said_on_stderr(command: Command, bundle_folder: Path) -> None:
    changed = [*PARAMETERS]
    changed[1] = "1e24 Pa s"
    code, out, err = command("predict", bundle_folder, *changed, "--time", 1)
    assert code == 0
    assert err.startswith("surrogate: warning: extrapolation: reference_viscosity = 1e+24")
    assert len(err.splitlines()) == 1
    assert out.splitlines()[-1].endswith("no")


def test_far_outside_there_is_an_answer_on_request_only(command: Command, bundle_folder: Path) -> None:
    changed = ["--reference-viscosity", "1e31 Pa s", *PARAMETERS[2:], "--time", 1]
    code, out, err = command("predict", bundle_folder, *changed)
    assert (code, out) == (2, "")
    assert "reference_viscosity" in err
    code, out, _ = command("predict", bundle_folder, *changed, "--extrapolate", "--json")
    assert code == 0
    assert json.loads(out)["in_range"] == [0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--time", "2", "--time", "1"], "increasing"),
        (["--method", "cnn"], "expected one of fnn, lstm, ensemble"),
        (["--initial-temperature", "1700 Pa"], "initial_temperature: expected a value in K"),
        (["--initial-temperature", "warm"], "initial_temperature: expected a number"),
    ],
)
def test_bad_questions_are_one_line(command: Command, bundle_folder: Path, change: list[str], message: str) -> None:
    code, out, err = command("predict", bundle_folder, *PARAMETERS, *change)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_a_missing_parameter_is_named(command: Command, bundle_folder: Path) -> None:
    code, _, err = command("predict", bundle_folder, *PARAMETERS[:-2])
    assert code == 2
    assert "missing initial_temperature" in err


def test_inspect_verify_and_pack(command: Command, bundle_folder: Path, tmp_path: Path) -> None:
    code, out, _ = command("inspect", bundle_folder)
    assert code == 0
    assert "10 x 10 cells" in out
    assert "methods: fnn, lstm, ensemble" in out
    assert "limits" in out
    assert json.loads(command("inspect", bundle_folder, "--json")[1])["runs"]["train"] == 12
    assert command("pack", bundle_folder, tmp_path / "tiny.zip")[0] == 0
    code, out, _ = command("verify", tmp_path / "tiny.zip", "--json")
    assert code == 0
    assert json.loads(out)["passed"] is True
    code, out, _ = command("verify", bundle_folder)
    assert code == 0
    assert "reproduced" in out


def test_a_tampered_bundle_is_refused(command: Command, bundle_folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bundle_folder, tmp_path / "copy")
    (copy / "fnn" / "losses.csv").write_text("epoch,loss\n")
    for word in ("verify", "inspect"):
        code, _, err = command(word, copy)
        assert code == 2
        assert "losses.csv" in err


def test_speed_times_every_question(command: Command, bundle_folder: Path) -> None:
    code, out, _ = command("speed", bundle_folder, "--sets", 2, "--repeats", 1, "--json")
    assert code == 0
    result = json.loads(out)
    assert len(result) == 7
    assert all(seconds > 0 for seconds in result.values())


def test_export_writes_a_graph(command: Command, bundle_folder: Path, tmp_path: Path) -> None:
    code, out, err = command("export", bundle_folder, tmp_path / "graph", "--format", "savedmodel")
    assert (code, out) == (0, "")
    assert (tmp_path / "graph" / "saved_model.pb").exists()
    assert "parameters_and_time" in err
    for name, form in (("graph", "onnx"), ("graph", "tflite")):
        code, _, err = command("export", bundle_folder, tmp_path / name, "--format", form)
        assert code == 2
        assert len(err.strip().splitlines()) == 1


def test_parameters_may_stand_anywhere_and_an_unknown_one_is_named(command: Command, bundle_folder: Path) -> None:
    joined = [f"{flag}={value}" for flag, value in zip(PARAMETERS[::2], PARAMETERS[1::2], strict=True)]
    code, first, _ = command("predict", *joined, bundle_folder, "--time", 1)
    assert code == 0
    assert command("predict", bundle_folder, "--time", 1, *PARAMETERS)[1] == first
    code, _, err = command("predict", bundle_folder, *PARAMETERS, "--reference-viscosty", 3)
    assert code == 2
    assert "reference_viscosty" in err


def test_a_bundle_behind_a_link_is_read_and_nothing_is_put_beside_its_files(
    command: Command, bundle_folder: Path, tmp_path: Path
) -> None:
    before = sorted(bundle_folder.rglob("*"))
    (tmp_path / "link").symlink_to(bundle_folder)
    assert command("inspect", tmp_path / "link")[0] == 0
    assert command("predict", tmp_path / "link", *PARAMETERS, "--time", 1)[0] == 0
    assert sorted(bundle_folder.rglob("*")) == before
