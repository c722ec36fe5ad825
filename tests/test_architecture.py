"""The house: floors, public names, and what contributors rely on."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import surrogate

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FLOORS = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]


def test_the_page_and_the_drawing_name_every_floor() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    drawing = (ROOT / "docs/images/floors.svg").read_text()
    for room in re.findall(r"\w+", " ".join(FLOORS)):
        assert f"`{room}`" in page, room
        assert f">{room}<" in drawing, room


def code_of_users() -> Iterator[tuple[str, str]]:
    """Every piece of Python outside the package that shows or does what users do, by where it stands."""
    for path in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for number, code in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)):
            yield f"{path.relative_to(ROOT)}, block {number}", code
    for path in [*(ROOT / "docs").glob("*.py"), *(ROOT / "workflow/scripts").glob("*.py")]:
        yield str(path.relative_to(ROOT)), path.read_text()
    for path in [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]:
        lines = [line for line in path.read_text().splitlines() if re.match(r"(from|import) ", line)]
        yield str(path.relative_to(ROOT)), "\n".join(lines)
    for path in (ROOT / "docs/notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        lines = [line for cell in cells if cell["cell_type"] == "code" for line in cell["source"] if line[0] != "%"]
        yield str(path.relative_to(ROOT)), "".join(line.rstrip("\n") + "\n" for line in lines)


@pytest.mark.parametrize(("place", "code"), code_of_users())
def test_users_import_from_the_package_and_its_rooms_only(place: str, code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules += [name.name for name in node.names] if isinstance(node, ast.Import) else []
        for module in modules:
            if module.partition(".")[0] == "surrogate":
                assert module.count(".") <= 1, f"{place}: {module} is no room"


def test_every_public_name_exists_and_type_checkers_see_the_same_names() -> None:
    for name in dir(surrogate):
        assert getattr(surrogate, name) is not None
    (block,) = (
        node for node in ast.parse((ROOT / "surrogate/__init__.py").read_text()).body if isinstance(node, ast.If)
    )
    imported = {alias.asname for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported == set(dir(surrogate)) - {"__version__"}
    assert len(dir(surrogate)) <= 45
    with pytest.raises(AttributeError, match="no attribute 'Surogate'"):
        _ = surrogate.Surogate  # type: ignore[attr-defined]


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = ("keras", "tensorflow", "jax", "numba", "xarray", "dask", "matplotlib", "pandas", "numpy", "pydantic")
    program = f"import sys, surrogate; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.mark.parametrize("imports", ["import surrogate, keras", "import keras, surrogate"])
def test_keras_opens_every_model_file_after_import_surrogate(imports: str, bundle_folder: Path) -> None:
    files = sorted(map(str, bundle_folder.rglob("*.keras")))
    assert len(files) >= 5
    program = f"{imports}; print([keras.saving.load_model(file).built for file in {files!r}])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == str([True] * len(files)), done.stdout + done.stderr


def test_the_version_has_one_source() -> None:
    version = PROJECT["project"]["version"]
    assert "version" not in yaml.safe_load((ROOT / "CITATION.cff").read_text())
    newest = re.findall(r"^## (\S+?),?(?: |$)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    assert version.removesuffix(".dev0") == newest


def test_pre_commit_runs_what_make_lint_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"]
    recipe = re.search(r"^lint: .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    hook_lines = [hook["entry"] for repository in hooks for hook in repository["hooks"]]
    wanted, found = (
        [re.findall(r"bin\)?/(\w[\w-]*)(?: (\w[\w/]+))?", line, re.IGNORECASE)[0] for line in lines]
        for lines in (recipe[1].splitlines(), hook_lines)
    )
    assert [program for program, _ in found] == [program for program, _ in wanted]


@pytest.mark.parametrize("path", (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"), ids=lambda path: path.stem)
def test_issue_forms_can_be_filled_in(path: Path) -> None:
    form = yaml.safe_load(path.read_text())
    assert form["name"]
    assert form["description"]
    identities = [field["id"] for field in form["body"]]
    assert len(identities) == len(set(identities)) >= 2
    assert all(field["attributes"]["label"] for field in form["body"])
