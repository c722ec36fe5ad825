"""The rule of the house: numbers from outside come in through `surrogate.units` only; readers cannot go round it."""

import ast
from pathlib import Path

import pytest

import surrogate.corpus.readers as readers

DOORS = {"containers.py", "gaps.py", "classic.py", "vtu.py"}
"""Modules that touch bytes and libraries; what they give has no unit yet, or comes out through `Container.read`."""

LIBRARIES = {"h5py", "zarr", "netCDF4", "base64", "zlib", "struct", "scipy.io"}
NUMBERS_FROM_BYTES = {"loadtxt", "genfromtxt", "fromfile", "frombuffer", "fromstring", "memmap", "astype"}
MODULES = sorted(Path(readers.__file__).parent.glob("*.py"))


def offences(source: str) -> list[str]:
    """Imports and calls by which a module would make numbers of its own out of what a file holds."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [entry.name for entry in node.names if entry.name.split(".")[0] in LIBRARIES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in LIBRARIES:
            found.append(str(node.module))
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            # What a function of numbers returns is a number: only texts and what an array holds are not.
            bare = called == "float" and not isinstance(node.args[0], ast.Call)
            if bare or called == "np.load" or called.split(".")[-1] in NUMBERS_FROM_BYTES:
                found.append(f"{ast.unparse(node)} in line {node.lineno}")
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_readers_make_no_numbers_of_their_own(module: Path) -> None:
    if module.name not in DOORS:
        assert offences(module.read_text()) == []


@pytest.mark.parametrize(
    "line",
    [
        "float(attributes['time'])",
        "float(text)",
        "import h5py",
        "from zarr import open",
        "text.astype(float)",
        "np.load(path)",
    ],
)
def test_the_rule_sees_an_offence(line: str) -> None:
    assert offences(line)
