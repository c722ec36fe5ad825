"""Model folders: ``*.keras`` files, a manifest and a table of losses, written whole and checked when read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import pandas as pd

from surrogate.environment import check_keras
from surrogate.files import atomic, checksum, read_json, write_json
from surrogate.learning import networks as networks  # registers the layers that the files name

FORMAT = 1
"""Version of the layout of a model folder."""


class ModelError(ValueError):
    """A model folder that cannot be used; the message names the file and what was expected."""


def write(
    folder: Path, kind: str, models: dict[str, keras.Model], content: dict[str, Any], losses: pd.DataFrame
) -> None:
    """Write a model folder; the manifest comes last, so a folder that has one is whole.

    Parameters
    ----------
    folder : Path
    kind : str
        "autoencoder", "fnn", "lstm" or "flow".
    models : dict
        Networks by the stem of their file.
    content : dict
        What else the manifest says: settings, scaling, shapes, provenance, training.
    losses : DataFrame
        One row per epoch.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").unlink(missing_ok=True)
    for name, model in models.items():
        # Without the state of the optimizer, which is twice as large as the weights and of no use to a trained model.
        bare = keras.Model(model.input, model.output, name=model.name)
        with atomic(folder / f"{name}.keras") as temporary:
            bare.save(temporary)
    with atomic(folder / "losses.csv") as temporary:
        losses.to_csv(temporary, index=False)
    digests = {f"{name}.keras": checksum(folder / f"{name}.keras") for name in models}
    write_json(folder / "manifest.json", {"format": FORMAT, "kind": kind, "files": digests, **content})


def read(folder: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, keras.Model]]:
    """Read and check a model folder.

    Returns
    -------
    dict
        The manifest.
    dict
        The networks by the stem of their file.

    Raises
    ------
    ModelError
        If the folder is missing, incomplete, of another kind or version, or if a file was changed.
    """
    check_keras()
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder; expected a trained {kind}")
    try:
        manifest = read_json(folder / "manifest.json")
    except FileNotFoundError:
        raise ModelError(f"{folder}: manifest.json is missing; the training of this {kind} did not finish") from None
    except ValueError as error:
        raise ModelError(str(error)) from None
    missing = [key for key in ("format", "kind", "files", "settings", "scaling") if key not in manifest]
    if missing:
        raise ModelError(f"{folder}/manifest.json: the entries {missing} are missing")
    if manifest["format"] != FORMAT:
        raise ModelError(f"{folder}/manifest.json: format {manifest['format']}, this version reads {FORMAT}")
    if manifest["kind"] != kind:
        raise ModelError(f"{folder}/manifest.json: holds a model of kind {manifest['kind']!r}, expected {kind!r}")
    models = {}
    for name, digest in manifest["files"].items():
        path = folder / Path(name).name  # a manifest never points outside its folder
        if not path.is_file():
            raise ModelError(f"{path}: missing; the manifest of this {kind} lists it")
        if checksum(path) != digest:
            raise ModelError(f"{path}: its content differs from what the manifest recorded (changed or damaged)")
        models[path.stem] = keras.saving.load_model(path, compile=False, safe_mode=True)
    return manifest, models
