"""VTK's XML files of unstructured grids: ASCII, inline base64 or appended (raw or base64), whole or in packed blocks.

Format: VTK User's Guide, "XML file formats".
"""

from __future__ import annotations

import base64
import itertools
import lzma
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from surrogate.corpus.readers import ReaderError

TYPES = {"Float32": "f4", "Float64": "f8"}
TYPES |= {f"Int{8 * size}": f"i{size}" for size in (1, 2, 4, 8)} | {
    f"UInt{8 * size}": f"u{size}" for size in (1, 2, 4, 8)
}

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "vtkZLibDataCompressor": zlib.decompress,
    "vtkLZMADataCompressor": lzma.decompress,
}

_APPENDED = re.compile(rb"<AppendedData\s+encoding\s*=\s*[\"'](raw|base64)[\"']\s*>\s*_")


@dataclass(frozen=True)
class _Document:
    """A file of VTK: its XML, and the appended data that stand behind it."""

    path: Path
    root: ElementTree.Element
    encoding: str
    appended: bytes


def _open(path: Path, kinds: tuple[str, ...]) -> _Document:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ReaderError(f"{path}: no such file") from None
    except OSError as error:
        raise ReaderError(f"{path}: cannot be read: {error}") from None
    found = _APPENDED.search(content)
    head, encoding, appended = content, "", b""
    if found:  # raw data are no XML
        encoding, end = found[1].decode(), content.rfind(b"</AppendedData")
        if end < found.end():
            raise ReaderError(f"{path}: its appended data do not end")
        head, appended = content[: found.start()] + content[end:].partition(b">")[2], content[found.end() : end]
    try:
        root = ElementTree.fromstring(head)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ReaderError(f"{path}: not the XML of a whole VTK file: {error}") from error
    if root.tag != "VTKFile" or root.get("type") not in kinds:
        raise ReaderError(f"{path}: expected a VTK file of type {' or '.join(kinds)}, got {root.get('type')!r}")
    return _Document(path, root, encoding, appended)


def read_collection(path: Path) -> tuple[list[tuple[str, list[Path]]], list[str]]:
    """Read a collection (``.pvd``).

    Returns
    -------
    snapshots : list of (str, list of Path)
        Times as written, in their order, and the files of each. Parts of one time belong together; of several outputs
        of one part at one time, as of a mesh that is refined before the run starts, the last one counts.
    warnings : list of str

    Raises
    ------
    ReaderError
        Naming the file, and the snapshot that is not there.
    """
    steps: dict[float, tuple[str, dict[str, Path]]] = {}
    warnings = []
    for entry in _open(path, ("Collection",)).root.iter("DataSet"):
        try:
            text, file = entry.attrib["timestep"], path.parent / entry.attrib["file"]
            time = np.array([text]).astype(float).item()
        except (KeyError, ValueError) as error:
            raise ReaderError(f"{path}: a DataSet without time or file: {entry.attrib}") from error
        part = entry.get("part", "0")
        parts = steps.setdefault(time, (text, {}))[1]
        if part in parts and parts[part] != file:
            warnings.append(f"{path}: several outputs at time {text}: {file.name} is taken, not {parts[part].name}")
        parts[part] = file
    if not steps:
        raise ReaderError(f"{path}: names no snapshot")
    snapshots = [(text, list(parts.values())) for _, (text, parts) in sorted(steps.items())]
    for file in (file for _, files in snapshots for file in files):
        if not file.is_file():
            raise ReaderError(f"{file}: no such file, though {path} names it")
        if file.suffix not in (".vtu", ".pvtu"):
            raise ReaderError(f"{file}: output of this format is not read, only .vtu and .pvtu")
    return snapshots, warnings


def point_arrays(paths: list[Path]) -> list[str]:
    """Names of the arrays on the points of one snapshot."""
    root = _open(_pieces(paths)[0], ("UnstructuredGrid",)).root
    return sorted({str(entry.get("Name")) for entry in root.iterfind(".//PointData/DataArray")})


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
        document = _open(path, ("UnstructuredGrid",))
        for piece in document.root.iter("Piece"):
            if piece.get("NumberOfPoints") == "0":  # a processor without cells
                continue
            place = piece.find("Points/DataArray")
            fields = {entry.get("Name"): entry for entry in piece.iterfind("PointData/DataArray")}
            if place is None or name not in fields:
                raise ReaderError(f"{path}: no point array {name!r}; found {sorted(map(str, fields))}")
            numbers = [_decode(entry, document) for entry in (place, fields[name])]
            count = piece.get("NumberOfPoints", "")
            if numbers[0].size % 3 or str(numbers[0].size // 3) != count or str(numbers[1].size) != count:
                sizes = [entry.size for entry in numbers]
                raise ReaderError(f"{path}: {sizes[1]} values of {name!r} and {sizes[0]} coordinates on {count} points")
            points.append(numbers[0].reshape(-1, 3))
            values.append(numbers[1])
    if not points:
        raise ReaderError(f"{paths[0]}: no points")
    return np.concatenate(points), np.concatenate(values)


def _pieces(paths: list[Path]) -> list[Path]:
    files = []
    for path in paths:
        if path.suffix == ".pvtu":
            pieces = [piece.get("Source") for piece in _open(path, ("PUnstructuredGrid",)).root.iter("Piece")]
            files += [path.parent / source for source in pieces if source]
        else:
            files.append(path)
    if not files:
        raise ReaderError(f"{paths[0]}: names no pieces")
    return files


def _decode(entry: ElementTree.Element, document: _Document) -> np.ndarray:
    root = document.root
    kind, form, where = entry.get("type", ""), entry.get("format"), f"{document.path}: array {entry.get('Name')!r}"
    order = "<" if root.get("byte_order", "LittleEndian") == "LittleEndian" else ">"
    compressor = root.get("compressor")
    if kind not in TYPES or form not in ("ascii", "binary", "appended"):
        raise ReaderError(f"{where} of type {kind!r} and format {form!r} cannot be read")
    if compressor not in (None, *COMPRESSORS):
        raise ReaderError(f"{where}: compressor {compressor!r} cannot be read, only {', '.join(COMPRESSORS)}")
    dtype = np.dtype(order + TYPES[kind])
    try:
        if form == "ascii":
            return np.array((entry.text or "").split(), dtype=dtype)
        header = np.dtype(order + TYPES[root.get("header_type", "UInt32")])
        content, encoded = (entry.text or "").strip().encode(), True
        if form == "appended":
            offset = entry.get("offset", "")
            if not offset.isdecimal() or int(offset) >= len(document.appended):
                raise ValueError(f"offset {offset!r} in {len(document.appended)} bytes of appended data")
            content, encoded = document.appended[int(offset) :], document.encoding == "base64"
        blocks = _Blocks(content, encoded)
        size = int(np.frombuffer(blocks.take(header.itemsize), header)[0])
        if compressor is None:
            return np.frombuffer(blocks.take(header.itemsize + size)[header.itemsize :], dtype)
        return np.frombuffer(_unpack(blocks, header, size, COMPRESSORS[compressor]), dtype)
    except (ValueError, IndexError, KeyError, zlib.error, lzma.LZMAError, OverflowError) as error:
        raise ReaderError(f"{where} is cut or corrupt: {error}") from error


@dataclass
class _Blocks:
    """Bytes as they are, or in base64, whose parts end at their own boundaries."""

    content: bytes
    encoded: bool

    def take(self, size: int, start: int = 0) -> bytes:
        """Return `size` bytes from the place (in the file) `start` on."""
        if not self.encoded:
            part = self.content[start : start + size]
        else:
            part = base64.b64decode(self.content[start : start + self.length(size)])[:size]
        if len(part) != size:
            raise ValueError(f"{len(part)} bytes of {size}")
        return part

    def length(self, size: int) -> int:
        """Bytes that `size` bytes take in the file."""
        return -(-size // 3) * 4 if self.encoded else size


def _unpack(blocks: _Blocks, header: np.dtype[Any], number: int, decompress: Callable[[bytes], bytes]) -> bytes:
    """Decompress blocks: [number, size, last size, packed sizes ...] and data, each encoded on its own."""
    if number > len(blocks.content):
        raise ValueError(f"{number} blocks in {len(blocks.content)} bytes")
    length = (3 + number) * header.itemsize
    sizes = np.frombuffer(blocks.take(length), header)[3:].astype(np.int64)
    content = blocks.take(int(sizes.sum()), blocks.length(length))
    edges = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    return b"".join(decompress(content[start:end]) for start, end in itertools.pairwise(edges))
