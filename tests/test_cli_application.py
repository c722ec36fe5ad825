import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import typer
import yaml
from made_up import made_up_run

from conftest import Command
from surrogate import environment
from surrogate.cli import app, main
from surrogate.cli.output import table
from surrogate.config import documented_default
from surrogate.fields import write_netcdf

HEAVY = ("keras", "tensorflow", "numba", "jax", "xarray", "dask", "matplotlib", "pint", "pandas")


@pytest.mark.parametrize("arguments", [["--help"], ["predict", "--help"], ["corpus", "--help"], []])
def test_help_comes_without_anything_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "from surrogate.cli import main\n"
        "try:\n"
        f"    main({arguments!r})\n"
        "except SystemExit:\n"
        "    pass\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "LOADED []" in result.stdout, result.stdout[-500:] + result.stderr[-500:]
    assert "Usage" in result.stdout


def commands(group: Any = None, path: Any = ()) -> Any:
    """The words of every command."""
    for name, entry in (group or cast(Any, typer.main.get_command(app))).commands.items():
        if hasattr(entry, "commands"):
            yield from commands(entry, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_shows_an_example(command: Command, words: tuple[str, ...]) -> None:
    code, out, _ = command(*words, "--help")
    assert code == 0
    assert "Example: surrogate" in " ".join(out.split())


def test_the_version_is_printed(command: Command) -> None:
    code, out, _ = command("--version")
    assert code == 0
    assert out.startswith("surrogate 0.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "no/such/bundle"], "no/such/bundle: no such bundle"),
        (["inspect", "no/such/bundle"], "no/such/bundle: no such bundle"),
        (["verify", __file__], "not a whole zip file"),
        (["check", "absent.nc"], "absent.nc: no such file"),
        (["check", __file__], "cannot be read as NetCDF4"),
        (["corpus", "inspect", "absent.zarr"], "absent.zarr: no such file or folder"),
        (["corpus", "show", "absent.zarr"], "absent.zarr: no such corpus"),
        (["corpus", "design", "x.csv", "--runs", "0"], "design.runs"),
        (["corpus", "design", "x.csv", "--config", "absent.yaml"], "absent.yaml: no such file"),
        (["corpus", "design", "x.txt"], "x.txt: expected a name that ends in .csv"),
        (["corpus", "ingest", "x.zarr", "run.nc", "--rejected", "x"], "x: expected a name that ends in .csv"),
        (["corpus", "doctor", "run.nc", "--report", "x.pdf"], "x.pdf: expected a name that ends in .html or .md"),
        (["predict", "demo", "-o", "out.txt"], "out.txt: expected a name that ends in .nc"),
        (["predict", "demo", "--picture", "out.nc"], "out.nc: expected a name that ends in .png or .pdf or .svg"),
        (["predict", "demo", "--initial-temperature"], "--initial-temperature: expected the name of a parameter"),
        (["config", "check", "absent.yaml"], "absent.yaml: no such file"),
        (
            [
                "simulate",
                "--reference-viscosity",
                "5 K",
                "--activation-energy",
                "1",
                "--activation-volume",
                "1",
                "--crustal-enrichment",
                "1",
                "--initial-temperature",
                "1",
                "-o",
                "x.nc",
            ],
            "reference_viscosity: expected",
        ),
        (
            [
                "simulate",
                "--reference-viscosity",
                "1e21",
                "--activation-energy",
                "3e5",
                "--activation-volume",
                "6e-6",
                "--crustal-enrichment",
                "9",
                "--initial-temperature",
                "1700",
                "-o",
                "x.csv",
            ],
            "x.csv: expected a name",
        ),
    ],
)
def test_bad_input_is_one_line_without_a_traceback(command: Command, arguments: list[str], message: str) -> None:
    code, out, err = command(*arguments)
    assert code == 2
    assert out == ""
    lines = err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("surrogate: error: ")
    assert message in lines[0]


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surrogate.query.Surrogate.load", lambda path: int("not a number from this package"))
    with pytest.raises(ValueError, match="invalid literal"):
        main(["inspect", "x"])


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["predict"], ["predict", "a", "b"], ["corpus", "show"], ["inspect", "a", "b"]]
)
def test_wrong_usage_exits_with_2(command: Command, arguments: list[str]) -> None:
    assert command(*arguments)[0] == 2


def test_configuration_commands(command: Command, tmp_path: Path) -> None:
    code, out, _ = command("config", "schema")
    assert code == 0
    assert json.loads(out)["title"] == "Config"
    code, out, _ = command("config", "default")
    path = tmp_path / "mine.yaml"
    path.write_text(out.replace('name: "default"', 'name: "mine"'))
    code, out, _ = command("config", "check", path)
    assert code == 0
    assert "results/mine/" in out
    code, out, _ = command("config", "check", path, "--json")
    assert json.loads(out)["design"] == yaml.safe_load(path.read_text())["design"]
    assert json.loads(out)["simulator"]["engine"] == "numba"  # what the file leaves out is there
    path.write_text("design: {runs: 0, sed: 1}")
    code, _, err = command("config", "check", path)
    assert code == 2
    assert len(err.strip().splitlines()) == 2


def test_a_table_aligns_its_columns() -> None:
    lines = table(["a", "bcd"], [[1.23456789, "x"], ["long", 2]]).splitlines()
    assert lines == ["a        bcd", "1.23457  x", "long     2"]


# -- the environment --

KERAS = [
    ({"backend": "torch"}, {}, "the backend of Keras is 'torch', expected tensorflow or jax"),
    (
        {},
        {"KERAS_BACKEND": "torch"},
        "KERAS_BACKEND=torch: the backend of Keras is 'torch', expected tensorflow or jax",
    ),
    ({"floatx": "float64"}, {}, "keras.json: floatx is 'float64', expected 'float32'"),
    ({"floatx": "float16"}, {"KERAS_BACKEND": "jax"}, "keras.json: floatx is 'float16', expected 'float32'"),
    ({"image_data_format": "channels_first"}, {}, "keras.json: image_data_format is 'channels_first', expected"),
]


@pytest.mark.parametrize(("content", "variables", "message"), KERAS)
def test_settings_of_keras_that_change_networks_are_refused_and_reported(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    content: Any,
    variables: dict[str, str],
    message: str,
) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)  # as before its import
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text(json.dumps(content))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    code, out, err = command("speed", "demo")
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
    code, out, _ = command("check-environment", "--json")
    (entry,) = [entry for entry in json.loads(out) if entry["name"] == "keras"]
    assert code == 1
    assert not entry["passed"]
    assert entry["advice"] == err.strip().removeprefix("surrogate: error: ")


@pytest.mark.parametrize(
    ("content", "variables", "backend", "chosen_by"),
    [
        (None, {}, "tensorflow", "default"),
        ("not JSON", {}, "tensorflow", "default"),
        ('{"backend": "jax"}', {}, "jax", "keras.json"),
        ('{"backend": "torch"}', {"KERAS_BACKEND": "tensorflow"}, "tensorflow", "KERAS_BACKEND=tensorflow"),
    ],
)
def test_the_backend_and_why_it_is_that_one(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    content: Any,
    variables: dict[str, str],
    backend: str,
    chosen_by: str,
) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    if content is not None:
        (tmp_path / "keras.json").write_text(content)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = environment.keras_settings()
    assert found.backend == backend
    assert found.chosen_by.endswith(chosen_by)
    environment.check_keras()


def test_keras_itself_agrees_with_what_is_said_of_it_before_its_import(tmp_path: Path) -> None:
    (tmp_path / "keras.json").write_text('{"floatx": "float64", "image_data_format": "channels_first"}')
    program = (
        "from surrogate.environment import keras_settings\n"
        "before = keras_settings()\n"
        "import keras\n"
        "after = keras_settings()\n"
        "assert after.floatx == keras.config.floatx() == before.floatx == 'float64', (before, after)\n"
        "assert after.image_data_format == before.image_data_format == 'channels_first', (before, after)\n"
        "assert after.backend == before.backend, (before, after)\n"
    )
    variables = {**os.environ, "KERAS_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_places_that_cannot_be_written_are_named_with_what_to_set(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    nowhere = tmp_path / "file" / "below"
    for variable in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(nowhere))
    monkeypatch.setattr(environment, "_devices", lambda: environment.Check("gpu", True, "not looked for"))
    code, out, _ = command("check-environment", "--results", nowhere, "--json")
    assert code == 1
    failed = {entry["name"]: entry["advice"] for entry in json.loads(out) if not entry["passed"]}
    assert list(failed) == ["compiled code", "snakemake cache", "results"]
    assert "NUMBA_CACHE_DIR" in failed["compiled code"]
    assert "XDG_CACHE_HOME" in failed["snakemake cache"]
    code, out, _ = command("check-environment", "--results", nowhere)
    assert code == 1
    assert len(out.splitlines()) <= 24  # one screen
    assert sum(line.startswith("FAILED") for line in out.splitlines()) == 3


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (OSError(24, "Too many open files"), "ulimit -n"),
        (OSError(28, "No space left on device"), "the disk is full"),
        (RuntimeError("cannot cache function 'f': no locator available for file 'x.py'"), "NUMBA_CACHE_DIR"),
    ],
)
def test_an_error_of_the_environment_ends_with_what_to_set(
    command: Command, monkeypatch: pytest.MonkeyPatch, error: Exception, advice: str
) -> None:
    def fail(path: Any) -> Any:
        raise error

    monkeypatch.setattr("surrogate.query.Surrogate.load", fail)
    code, _, err = command("inspect", "demo")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert advice in err


def test_a_file_that_another_process_holds_is_not_called_broken_without_saying_so(
    command: Command, tmp_path: Path
) -> None:
    fcntl = pytest.importorskip("fcntl")
    path = tmp_path / "run.nc"
    write_netcdf(made_up_run(), path)
    with open(path, "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        code, _, err = command("check", path)
    assert code == 2
    assert "HDF5_USE_FILE_LOCKING" in err


PLAIN_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_no_command_needs_a_utf8_locale(tmp_path: Path) -> None:
    """The report of the doctor, the answers and the configuration hold more than ASCII."""
    write_netcdf(made_up_run(count=12), tmp_path / "run.nc")
    default, health = tmp_path / "default.yaml", tmp_path / "health.md"
    program = (
        "import locale, sys\n"
        "from surrogate.cli import main\n"
        "assert 'utf' not in locale.getpreferredencoding(False).lower()\n"
        "def run(*words):\n"
        "    try:\n"
        "        main(list(words))\n"
        "    except SystemExit as end:\n"
        "        assert not end.code, (words, end.code)\n"
        f"run('corpus', 'doctor', {str(tmp_path / 'run.nc')!r}, '--report', {str(health)!r})\n"
        "run('inspect', 'demo')\n"
        "run('config', 'check', 'config/config.yaml')\n"
        r"sys.stdout.write('\u2192 \u00b2')"
    )
    variables = {**os.environ, **PLAIN_LOCALE}
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-1000:]
    assert "\u2192 \u00b2" in done.stdout.decode("utf-8")
    assert not health.read_text(encoding="utf-8").isascii()
    with open(default, "wb") as stream:
        subprocess.run(
            [sys.executable, "-m", "surrogate.cli", "config", "default"], env=variables, stdout=stream, check=True
        )
    assert default.read_text(encoding="utf-8") == documented_default()
