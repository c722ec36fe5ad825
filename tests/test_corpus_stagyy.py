import h5py
import numpy as np
import pytest

from surrogate.corpus.readers import ReaderError, choose_reader, open_run
from surrogate.fields import annulus_of, validate
from surrogate.units import GIGAYEAR

POINT = {
    "reference_viscosity": 1e21,
    "activation_energy": 3e5,
    "activation_volume": 6e-6,
    "crustal_enrichment": 10,
    "initial_temperature": 1700.0,
}
ROWS, COLUMNS = 6, 16
FACES = np.linspace(1700e3, 3400e3, ROWS + 1)


def _write_snapshot(folder, number, time, field):
    """A file of StagYY's legacy format, one processor, spherical annulus: field of shape (radius, angle)."""
    centres = 0.5 * (FACES[1:] + FACES[:-1])
    radii = np.empty(2 * ROWS + 1, dtype=np.float32)
    radii[0::2], radii[1::2] = FACES - FACES[0], centres - FACES[0]
    angles = (np.arange(COLUMNS) + 0.5) * (np.pi / 2) / COLUMNS
    parts = [
        np.int32([11, 1, COLUMNS, ROWS, 1]),
        np.float32([0.0, np.pi / 2]),
        np.int32([1, 1, 1, 1]),
        radii,
        np.float32([FACES[0]]),
        np.int32([100 * number]),
        np.float32([time, 0.0, 2000.0, 2000.0, 0.0]),
        np.float32([0.0]),
        angles.astype(np.float32),
        centres.astype(np.float32),
        field.astype(np.float32).ravel(),
    ]
    (folder / f"output_t{number:05d}").write_bytes(b"".join(part.tobytes() for part in parts))


def _write_hdf5(folder, fields):
    """The same in StagYY's HDF5 format: nodes, one array per snapshot, an XDMF file that names them."""
    folder.mkdir()
    radius, angle = np.meshgrid(FACES, np.linspace(0, np.pi / 2, COLUMNS + 1), indexing="ij")
    with h5py.File(folder / "NodesCoords_00001_00000.h5", "w") as file:
        for name, values in (("X", 0 * radius), ("Y", radius * np.cos(angle)), ("Z", radius * np.sin(angle))):
            file[name] = values
    grids = []
    with (
        h5py.File(folder / "Temperature_00000_00001.h5", "w") as file,
        h5py.File(folder / "time_botT.h5", "w") as times,
    ):
        for number, field in enumerate(fields):
            file[f"Temperature_00001_{number:05d}"] = field.reshape(1, ROWS, COLUMNS, 1)
            times[f"botT_{number:05d}"] = [100.0 * number, number * GIGAYEAR]
            grids.append(
                f"""<Grid GridType="Collection" CollectionType="Spatial"><Time Value="{number * GIGAYEAR!r}"/>
                <Grid Name="mesh_00001" GridType="Uniform"><Topology Type="2DSMesh"/><Geometry Type="X_Y">
                <DataItem Dimensions="{ROWS + 1} {COLUMNS + 1}">NodesCoords_00001_00000.h5:/Y</DataItem>
                <DataItem Dimensions="{ROWS + 1} {COLUMNS + 1}">NodesCoords_00001_00000.h5:/Z</DataItem></Geometry>
                <Attribute Name="Temperature" Center="Cell"><DataItem Dimensions="1 {ROWS} {COLUMNS} 1">
                Temperature_00000_00001.h5:/Temperature_00001_{number:05d}</DataItem></Attribute></Grid></Grid>"""
            )
    head = '<Xdmf><Domain><Grid GridType="Collection" CollectionType="Temporal">'
    (folder / "Data.xmf").write_text(f"{head}{''.join(grids)}</Grid></Domain></Xdmf>")


@pytest.fixture(params=["legacy", "hdf5"])
def stagyy(tmp_path, request):
    (tmp_path / "par").write_text(
        "&geometry\n shape = 'spherical'\n aspect_ratio = 0.0, 1.5707963\n d_dimensional = 1700.0e3\n/\n"
        "&switches\n dimensional_units = .true.\n/\n"
        "&ioin\n output_file_stem = './output'\n/\n"
    )
    fields = np.random.default_rng(0).uniform(1400, 1800, (3, ROWS, COLUMNS)).astype(np.float32)
    if request.param == "hdf5":
        _write_hdf5(tmp_path / "+hdf5", fields)
        return tmp_path, fields
    for number, field in enumerate(fields):
        _write_snapshot(tmp_path, number, number * GIGAYEAR, field)
    return tmp_path, fields


def test_stagyy_run(stagyy):
    pytest.importorskip("stagpy")
    folder, fields = stagyy
    assert choose_reader(folder).name == "stagyy"
    run = validate(open_run(folder, options={"parameters": POINT, "surface": 250.0}))
    np.testing.assert_allclose(run.temperature[:, 1:-1], fields, rtol=1e-6)
    np.testing.assert_allclose(run.temperature[:, -1], 250.0)
    np.testing.assert_allclose(run.temperature[:, 0], 1.5 * fields[:, 0] - 0.5 * fields[:, 1], rtol=1e-5)
    np.testing.assert_allclose(run.time, [0.0, 1.0, 2.0], rtol=1e-6)
    np.testing.assert_allclose(annulus_of(run).radius_faces, FACES, rtol=1e-6)
    np.testing.assert_allclose(annulus_of(run).angle_faces[-1], np.pi / 2, rtol=1e-6)


def test_stagyy_errors(stagyy):
    pytest.importorskip("stagpy")
    folder, _ = stagyy
    with pytest.raises(ReaderError, match="missing reference_viscosity"):
        open_run(folder)
    with pytest.raises(ReaderError, match="options of reader 'stagyy'"):
        open_run(folder, options={"top": 3})
    for path in [*folder.glob("output_t*"), *folder.glob("+hdf5/T*")]:
        path.unlink()
    with pytest.raises(ReaderError, match="cannot be read as StagYY output"):
        open_run(folder, options={"parameters": POINT})


def test_without_stagpy_the_error_says_what_to_install(stagyy, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "stagpy.stagyydata", None)
    with pytest.raises(ReaderError, match=r"pip install surrogate\[readers\]"):
        open_run(stagyy[0], options={"parameters": POINT})
