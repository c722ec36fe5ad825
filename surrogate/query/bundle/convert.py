"""Bundles of the format before: renamed, sealed again, with the same answers to the bit."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from surrogate.files import atomic, fingerprint, read_json
from surrogate.parameters import EVOLUTION_PARAMETERS
from surrogate.query.bundle.files import open_folder, pack, read_bundle, seal

OLD_FORMAT = 2
"""The format that :func:`convert` reads."""

_FOLDERS = {"feedforward": "fnn", "recurrent": "lstm", "generative": "flow"}
_NETWORKS = {"autoencoder": "pod", "fnn": "residual", "lstm": "rollout"}


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
    with open_folder(old) as (folder, source):
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
        manifest["settings"] = _settings(name, manifest["settings"])
        if "parameters" in manifest["scaling"]:
            manifest["scaling"]["parameters"]["space"] = EVOLUTION_PARAMETERS.as_dict()
    if "flow" in manifests:
        # The flow knows its FNN by a fingerprint of these parts.
        parts = {part: manifests["fnn"][part] for part in ("settings", "scaling", "training")}
        manifests["flow"]["mean"] = fingerprint(parts)
    for name, manifest in manifests.items():
        text = json.dumps(manifest, indent=2, allow_nan=False) + "\n"
        (target / name / "manifest.json").write_text(text, encoding="utf-8")
    kept = {key: value for key, value in content.items() if key not in ("format", "files", "digest")}
    kept["parameters"] = {name: _parameter(name, entry) for name, entry in content["parameters"].items()}
    card = content.get("metrics", {}).get("truth", {}).get("report_card", {})
    if "minimum_temperature" in card and "maximum_temperature" in card:
        low, high = float(card["minimum_temperature"]), float(card["maximum_temperature"])
        kept["temperature"] = {"low": low, "high": high, "units": "K"}
    seal(target, {**kept, "converted_from": {"format": OLD_FORMAT, "digest": content["digest"]}})
    return target


def _settings(name: str, old: dict[str, Any]) -> dict[str, Any]:
    """Give settings of a network their present names; those that never had an effect on it go."""
    network = {"default": _NETWORKS.get(name), "paper": "paper"}.get(old.get("network", ""))
    if network is None:  # the flow has one network only
        return old
    idle = ("memory", "window") if network != "paper" else tuple(set(old) - {"network", "training", "memory", "window"})
    return {**{key: value for key, value in old.items() if key not in idle}, "network": network}


def _parameter(name: str, old: dict[str, Any]) -> dict[str, Any]:
    """Entry of a parameter as :meth:`surrogate.parameters.ParameterSpace.as_dict` gives it."""
    known = EVOLUTION_PARAMETERS.as_dict().get(name, {})
    return {**known, "unit": old["units"], **{key: old[key] for key in ("low", "high", "symbol", "logarithmic")}}
