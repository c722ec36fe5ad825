"""The documentation holds: the code of every page runs, in order, and its configurations are valid."""

import glob
import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import yaml
from _pytest.mark import ParameterSet
from corpus_samples import write_runs
from pydantic import BaseModel

from surrogate.config import parse
from surrogate.corpus.readers.aspect import AspectOptions
from surrogate.corpus.readers.layers import LayerOptions
from surrogate.corpus.readers.mapping import GriddedOptions
from surrogate.corpus.readers.stagyy import StagyyOptions

Command = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs/measurements").glob("*.md")),
]
OPTIONS: dict[str, type[BaseModel]] = {
    "gridded": GriddedOptions,
    "aspect": AspectOptions,
    "stagyy": StagyyOptions,
    "the_well": LayerOptions,
    "dedalus": LayerOptions,
}
"""Of the readers that configurations name."""
NOTEBOOK = ROOT / "docs/notebooks/what_if.ipynb"
CELLS = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
# A comment right above a block takes it out: `<!-- not run: why -->`, or `<!-- needs jax -->` where that is missing.
BLOCK = re.compile(
    r"^(?:<!-- (not run: [^\n]+|needs \w+) -->\n)?( *)```(\S+).*?\n(.*?)^ *```$", re.MULTILINE | re.DOTALL
)
PROGRAMS = {"make", "pip", "snakemake", "git", "cd", "source", "export", "ssh"}
PROGRAMS |= {"squeue", "scancel", "sacct", "apptainer", "docker", "sbatch"}


def blocks(page: Path, kind: str) -> list[str]:
    """Return the blocks of one language, without those that cannot be run."""
    found = BLOCK.findall(page.read_text())
    return [code for comment, _, language, code in found if language == kind and _can_run(comment)]


def _can_run(comment: str) -> bool:
    return not comment or (comment.startswith("needs ") and find_spec(comment.split()[1]) is not None)


def named(page: Path) -> ParameterSet:
    return pytest.param(page, id=str(page.relative_to(ROOT)))


def pages_with(kind: str) -> list[ParameterSet]:
    return [named(page) for page in PAGES if blocks(page, kind)]


@pytest.fixture
def folder(bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder that holds what the pages speak of: raw runs and a trained surrogate."""
    results = tmp_path / "results/default"
    shutil.copytree(bundle_folder, results / "surrogate")
    (results / "raw").mkdir()
    write_runs(results / "raw", range(12))
    (tmp_path / "raw").symlink_to(results / "raw")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def readme(names: dict[str, Any], folder: Path) -> None:
    flux = names["today"].surface_heat_flux.item(), names["today"].surface_heat_flux_half_width.item()
    assert f"{1e3 * flux[0]:.1f} ± {1e3 * flux[1]:.1f} mW/m2" in (ROOT / "README.md").read_text()


def query(names: dict[str, Any], folder: Path) -> None:
    assert names["run"].temperature.dims == ("time", "radius", "angle")
    assert names["message"].startswith("reference_viscosity: expected a value in Pa s")
    assert len(names["table"]) == 8
    assert (folder / "evolution.nc").exists()
    assert bool((names["high"] >= names["low"]).all())


def corpus(names: dict[str, Any], folder: Path) -> None:
    assert names["summary"].runs == 12


def own_corpus(names: dict[str, Any], folder: Path) -> None:
    assert (names["made"].runs, names["made"].rejected) == (20, 0)
    surrogate = names["surrogate"]
    assert surrogate.space.names == ("rayleigh_number", "internal_heating")
    assert names["answer"].temperature.dims == ("time", "height", "x")
    # The simulator's own Nusselt number, to what networks of five epochs know.
    point = names["Parameters"].from_array([3e4, 5.0], names["space"])
    truth = names["simulate"](point, names["settings"], seed=7).surface_heat_flux[-1].item()
    assert abs(names["nusselt"].surface_heat_flux.item() - truth) < 0.25 * truth


def readers(names: dict[str, Any], folder: Path) -> None:
    # The reader of the recipe reads what the recipe says, in K.
    (folder / "own").mkdir()
    point = {"reference_viscosity": "1e21 Pa s", "activation_energy": 3e5, "activation_volume": 6e-6}
    point |= {"crustal_enrichment": 10, "initial_temperature": 1700}
    (folder / "own/run.json").write_text(json.dumps({"times_Gyr": [0.0, 1.0], "parameters": point}))
    for number in range(2):
        np.save(folder / f"own/T_{number:04d}.npy", np.full((6, 8), 0.5 + 0.1 * number))
    reader = names["MySolverReader"]()
    assert reader.accepts(folder / "own")
    from surrogate.fields import validate

    np.testing.assert_allclose(validate(reader.open(folder / "own", {})).temperature[1], 1450.0)


def simulator(names: dict[str, Any], folder: Path) -> None:
    assert float(abs(names["run"].attrs["budget_relative_error"])) < 1e-6


EXPECTED: dict[str, Callable[[dict[str, Any], Path], None]] = {
    "README": readme,
    "query": query,
    "corpus": corpus,
    "own_corpus": own_corpus,
    "readers": readers,
    "simulator": simulator,
}
"""What must hold after the code of a page has run."""


@pytest.mark.parametrize("page", pages_with("python"))
def test_its_python_runs(page: Path, folder: Path) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    with matplotlib.rc_context({"backend": "agg"}):
        for code in blocks(page, "python"):
            exec(compile(code, str(page), "exec"), names)
    if page.stem in EXPECTED:
        EXPECTED[page.stem](names, folder)


@pytest.mark.parametrize("page", pages_with("bash"))
def test_its_commands_run(page: Path, folder: Path, command: Command) -> None:
    for line in (line for code in blocks(page, "bash") for line in code.replace("\\\n", " ").splitlines()):
        program, *arguments = shlex.split(line, comments=True) or ["#"]
        program = program.removeprefix(".venv/bin/")
        if program == "surrogate":
            arguments = [name for pattern in arguments for name in sorted(glob.glob(pattern)) or [pattern]]
            code, _, err = command(*arguments)
            # The networks of the tests are too small to pass a report card.
            assert code == 0 or (code == 1 and arguments[0] == "check"), f"{line}: {err}"
        else:
            assert program in PROGRAMS | {"#"}, f"{page}: unknown program in {line!r}"


@pytest.mark.parametrize("page", pages_with("yaml"))
def test_its_configurations_are_valid(page: Path) -> None:
    for code in blocks(page, "yaml"):
        source = parse(yaml.safe_load(code)).source
        if source.reader in OPTIONS:
            OPTIONS[source.reader].model_validate(source.options)


@pytest.mark.parametrize("page", pages_with("toml"))
def test_its_toml_can_be_read(page: Path) -> None:
    for code in blocks(page, "toml"):
        assert tomllib.loads(code)


@pytest.mark.parametrize("page", [named(page) for page in PAGES])
def test_no_block_is_overlooked(page: Path) -> None:
    text = page.read_text()
    found = BLOCK.findall(text)
    assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(found)
    assert {language for _, _, language, _ in found} <= {
        "python",
        "bash",
        "yaml",
        "toml",
        "text",
        "{toctree}",
        "{include}",
        "{eval-rst}",
    }


@pytest.mark.parametrize("page", [named(page) for page in PAGES])
def test_its_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" not in target:
            path = page.parent / target.partition("#")[0]
            assert path.exists(), f"{page}: {target}"


def test_the_reader_of_the_recipe_has_thirty_lines() -> None:
    recipe = next(code for code in blocks(ROOT / "docs/readers.md", "python") if "class MySolverReader" in code)
    assert len([line for line in recipe.splitlines() if line.strip()]) <= 30


def test_the_notebook_was_executed_from_top_to_bottom_without_errors_and_is_small() -> None:
    assert [cell["execution_count"] for cell in CELLS] == list(range(1, len(CELLS) + 1))
    outputs = [output for cell in CELLS for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 5
    assert NOTEBOOK.stat().st_size < 1e6


@pytest.mark.slow
def test_the_code_of_the_notebook_runs() -> None:
    names: dict[str, Any] = {}
    with matplotlib.rc_context({"backend": "agg"}):
        for number, cell in enumerate(CELLS, 1):
            lines = "".join(cell["source"]).splitlines()
            code = "\n".join(line for line in lines if not line.startswith("%"))  # magic of notebooks
            exec(compile(code, f"{NOTEBOOK.name}, cell {number}", "exec"), names)
    assert names["about"]["name"] == "demo"
    truth, accuracy = names["truth"], names["relative_accuracy"]
    assert all(float(accuracy(truth, answer).mean()) > 95 for answer in names["answers"].values())
    assert float(names["inside"].mean()) > 0.5
    # What the text says: after the first billion years, the stiffer the mantle, the less heat leaves it.
    late = names["study"].surface_heat_flux.sel(time=slice(2, None))
    assert bool((late.diff("simulation") < 0).all())
    assert not names["far"].in_range.item()
