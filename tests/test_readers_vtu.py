"""VTK's files in every form that is claimed, beside what meshio and VTK itself read and write."""

import base64
import lzma
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surrogate.corpus.readers import ReaderError
from surrogate.corpus.readers.vtu import COMPRESSORS, point_arrays, read_points

POINTS = np.random.default_rng(3).normal(size=(700, 3))
VALUES = np.random.default_rng(4).uniform(300, 2000, 700)
PACK: dict[str, Any] = {"vtkZLibDataCompressor": zlib.compress, "vtkLZMADataCompressor": lzma.compress}
BLOCK = 2048


def _encode(values: Any, header: Any, compressor: Any, encode: Any) -> Any:
    """Bytes of an array as VTK writes them, `encode` applied where base64 is."""
    raw = values.tobytes()
    if compressor is None:
        return encode(np.array([len(raw)], header).tobytes() + raw)
    blocks = [raw[start : start + BLOCK] for start in range(0, len(raw), BLOCK)]
    packed = [PACK[compressor](block) for block in blocks]
    sizes = [len(blocks), BLOCK, len(blocks[-1]) % BLOCK, *map(len, packed)]
    return encode(np.array(sizes, header).tobytes()) + encode(b"".join(packed))


def write_vtu(
    path: Path,
    form: Any = "appended",
    encoding: Any = "raw",
    compressor: Any = None,
    header: Any = "UInt32",
    order: Any = "<",
    kind: Any = "f4",
) -> Any:
    """A grid of single points."""
    arrays = {
        "Points": POINTS.astype(order + kind),
        "T": VALUES.astype(order + kind),
        "connectivity": np.arange(len(POINTS)).astype(f"{order}i8"),
        "offsets": np.arange(1, len(POINTS) + 1).astype(f"{order}i8"),
        "types": np.ones(len(POINTS), "u1"),
    }
    names = {"f4": "Float32", "f8": "Float64", "i8": "Int64", "u1": "UInt8"}
    head = np.dtype(order + {"UInt32": "u4", "UInt64": "u8"}[header])
    appended, tags = b"", {}
    for name, values in arrays.items():
        label = f'<DataArray type="{names[values.dtype.str[1:]]}" Name="{name}"'
        label += ' NumberOfComponents="3"' if values.ndim == 2 else ""
        if form == "ascii":
            tags[name] = f'{label} format="ascii">{" ".join(map(repr, values.ravel().tolist()))}</DataArray>'
        elif form == "binary":
            content = _encode(values, head, compressor, base64.b64encode).decode()
            tags[name] = f'{label} format="binary">{content}</DataArray>'
        else:
            tags[name] = f'{label} format="appended" offset="{len(appended)}"/>'
            appended += _encode(values, head, compressor, base64.b64encode if encoding == "base64" else bytes)
    packed = f' compressor="{compressor}"' if compressor else ""
    endian = "LittleEndian" if order == "<" else "BigEndian"
    text = (
        f'<?xml version="1.0"?><VTKFile type="UnstructuredGrid" version="1.0" byte_order="{endian}" '
        f'header_type="{header}"{packed}>\n<UnstructuredGrid><Piece NumberOfPoints="{len(POINTS)}" '
        f'NumberOfCells="{len(POINTS)}"><Points>{tags["Points"]}</Points><PointData>{tags["T"]}</PointData><Cells>'
        f"{tags['connectivity']}{tags['offsets']}{tags['types']}</Cells></Piece></UnstructuredGrid>\n"
    )
    tail = f'<AppendedData encoding="{encoding}">\n _'.encode() + appended + b"\n</AppendedData>" if appended else b""
    path.write_bytes(text.encode() + tail + b"</VTKFile>\n")
    return path


FORMS = [("appended", "raw"), ("appended", "base64"), ("binary", ""), ("ascii", "")]


@pytest.mark.parametrize("header", ["UInt32", "UInt64"])
@pytest.mark.parametrize("compressor", [None, *COMPRESSORS])
@pytest.mark.parametrize(("form", "encoding"), FORMS)
def test_every_form_is_read(tmp_path: Path, form: Any, encoding: Any, compressor: Any, header: Any) -> None:
    for order, kind in (("<", "f4"), (">", "f8")):
        path = write_vtu(tmp_path / "a.vtu", form, encoding, compressor, header, order, kind)
        points, values = read_points([path], "T")
        np.testing.assert_array_equal(points, POINTS.astype(kind))
        np.testing.assert_array_equal(values, VALUES.astype(kind))
        assert point_arrays([path]) == ["T"]


@pytest.mark.parametrize("compressor", [None, *COMPRESSORS])
@pytest.mark.parametrize(("form", "encoding"), FORMS)
def test_what_meshio_reads_is_the_same(tmp_path: Path, form: Any, encoding: Any, compressor: Any) -> None:
    meshio = pytest.importorskip("meshio")
    path = write_vtu(tmp_path / "a.vtu", form, encoding, compressor)
    try:
        mesh = meshio.read(path)
    except Exception as error:
        pytest.skip(f"meshio does not read this form: {error}")
    points, values = read_points([path], "T")
    np.testing.assert_array_equal(points, mesh.points)
    np.testing.assert_array_equal(values, mesh.point_data["T"])


def test_what_vtk_writes_is_read(tmp_path: Path) -> None:
    vtk = pytest.importorskip("vtkmodules.all")
    support = pytest.importorskip("vtkmodules.util.numpy_support")
    grid, points = vtk.vtkUnstructuredGrid(), vtk.vtkPoints()
    points.SetData(support.numpy_to_vtk(POINTS, deep=True))
    temperature = support.numpy_to_vtk(VALUES, deep=True)
    temperature.SetName("T")
    grid.SetPoints(points)
    grid.GetPointData().AddArray(temperature)
    for mode in ("SetDataModeToAppended", "SetDataModeToBinary", "SetDataModeToAscii"):
        for compressor in ("SetCompressorTypeToNone", "SetCompressorTypeToZLib", "SetCompressorTypeToLZMA"):
            for encoded in ("EncodeAppendedDataOn", "EncodeAppendedDataOff"):
                writer = vtk.vtkXMLUnstructuredGridWriter()
                writer.SetFileName(str(tmp_path / "a.vtu"))
                writer.SetInputData(grid)
                for setting in (mode, compressor, encoded):
                    getattr(writer, setting)()
                writer.Write()
                found = read_points([tmp_path / "a.vtu"], "T")
                np.testing.assert_allclose(found[0], POINTS, rtol=1e-6)
                np.testing.assert_allclose(found[1], VALUES, rtol=1e-6)


def test_another_compressor_is_refused_by_name(tmp_path: Path) -> None:
    path = write_vtu(tmp_path / "a.vtu", compressor="vtkZLibDataCompressor")
    path.write_bytes(path.read_bytes().replace(b"vtkZLibDataCompressor", b"vtkLZ4DataCompressor"))
    with pytest.raises(ReaderError, match=r"a\.vtu: array 'Points': compressor 'vtkLZ4DataCompressor' cannot be read"):
        read_points([path], "T")


@pytest.mark.parametrize("compressor", [None, *COMPRESSORS])
@pytest.mark.parametrize(("form", "encoding"), FORMS)
def test_a_file_that_is_cut_anywhere_is_an_error(tmp_path: Path, form: Any, encoding: Any, compressor: Any) -> None:
    content = write_vtu(tmp_path / "a.vtu", form, encoding, compressor).read_bytes()
    for size in np.linspace(0, len(content) - 12, 25).astype(int).tolist():
        (tmp_path / "a.vtu").write_bytes(content[:size])
        with pytest.raises(ReaderError, match=r"a\.vtu"):
            read_points([tmp_path / "a.vtu"], "T")
