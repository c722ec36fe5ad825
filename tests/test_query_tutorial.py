"""Every block of docs/query.md runs, in order, against a bundle."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from test_cli_basics import run

TEXT = (Path(__file__).parents[1] / "docs" / "query.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def results(bundle_folder, tmp_path, monkeypatch):
    shutil.copytree(bundle_folder, tmp_path / "results" / "default" / "surrogate")
    monkeypatch.chdir(tmp_path)


def test_the_python_blocks_run(results):
    names = {}
    for kind, block in BLOCKS:
        if kind == "python":
            exec(compile(block, "docs/query.md", "exec"), names)
    assert names["run"].temperature.dims == ("time", "radius", "angle")
    assert names["message"].startswith("reference_viscosity: expected a value in Pa s")
    assert len(names["table"]) == 8
    assert Path("evolution.nc").exists()
    assert bool((names["high"] >= names["low"]).all())


def test_the_shell_blocks_run(results, capsys):
    lines = [line for kind, block in BLOCKS if kind == "bash" for line in block.splitlines()]
    assert len(lines) >= 5
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "surrogate"
        code, _, err = run(capsys, *arguments)
        # The networks of the tests are too small to pass a report card.
        assert code == 0 or (code == 1 and arguments[0] == "check"), err


def test_no_block_is_left_out():
    assert {kind for kind, _ in BLOCKS} == {"python", "bash"}
    assert TEXT.count("```") == 2 * len(BLOCKS)
