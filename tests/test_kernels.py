"""Where compiled code is kept: any installation works, whatever can be written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "surrogate"

PROGRAM = """
from surrogate.kernels import cache_misses, kernel
from surrogate.simulator.numba_engine.approximation import exponential
import surrogate.corpus, surrogate.simulator.numba_engine.step
print(exponential(0.0), cache_misses())
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package in which no folder for machine code can be made, not even by root."""
    folder = tmp_path_factory.mktemp("installed")
    shutil.copytree(PACKAGE, folder / "surrogate", ignore=shutil.ignore_patterns("__pycache__", "data"))
    for place in [folder / "surrogate", *(folder / "surrogate").rglob("*/")]:
        (place / "__pycache__").touch()
    return folder


def run(installed: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**inherited, "HOME": "/proc/none", "PYTHONPATH": str(installed), **environment},
        cwd=installed,
        capture_output=True,
        text=True,
        check=True,
    )


def test_without_a_home_the_code_is_kept_in_a_folder_of_this_user(installed: Path, tmp_path: Path) -> None:
    first, again = (run(installed, TMPDIR=str(tmp_path)) for _ in range(2))
    assert (first.stdout.split(), again.stdout.split()) == (["1.0", "1"], ["1.0", "0"])
    assert first.stderr == again.stderr == ""
    [folder] = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o077 == 0


def test_a_folder_that_others_can_write_to_is_not_trusted(installed: Path, tmp_path: Path) -> None:
    (tmp_path / f"surrogate-numba-{os.getuid()}").mkdir()
    (tmp_path / f"surrogate-numba-{os.getuid()}").chmod(0o777)
    said = run(installed, TMPDIR=str(tmp_path))
    assert said.stdout.startswith("1.0")
    assert said.stderr.count("NUMBA_CACHE_DIR") == 1
    assert not list((tmp_path / f"surrogate-numba-{os.getuid()}").iterdir())
