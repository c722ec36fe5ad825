"""A user without a clone: a wheel, an empty folder, one command."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import surrogate

ROOT = Path(__file__).parents[1]
Command = Callable[..., tuple[int, str, str]]
FOLDERS = ("surrogate", "workflow", "profiles")
FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "Snakefile")


def call(folder: Path, *command: str | Path) -> str:
    """Run a command outside the clone; return what it printed."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has the wheel, and everything else from the environment of the tests."""
    base = tmp_path_factory.mktemp("wheel")
    sources = base / "sources"
    for name in FOLDERS:
        shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, sources)
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", "dist"]
    call(base, sys.executable, "-m", "pip", "wheel", *options, sources)
    call(base, sys.executable, "-m", "venv", "--without-pip", "venv")
    interpreter = base / "venv/bin/python"
    (wheel,) = (base / "dist").glob("surrogate-*.whl")
    call(base, sys.executable, "-m", "pip", "--python", interpreter, "install", "--no-deps", "--no-index", wheel)
    library = Path(call(base, interpreter, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # A line of a .pth file: packages there are found, an editable install of this one is not.
    (library / "others.pth").write_text(sysconfig.get_path("purelib"))
    found = call(base, interpreter, "-c", "import surrogate; print(surrogate.__file__)").strip()
    assert library in Path(found).parents
    return interpreter


def test_a_project_of_a_wheel_plans_the_whole_pipeline(python: Path, tmp_path: Path) -> None:
    call(tmp_path, python.parent / "surrogate", "init", "mine")
    text = call(tmp_path / "mine", python, "-m", "snakemake", "--dry-run", "--quiet", "rules")
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+)\s+(\d+)$", text, re.MULTILINE)}
    assert {"design", "simulate", "ingest", "autoencoder", "fnn", "lstm", "evaluate", "bundle"} <= set(jobs)
    only = call(tmp_path / "mine", python, "-m", "snakemake", "--dry-run", "--quiet", "rules", "--", "figures")
    assert "figure_examples" in only
    assert "bundle" not in only


@pytest.mark.slow
def test_a_tiny_project_of_a_wheel_runs_to_its_end(python: Path, tmp_path: Path) -> None:
    call(tmp_path, python.parent / "surrogate", "init", "mine")
    tiny = yaml.safe_load((ROOT / "config/tiny.yaml").read_text())
    (tmp_path / "mine/config.yaml").write_text(yaml.safe_dump({**tiny, "name": "mine"}))
    call(tmp_path / "mine", python, "-m", "snakemake", "--cores", "2")
    call(tmp_path / "mine", python, "-m", "snakemake", "--cores", "2", "--report", "report.html")
    assert (tmp_path / "mine/results/mine/surrogate/bundle.json").exists()
    assert (tmp_path / "mine/report.html").stat().st_size > 100_000


def test_a_project_has_the_documented_default_under_its_own_name(tmp_path: Path, command: Command) -> None:
    code, out, _ = command("init", tmp_path / "mine")
    assert code == 0
    assert sorted(out.split()) == sorted(str(path) for path in (tmp_path / "mine").rglob("*") if path.is_file())
    settings = surrogate.load_config(tmp_path / "mine/config.yaml")
    assert settings == surrogate.Config(name="mine")


@pytest.mark.parametrize("name", ["config.yaml", "Snakefile", "profiles/default/profile.yaml"])
def test_nothing_is_overwritten(tmp_path: Path, command: Command, name: str) -> None:
    taken = tmp_path / "mine" / name
    taken.parent.mkdir(parents=True)
    taken.write_text("mine")
    code, out, err = command("init", tmp_path / "mine")
    assert code == 2
    assert f"{taken} exists already; nothing was written" in err
    assert out == ""
    assert [path for path in (tmp_path / "mine").rglob("*") if path.is_file()] == [taken]
    assert taken.read_text() == "mine"


def test_a_profile_comes_at_once_or_later(tmp_path: Path, command: Command) -> None:
    assert command("init", tmp_path / "mine", "--profile", "gpu")[0] == 0
    (tmp_path / "mine/config.yaml").write_text("name: changed")
    assert command("init", tmp_path / "mine", "--profile", "slurm")[0] == 0
    assert {path.name for path in (tmp_path / "mine/profiles").iterdir()} == {"default", "gpu", "slurm"}
    assert (tmp_path / "mine/config.yaml").read_text() == "name: changed"
    code, _, err = command("init", tmp_path / "mine", "--profile", "slurm")
    assert code == 2
    assert "exists already" in err
    code, _, err = command("init", tmp_path / "mine", "--profile", "pbs")
    assert code == 2
    assert "there are default, gpu, slurm" in err


def test_a_name_that_no_folder_of_results_may_have_is_refused(tmp_path: Path, command: Command) -> None:
    code, _, err = command("init", tmp_path / "my project")
    assert code == 2
    assert "my project" in err
    assert not (tmp_path / "my project").exists()
