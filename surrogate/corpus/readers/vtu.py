"""VTK's XML files of unstructured grids, as deal.II writes them: ASCII or inline base64, whole or zlib-compressed.

Format: VTK User's Guide, "XML file formats". Appended data are not read (deal.II does not write them).
"""

from __future__ import annotations

import base64
import itertools
import zlib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from surrogate.corpus.readers import ReaderError

TYPES = {
    "Float32": "f4", "Float64": "f8",
    "Int8": "i1", "Int16": "i2", "Int32": "i4", "Int64": "i8",
    "UInt8": "u1", "UInt16": "u2", "UInt32": "u4", "UInt64": "u8",
}  # fmt: skip


def _root(path: Path, kinds: tuple[str, ...]) -> ElementTree.Element:
    try:
        root = ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise ReaderError(f"{path}: no such file") from None
    except ElementTree.ParseError as error:
        raise ReaderError(f"{path}: truncated or not XML: {error}") from error
    if root.tag != "VTKFile" or root.get("type") not in kinds:
        raise ReaderError(f"{path}: expected a VTK file of type {' or '.join(kinds)}, got {root.get('type')!r}")
    return root


def read_collection(path: Path) -> list[tuple[float, list[Path]]]:
    """Read a collection (``.pvd``): times as written, and the files of each.

    Parts that share a time belong together.
    """
    steps: dict[float, list[Path]] = {}
    for entry in _root(path, ("Collection",)).iter("DataSet"):
        try:
            time, name = float(entry.attrib["timestep"]), entry.attrib["file"]
        except (KeyError, ValueError) as error:
            raise ReaderError(f"{path}: a DataSet without time or file: {entry.attrib}") from error
        steps.setdefault(time, []).append(path.parent / name)
    if not steps:
        raise ReaderError(f"{path}: names no snapshot")
    return sorted(steps.items())


def read_points(paths: list[Path], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Read one field on the points of one snapshot.

    Parameters
    ----------
    paths : list of Path
        ``.vtu`` files, or ``.pvtu`` files that name them.
    name : str
        Of a scalar array on points.

    Returns
    -------
    points : array, shape (point, 3)
    values : array, shape (point,)

    Raises
    ------
    ReaderError
        Naming the file and the array.
    """
    points, values = [], []
    for path in _pieces(paths):
        root = _root(path, ("UnstructuredGrid",))
        for piece in root.iter("Piece"):
            place = piece.find("Points/DataArray")
            fields = {entry.get("Name"): entry for entry in piece.iterfind("PointData/DataArray")}
            if place is None or name not in fields:
                raise ReaderError(f"{path}: no point array {name!r}; found {sorted(map(str, fields))}")
            points.append(_decode(place, root, path).reshape(-1, 3))
            values.append(_decode(fields[name], root, path))
            if len(points[-1]) != len(values[-1]):
                raise ReaderError(f"{path}: {len(values[-1])} values of {name!r} on {len(points[-1])} points")
    return np.concatenate(points), np.concatenate(values)


def _pieces(paths: list[Path]) -> list[Path]:
    files = []
    for path in paths:
        if path.suffix == ".pvtu":
            root = _root(path, ("PUnstructuredGrid",))
            files += [path.parent / entry.attrib["Source"] for entry in root.iter("Piece")]
        else:
            files.append(path)
    return files


def _decode(entry: ElementTree.Element, root: ElementTree.Element, path: Path) -> np.ndarray:
    kind, form, text = entry.get("type", ""), entry.get("format"), (entry.text or "").strip()
    if kind not in TYPES or form not in ("ascii", "binary"):
        raise ReaderError(f"{path}: array {entry.get('Name')!r} of type {kind!r} and format {form!r} cannot be read")
    order = "<" if root.get("byte_order", "LittleEndian") == "LittleEndian" else ">"
    dtype = np.dtype(order + TYPES[kind])
    try:
        if form == "ascii":
            return np.array(text.split(), dtype=dtype)
        header = np.dtype(order + TYPES[root.get("header_type", "UInt32")])
        compressor = root.get("compressor")
        if compressor is None:
            content = base64.b64decode(text)
            return np.frombuffer(content[header.itemsize :], dtype=dtype)
        if compressor != "vtkZLibDataCompressor":
            raise ReaderError(f"{path}: compressor {compressor!r} cannot be read, only vtkZLibDataCompressor")
        return np.frombuffer(_inflate(text, header), dtype=dtype)
    except (ValueError, zlib.error) as error:
        raise ReaderError(f"{path}: array {entry.get('Name')!r} is truncated or corrupt: {error}") from error


def _inflate(text: str, header: np.dtype) -> bytes:
    """Decompress blocks: [number, size, last size, compressed sizes ...] and data, each base64 on its own."""

    def encoded(length: int) -> int:
        return -(-length // 3) * 4

    number = int(np.frombuffer(base64.b64decode(text[: encoded(header.itemsize)])[: header.itemsize], header)[0])
    length = (3 + number) * header.itemsize
    sizes = np.frombuffer(base64.b64decode(text[: encoded(length)])[:length], header)[3:].astype(int)
    content = base64.b64decode(text[encoded(length) :])
    if len(content) < sizes.sum():
        raise ValueError(f"{len(content)} bytes of {sizes.sum()}")
    edges = np.concatenate([[0], np.cumsum(sizes)])
    return b"".join(zlib.decompress(content[start:end]) for start, end in itertools.pairwise(edges))
