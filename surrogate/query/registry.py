"""Names of bundles: those of pipeline runs below ``results/``, and those that ship with the package."""

from __future__ import annotations

import os
from pathlib import Path

SHIPPED = {"demo": Path(__file__).parents[1] / "data" / "demo.zip"}
"""Bundles inside the package by name. ``demo`` is that of the default run with rounded weights."""


def find(path: str | os.PathLike[str]) -> Path:
    """Find a bundle by its path or name; a path wins, then a run below ``results/``, then what ships.

    Raises
    ------
    FileNotFoundError
        Naming what would have been found.

    Examples
    --------
    >>> find("demo").name
    'demo.zip'
    """
    path = Path(path)
    if path.exists():
        whole_run = path / "surrogate"  # results/<name> itself
        return whole_run if not (path / "bundle.json").exists() and (whole_run / "bundle.json").exists() else path
    named = names()
    if str(path) in named:
        return named[str(path)]
    raise FileNotFoundError(
        f"{path}: no such bundle; expected a folder or a zip file made by surrogate, or one of the names "
        f"{', '.join(named)}"
    )


def names() -> dict[str, Path]:
    """Return what can be opened by name from the working directory."""
    runs = {path.parts[1]: path.parent for path in sorted(Path("results").glob("*/surrogate/bundle.json"))}
    return SHIPPED | runs
