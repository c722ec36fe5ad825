"""Smaller bundles: weights with fewer significant bits, still float32, in files that Keras reads as any other."""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

import h5py
import numpy as np

from surrogate.files import checksum, read_json
from surrogate.parameters import ParameterSpace
from surrogate.query.bundle.files import pack, read_bundle, seal, write_archive
from surrogate.query.bundle.write import compare_example
from surrogate.query.engine import Engine
from surrogate.query.errors import BundleError

ROUNDED_SIZE = 4096
"""Values from which on an array of weights is rounded; small ones (biases, rotations of latents) stay exact."""

WEIGHTS = "model.weights.h5"
"""Name of the weights inside a ``.keras`` file."""


def round_to_bits(values: np.ndarray, bits: int) -> np.ndarray:
    """Round numbers to `bits` significant binary digits; the relative error is at most 2**-bits.

    >>> round_to_bits(np.array([1.0, 1.3, -300.0, 0.0], dtype=np.float32), 4).tolist()
    [1.0, 1.25, -288.0, 0.0]
    """
    mantissa, exponent = np.frexp(values)
    scale = 2.0**bits
    return np.asarray(np.ldexp(np.round(mantissa * scale) / scale, exponent).astype(values.dtype))


def pack_rounded(
    folder: str | os.PathLike[str], path: str | os.PathLike[str], bits: int, name: str | None = None
) -> Path:
    """Write a bundle with rounded weights as one zip file; equal bundles give equal bytes on one machine.

    The stored example is computed again with the rounded weights; ``rounded`` in the description says by how much it
    differs. What the bundle says of its accuracy, and its intervals, are those of the exact weights.

    Parameters
    ----------
    folder : path
        A bundle folder.
    path : path
        The zip file.
    bits : int
        Significant binary digits that are kept, 4 to 24; float32 has 24. With 7, the default bundle shrinks to a third.
    name : str, optional
        What the new bundle calls itself.

    Returns
    -------
    Path
        Of the zip file.

    Raises
    ------
    FileNotFoundError, BundleError
        As :func:`surrogate.query.read_bundle`.
    """
    if not 4 <= bits <= 24:
        raise BundleError(f"bits: expected 4 to 24 significant bits, got {bits}")
    folder = Path(folder)
    content = {key: value for key, value in read_bundle(folder).items() if key not in ("files", "digest")}
    with tempfile.TemporaryDirectory(prefix="surrogate-") as scratch:
        copy = shutil.copytree(folder, Path(scratch) / "bundle")
        for manifest_path in sorted(copy.glob("*/manifest.json")):
            manifest, model = read_json(manifest_path), manifest_path.parent
            for entry in manifest["files"]:
                _round_network(model / entry, bits)
                manifest["files"][entry] = checksum(model / entry)
            manifest_path.write_text(json.dumps(manifest), encoding="utf-8")
        space = ParameterSpace.from_dict(content["parameters"])
        differences = compare_example(copy, Engine(copy, space), replace=True)
        content["rounded"] = {"significant_bits": bits, "example_difference": differences}
        content["limits"] = [
            *content["limits"],
            f"Weights are rounded to {bits} significant bits: answers differ from those of the exact weights, in the "
            f"stored example by up to {max(differences.values()):.1f} K.",
        ]
        seal(copy, content | ({"name": name} if name else {}))
        return pack(copy, path)


def _round_network(path: Path, bits: int) -> None:
    """Round the weights of a ``.keras`` file in place."""
    with zipfile.ZipFile(path) as archive:
        parts = {entry: archive.read(entry) for entry in archive.namelist()}
    buffer = io.BytesIO()
    with h5py.File(io.BytesIO(parts[WEIGHTS])) as source, h5py.File(buffer, "w") as target:
        _copy_rounded(source, target, bits)
    write_archive(path, {**parts, WEIGHTS: buffer.getvalue()}, compress=False)


def _copy_rounded(source: h5py.Group, target: h5py.Group, bits: int) -> None:
    target.attrs.update(source.attrs)
    for name, entry in source.items():
        if isinstance(entry, h5py.Group):
            _copy_rounded(entry, target.create_group(name), bits)
        elif entry.size < ROUNDED_SIZE or entry.dtype != np.float32:
            source.copy(name, target)
        else:
            # Bytes of equal rank side by side: those that rounding emptied take no room.
            values = round_to_bits(entry[()], bits)
            target.create_dataset(name, data=values, chunks=values.shape, compression=9, shuffle=True)
            target[name].attrs.update(entry.attrs)
