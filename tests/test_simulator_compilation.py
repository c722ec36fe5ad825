"""What compiles does not simulate."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from surrogate.cli.application import app
from surrogate.kernels import cache_misses
from surrogate.parameters import EVOLUTION_PARAMETERS
from surrogate.settings import EvolutionSettings
from surrogate.simulator import compile_kernels

PROGRAM = """
from surrogate.settings import EvolutionSettings
from surrogate.parameters import Parameters
from surrogate.kernels import cache_misses
from surrogate.simulator import compile_kernels, simulate
settings = EvolutionSettings(radial_cells=12, angular_cells=16, snapshots=3, end_time=0.5)
elsewhere = compile_kernels(settings)
run = simulate(Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0), settings)
print(elsewhere, cache_misses(), run.temperature.values[-1].tobytes().hex())
"""


@pytest.mark.slow  # compiles the simulator
def test_the_process_that_simulates_compiles_nothing_on_a_new_machine(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    said = [
        subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    (first, here, field), (again, _, same) = (entry.stdout.split()[-3:] for entry in said)
    assert int(first) > 10
    assert (here, again) == ("0", "0")
    assert field == same


def test_the_functions_of_the_cache_are_not_compiled_again() -> None:
    settings = EvolutionSettings()
    compile_kernels(settings)  # there may be something to do on a new machine
    before = cache_misses()
    assert compile_kernels(settings) == 0
    assert cache_misses() == before


def test_what_the_child_says_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surrogate.simulator.compilation._CHILD", "raise SystemExit('no compiler')")
    with pytest.raises(RuntimeError, match=r"exit code 1\): no compiler"):
        compile_kernels(EvolutionSettings())
    assert compile_kernels(EvolutionSettings(engine="jax")) == 0


def test_both_ways_to_simulate_compile_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(settings: EvolutionSettings) -> None:
        raise RuntimeError(f"asked to compile for {settings.snapshots} snapshots")

    monkeypatch.setattr("surrogate.simulator.compile_kernels", refuse)
    (tmp_path / "small.yaml").write_text("simulator: {snapshots: 3}\n")
    point = zip(EVOLUTION_PARAMETERS.names, ("1e21", "3e5", "6e-6", "10", "1700"), strict=True)
    options = [part for name, value in point for part in (f"--{name.replace('_', '-')}", value)]
    files = ["--config", str(tmp_path / "small.yaml"), "-o", str(tmp_path / "run.nc")]
    result = CliRunner().invoke(app, ["simulate", *options, *files])
    assert "for 3 snapshots" in str(result.exception)
    script = Path(__file__).parents[1] / "workflow" / "scripts" / "simulate.py"
    assert "compile_kernels(config.simulator)" in script.read_text()
