"""Bundles of the format before: renamed, sealed again, with the same answers to the bit."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from surrogate.files import atomic, fingerprint, read_json
from surrogate.query.bundle import opened, pack, read_bundle, seal

OLD_FORMAT = 2
"""The format that :func:`convert` reads."""

_FOLDERS = {"feedforward": "fnn", "recurrent": "lstm", "generative": "flow"}


def convert(old: str | os.PathLike[str], new: str | os.PathLike[str]) -> Path:
    """Write a bundle of format 2 as one of today's format.

    Networks and calibrations are the same bytes, so answers are the same numbers; folders and the entries of the
    manifests take their present names.

    Parameters
    ----------
    old : path
        Folder or zip file.
    new : path
        A name that ends with ``.zip`` makes one zip file, any other a folder. Whole or not at all.

    Returns
    -------
    Path

    Raises
    ------
    FileNotFoundError, BundleError
        If `old` is no whole bundle of format 2.
    """
    new = Path(new)
    with opened(old) as (folder, source):
        try:
            content = read_bundle(folder, OLD_FORMAT)
            with atomic(new) as temporary:
                if new.suffix == ".zip":
                    with tempfile.TemporaryDirectory(prefix="surrogate-") as scratch:
                        pack(_rewritten(folder, Path(scratch) / "bundle", content), temporary)
                else:
                    _rewritten(folder, temporary, content)
        finally:
            if folder != source:
                shutil.rmtree(folder, ignore_errors=True)
    return new


def _rewritten(folder: Path, target: Path, content: dict[str, Any]) -> Path:
    """Copy a bundle folder under today's names."""
    shutil.copytree(folder, target)
    for old, name in _FOLDERS.items():
        if (target / old).is_dir():
            os.rename(target / old, target / name)
    manifests = {path.parent.name: read_json(path) for path in target.glob("*/manifest.json")}
    for name, manifest in manifests.items():
        manifest["kind"] = name
    if "flow" in manifests:
        # The flow knows its FNN by a fingerprint of these parts.
        parts = {part: manifests["fnn"][part] for part in ("settings", "scaling", "training")}
        manifests["flow"]["mean"] = fingerprint(parts)
    for name, manifest in manifests.items():
        (target / name / "manifest.json").write_text(json.dumps(manifest, indent=2, allow_nan=False) + "\n")
    kept = {key: value for key, value in content.items() if key not in ("format", "files", "digest")}
    seal(target, {**kept, "converted_from": {"format": OLD_FORMAT, "digest": content["digest"]}})
    return target
