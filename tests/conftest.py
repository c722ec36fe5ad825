"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from surrogate.query import Surrogate

Command = Callable[..., tuple[int, str, str]]

# A loaded machine is no reason to fail.
settings.register_profile("surrogate", deadline=None, max_examples=50)
settings.load_profile("surrogate")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command `surrogate` in this process; gives its exit code, stdout and stderr."""
    from surrogate.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        code = ended.value.code or 0
        assert isinstance(code, int)
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny bundle, shared by all test processes; not to be changed."""
    from query_examples import bundle

    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    return bundle(shared / "query")


@pytest.fixture(scope="session")
def tiny(bundle_folder: Path) -> Surrogate:
    """The surrogate in that bundle."""
    from surrogate.query import Surrogate

    return Surrogate.load(bundle_folder)
