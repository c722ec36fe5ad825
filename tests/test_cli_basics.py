import json
import subprocess
import sys

import pytest
import yaml

from surrogate.cli import main
from surrogate.cli.output import table

HEAVY = ("keras", "tensorflow", "numba", "jax", "xarray", "dask", "matplotlib", "pint", "pandas")


def run(capsys, *arguments):
    """Exit code, stdout, stderr of the command."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return ended.value.code or 0, captured.out, captured.err


@pytest.mark.parametrize("arguments", [["--help"], ["predict", "--help"], ["corpus", "--help"], []])
def test_help_comes_without_anything_heavy(arguments):
    program = (
        "import sys\n"
        "from surrogate.cli import main\n"
        "try:\n"
        f"    main({arguments!r})\n"
        "except SystemExit:\n"
        "    pass\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert "LOADED []" in result.stdout, result.stdout[-500:] + result.stderr[-500:]
    assert "Usage" in result.stdout


COMMANDS = [
    ["predict"], ["inspect"], ["verify"], ["check"], ["export"], ["pack"], ["speed"], ["simulate"], ["benchmark"],
    ["compare-gaia"],
    ["corpus", "design"], ["corpus", "ingest"], ["corpus", "inspect"], ["corpus", "doctor"], ["corpus", "show"],
    ["init"], ["config", "schema"], ["config", "default"], ["config", "check"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_shows_an_example(capsys, command):
    code, out, _ = run(capsys, *command, "--help")
    assert code == 0
    assert "Example: surrogate" in " ".join(out.split())


def test_the_version_is_printed(capsys):
    code, out, _ = run(capsys, "--version")
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
        (["config", "check", "absent.yaml"], "absent.yaml: no such file"),
        (["simulate", "--reference-viscosity", "5 K", "--activation-energy", "1", "--activation-volume", "1",
          "--crustal-enrichment", "1", "--initial-temperature", "1", "-o", "x.nc"], "reference_viscosity: expected"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_without_a_traceback(capsys, arguments, message):
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    lines = err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("surrogate: error: ")
    assert message in lines[0]


def test_a_bug_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr("surrogate.query.Surrogate.load", lambda path: int("not a number from this package"))
    with pytest.raises(ValueError, match="invalid literal"):
        main(["inspect", "x"])


@pytest.mark.parametrize("arguments", [["nonsense"], ["predict"], ["corpus", "show"], ["inspect", "a", "b"]])
def test_wrong_usage_exits_with_2(capsys, arguments):
    assert run(capsys, *arguments)[0] == 2


def test_configuration_commands(capsys, tmp_path):
    code, out, _ = run(capsys, "config", "schema")
    assert code == 0
    assert json.loads(out)["title"] == "Config"
    code, out, _ = run(capsys, "config", "default")
    path = tmp_path / "mine.yaml"
    path.write_text(out.replace('name: "default"', 'name: "mine"'))
    code, out, _ = run(capsys, "config", "check", path)
    assert code == 0
    assert "results/mine/" in out
    code, out, _ = run(capsys, "config", "check", path, "--json")
    assert json.loads(out) == yaml.safe_load(path.read_text())
    path.write_text("design: {runs: 0, sed: 1}")
    code, _, err = run(capsys, "config", "check", path)
    assert code == 2
    assert len(err.strip().splitlines()) == 2


def test_a_table_aligns_its_columns():
    lines = table(["a", "bcd"], [[1.23456789, "x"], ["long", 2]]).splitlines()
    assert lines == ["a        bcd", "1.23457  x", "long     2"]
