"""The bundle: a folder, or one zip file of it, that holds a trained surrogate and everything an answer needs.

``bundle.json`` lists every other file with its SHA-256 and carries a digest of itself; a file that is missing, changed,
cut short or not listed is refused. Nothing in a bundle is code or pickle: ``.keras`` networks (read in Keras' safe
mode), JSON, CSV and NetCDF.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from surrogate.files import atomic, checksum, read_json
from surrogate.query.errors import BundleError

FORMAT = 3
"""Version of the layout of a bundle; a reader refuses a newer one."""

SHIPPED = {"demo": Path(__file__).parents[2] / "data" / "demo.zip"}
"""Bundles inside the package by name. ``demo`` is that of the default run with rounded weights."""

_SUFFIXES = {".keras", ".json", ".csv", ".nc", ".onnx"}
LARGEST_BUNDLE = 8 * 1024**3
"""Bytes that a zip file may unpack to."""


def _digest(content: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in content.items() if key != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _listing(folder: Path) -> dict[str, Path]:
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).as_posix() != "bundle.json"
    }


def seal(folder: Path, content: Mapping[str, Any]) -> None:
    """Write ``bundle.json`` with the checksum of every file of `folder` and a digest of itself."""
    files = {name: {"sha256": checksum(path), "bytes": path.stat().st_size} for name, path in _listing(folder).items()}
    # Through JSON and back, so that the digest is of what a reader will see.
    whole = json.loads(json.dumps({"format": FORMAT, **content, "files": files}, allow_nan=False))
    whole["digest"] = _digest(whole)
    (folder / "bundle.json").write_text(json.dumps(whole, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_bundle(folder: str | os.PathLike[str], version: int = FORMAT) -> dict[str, Any]:
    """Read ``bundle.json`` of a format and check every file against it.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    BundleError
        If it is no bundle, of a newer version, or if any file is missing, changed or unknown.
    """
    folder = Path(folder)
    if not folder.exists():
        raise FileNotFoundError(f"{folder}: no such bundle; expected a folder or a zip file made by surrogate")
    if not (folder / "bundle.json").is_file():
        raise BundleError(f"{folder}: not a bundle: bundle.json is missing (the pipeline writes it last)")
    try:
        content = read_json(folder / "bundle.json")
    except ValueError as error:
        raise BundleError(f"{error}; the bundle is damaged") from None
    if not isinstance(content, dict) or not isinstance(content.get("files"), dict) or "format" not in content:
        raise BundleError(f"{folder}/bundle.json: not the description of a bundle")
    if content["format"] != version:
        writer = content.get("provenance", {}).get("code_version", "unknown")
        remedy = {
            2: f"convert it: surrogate convert {folder} NEW",
            3: "it needs no conversion",
        }.get(content["format"], f"make it again (the rule `bundle` of the pipeline), or use its version: {writer}")
        raise BundleError(f"{folder}/bundle.json: format {content['format']}, expected {version}; {remedy}")
    if content.get("digest") != _digest(content):
        raise BundleError(f"{folder}/bundle.json: was changed after it was written; the bundle is not to be trusted")
    present = _listing(folder)
    for name, entry in content["files"].items():
        if name not in present:
            raise BundleError(f"{folder}/{name}: missing; bundle.json lists it")
        size = present[name].stat().st_size
        if size != entry["bytes"]:
            raise BundleError(f"{folder}/{name}: has {size} bytes, expected {entry['bytes']} (truncated or changed)")
        if checksum(present[name]) != entry["sha256"]:
            raise BundleError(f"{folder}/{name}: its content differs from what bundle.json recorded")
    unknown = sorted(set(present) - set(content["files"]))
    if unknown:
        raise BundleError(f"{folder}/{unknown[0]}: not listed in bundle.json; the bundle was changed")
    return content


def pack(folder: str | os.PathLike[str], path: str | os.PathLike[str]) -> Path:
    """Write a checked bundle folder as one zip file, atomically; equal bundles give equal bytes.

    Raises
    ------
    FileNotFoundError, BundleError
        As :func:`read_bundle`.
    """
    folder, path = Path(folder), Path(path)
    read_bundle(folder)
    write_archive(path, {name: (folder / name).read_bytes() for name in ("bundle.json", *_listing(folder))})
    return path


def write_archive(path: Path, parts: Mapping[str, bytes], compress: bool = True) -> None:
    """Write a zip file, atomically; equal content gives equal bytes, whatever the clock says."""
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in parts.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED, 9)


def unpack(path: str | os.PathLike[str]) -> Path:
    """Extract a zipped bundle into a new temporary folder and return it; nothing is ever written outside it.

    Raises
    ------
    BundleError
        If the file is no zip file, is damaged, or holds names or kinds of files that a bundle never has.
    """
    path = Path(path)
    folder = Path(tempfile.mkdtemp(prefix="surrogate-"))
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > LARGEST_BUNDLE:
                raise BundleError(f"{path}: would unpack to more than {LARGEST_BUNDLE / 1024**3:.0f} GiB")
            for entry in entries:
                _check_entry(entry, path)
                if not entry.is_dir():
                    target = folder / entry.filename
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(entry) as source, open(target, "xb") as sink:
                        shutil.copyfileobj(source, sink, 1024 * 1024)
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        zlib.error,
        EOFError,
        OSError,
        RuntimeError,
        NotImplementedError,
    ) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise BundleError(f"{path}: not a whole zip file: {error}") from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


@contextmanager
def open_folder(path: str | os.PathLike[str]) -> Iterator[tuple[Path, Path]]:
    """Find a bundle by path or name (:func:`find`) and unpack it if need be.

    Yields
    ------
    tuple of Path
        The folder to read, and what to call the bundle. They differ for a zip file: the folder is then a temporary
        one, which the caller removes; if the block fails it is removed here.
    """
    path = find(path)
    if path.is_dir():
        yield path, path
        return
    folder = unpack(path)
    try:
        yield folder, path
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, BundleError):
            raise BundleError(str(error).replace(str(folder), str(path))) from None
        raise


def _check_entry(entry: zipfile.ZipInfo, path: Path) -> None:
    name = PurePosixPath(entry.filename)
    link = (entry.external_attr >> 16) & 0o170000 == 0o120000
    if name.is_absolute() or ".." in name.parts or "\\" in entry.filename or ":" in entry.filename or link:
        raise BundleError(f"{path}: the entry {entry.filename!r} points outside the bundle")
    if not entry.is_dir() and name.suffix not in _SUFFIXES:
        raise BundleError(f"{path}: the entry {entry.filename!r} has no place in a bundle")


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
    path = Path(path).expanduser()
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
