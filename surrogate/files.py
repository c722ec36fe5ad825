"""Files that are whole or absent, and the record of what made them."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary name beside `path`; on success it is renamed to `path`, on failure it is removed.

    Works for a file and for a folder. An older file or folder of that name is replaced only after the new one
    is complete; a symbolic link stays, and what it points to is replaced.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with atomic(folder / "note.txt") as temporary:
    ...     _ = temporary.write_text("whole", encoding="utf-8")
    >>> [entry.name for entry in folder.iterdir()]
    ['note.txt']
    """
    path = follow_link(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: libraries choose a format by it.
    holder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    temporary = holder / path.name
    try:
        yield temporary
        if path.is_dir() and temporary.is_dir():
            replaced = holder / "replaced"
            os.rename(path, replaced)  # a folder cannot be renamed over one that has content
            try:
                os.replace(temporary, path)
            except BaseException:
                os.rename(replaced, path)
                raise
        else:
            os.replace(temporary, path)
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def follow_link(path: str | os.PathLike[str]) -> Path:
    """Return what a symbolic link points to, there or not; any other path as it is."""
    path = Path(path)
    return path.resolve() if path.is_symlink() else path


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Write `content` as indented JSON, atomically; NaN is refused because JSON has none."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read JSON; a missing or broken file is named in the error."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; expected JSON") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not valid JSON: {error}") from error


def checksum(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, hexadecimal, read in blocks."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint(content: Any) -> str:
    """Short, stable digest of anything JSON can hold; equal content gives an equal digest.

    >>> fingerprint({"a": 1, "b": [2.0]}) == fingerprint({"b": [2.0], "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def code_version() -> str:
    """Version of this package, with the git commit where the source is a checkout."""
    version = metadata.version("surrogate")
    try:
        # An installed copy may lie inside somebody else's checkout (a .venv there): only a tracked file counts.
        for command in (["ls-files", "--error-unmatch", Path(__file__).name], ["describe", "--always", "--dirty"]):
            commit = subprocess.run(
                ["git", *command],
                cwd=Path(__file__).parent, capture_output=True, encoding="utf-8", timeout=10, check=True,
            ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return version
    return f"{version}+{commit}"


def provenance(**entries: Any) -> dict[str, Any]:
    """Say what made a result: code version, package versions, platform, and whatever the caller adds."""
    packages = (
        "numpy",
        "scipy",
        "numba",
        "xarray",
        "zarr",
        "dask",
        "scikit-learn",
        "keras",
        "tensorflow",
        "jax",
    )
    versions = {}
    for package in packages:
        for candidate in (package, f"{package}-cpu"):
            try:
                versions[package] = metadata.version(candidate)
                break
            except metadata.PackageNotFoundError:
                continue
    return {
        "code_version": code_version(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "packages": versions,
        **entries,
    }
