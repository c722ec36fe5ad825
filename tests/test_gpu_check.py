"""The check of a GPU runs on a CPU too, with no more than what such a machine has, and its rows are whole."""

import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jax")

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu_check.py"
NOT_THERE = ("tensorflow", "netCDF4", "h5netcdf", "dask", "pint", "snakemake", "typer", "cmcrameri", "numba")


@pytest.fixture(scope="module")
def check() -> Any:
    spec = importlib.util.spec_from_file_location("gpu_check", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def whole(rows: list[dict[str, Any]]) -> bool:
    """Whether every row holds a number, and every comparison two."""
    values = [value for row in rows for value in (row["value"], row["one_core"]) if value is not None]
    return bool(values) and all(math.isfinite(value) and value >= 0 for value in values)


def test_a_tiny_check_without_numba_writes_its_rows(tmp_path: Path) -> None:
    without = "; ".join(f"sys.modules[{name!r}] = None" for name in NOT_THERE)
    (tmp_path / "sitecustomize.py").write_text(f"import sys; {without}\n")
    output = tmp_path / "a.json"
    command = [sys.executable, str(SCRIPT), "--tiny", "--parts", "simulation 12x16", "queries", "--output", str(output)]
    variables = {**os.environ, "PYTHONPATH": str(tmp_path), "KERAS_BACKEND": "jax"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(output.read_text())
    measured = {row["measure"]: row for row in report["rows"]}
    assert whole(report["rows"])
    assert all(f"| {name} |" in done.stdout for name in measured)
    assert {name.partition(":")[0] for name in measured} == {"simulation 12x16", "queries"}
    assert measured["simulation 12x16: runs of 4.5 Gyr"]["note"] == "from initial states"


def test_training_is_measured_in_both_precisions(check: Any) -> None:
    rows = list(check.training("default", 60.0, True))
    assert whole(rows)
    assert [row["measure"].rpartition(", ")[2] for row in rows] == ["float32", "mixed_bfloat16"]


def test_a_part_that_takes_too_long_is_stopped_and_one_that_fails_is_named(
    check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stopped,) = check.run_part("queries", 0.5, True)
    assert stopped == {"measure": "queries", "note": "stopped after 0 s"}
    assert check.line_of(stopped).endswith("| stopped after 0 s |")
    (failed,) = check.run_part("no such part", 60.0, True)
    assert failed["note"].startswith("failed: ")
    assert "invalid choice: 'no such part'" in failed["note"]


@pytest.mark.slow
def test_all_parts_of_a_tiny_check_finish_and_both_engines_agree(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--tiny", "--output", tmp_path / "all.json"])
    assert done.returncode == 0
    rows = json.loads((tmp_path / "all.json").read_text())["rows"]
    assert whole(rows)
    assert max(row["value"] for row in rows if row["measure"].startswith("agreement")) < 1e-2
