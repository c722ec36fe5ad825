from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from surrogate.corpus.readers import ReaderError, choose_reader, open_run
from surrogate.fields import geometry_of, parameters_of, units_of, validate
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


def _write_snapshot(folder: Path, number: int, time: Any, field: Any) -> None:
    """A file of StagYY's legacy format, one processor, spherical annulus: field of shape (radius, angle)."""
    centres = 0.5 * (FACES[1:] + FACES[:-1])
    radii = np.empty(2 * ROWS + 1, dtype=np.float32)
    radii[0::2], radii[1::2] = FACES - FACES[0], centres - FACES[0]
    angles = (np.arange(COLUMNS) + 0.5) * (np.pi / 2) / COLUMNS
    parts = [
        np.array([11, 1, COLUMNS, ROWS, 1], np.int32),
        np.array([0.0, np.pi / 2], np.float32),
        np.array([1, 1, 1, 1], np.int32),
        radii,
        np.array([FACES[0]], np.float32),
        np.array([100 * number], np.int32),
        np.array([time, 0.0, 2000.0, 2000.0, 0.0], np.float32),
        np.array([0.0], np.float32),
        angles.astype(np.float32),
        centres.astype(np.float32),
        field.astype(np.float32).ravel(),
    ]
    (folder / f"output_t{number:05d}").write_bytes(b"".join(part.tobytes() for part in parts))


def _write_hdf5(folder: Path, fields: Any) -> None:
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
def stagyy(tmp_path: Path, request: Any) -> Any:
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


def test_stagyy_run(stagyy: Any) -> None:
    pytest.importorskip("stagpy")
    folder, fields = stagyy
    assert choose_reader(folder).name == "stagyy"
    run = validate(open_run(folder, options={"parameters": POINT, "surface": 250.0}))
    np.testing.assert_allclose(run.temperature[:, 1:-1], fields, rtol=1e-6)
    np.testing.assert_allclose(run.temperature[:, -1], 250.0)
    np.testing.assert_allclose(run.temperature[:, 0], 1.5 * fields[:, 0] - 0.5 * fields[:, 1], rtol=1e-5)
    np.testing.assert_allclose(run.time, [0.0, 1.0, 2.0], rtol=1e-6)
    np.testing.assert_allclose(geometry_of(run).vertical_faces, FACES, rtol=1e-6)
    np.testing.assert_allclose(geometry_of(run).lateral_faces[-1], np.pi / 2, rtol=1e-6)


def test_stagyy_errors(stagyy: Any) -> None:
    pytest.importorskip("stagpy")
    folder, _ = stagyy
    with pytest.raises(ReaderError, match="no parameters; the reader's option 'parameters' gives"):
        open_run(folder)
    with pytest.raises(ReaderError, match="options of reader 'stagyy'"):
        open_run(folder, options={"top": 3})
    for path in [*folder.glob("output_t*"), *folder.glob("+hdf5/T*")]:
        path.unlink()
    with pytest.raises(ReaderError, match="cannot be read as StagYY output"):
        open_run(folder, options={"parameters": POINT})


def test_without_stagpy_the_error_says_what_to_install(stagyy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "stagpy.stagyydata", None)
    with pytest.raises(ReaderError, match=r"pip install surrogate\[readers\]"):
        open_run(stagyy[0], options={"parameters": POINT})


def _dimensionless(folder: Path, boundaries: Any = "", shape: Any = "spherical", radius: Any = 1.0) -> Any:
    """A run in the units of its planet, as StagYY's own examples are; returns its temperatures."""
    global FACES
    whole = FACES
    try:
        FACES = np.linspace(radius, radius + 1.0, ROWS + 1)
        fields = np.random.default_rng(2).uniform(0.4, 1.0, (3, ROWS, COLUMNS)).astype(np.float32)
        for number, field in enumerate(fields):
            _write_snapshot(folder, number, 0.002 * number, field)
    finally:
        FACES = whole
    (folder / "par").write_text(
        f"&geometry\n shape = '{shape}'\n aspect_ratio = 0.0, 1.5707963\n d_dimensional = 1700.0e3\n/\n"
        "&switches\n dimensional_units = .false.\n/\n"
        "&refstate\n deltaT_dimensional = 2000.0\n dens_dimensional = 3500.0\n Cp_dimensional = 1142.0\n"
        " tcond_dimensional = 4.0\n/\n"
        f"&boundaries\n{boundaries}/\n&ioin\n output_file_stem = './output'\n/\n"
    )
    return fields


def test_a_dimensionless_run_has_the_scales_of_its_parameter_file(tmp_path: Path) -> None:
    stagpy = pytest.importorskip("stagpy.stagyydata")
    scales = pytest.importorskip("stagpy.dimensions").Scales
    fields = _dimensionless(tmp_path)
    run = open_run(tmp_path, options={"parameters": POINT})
    np.testing.assert_allclose(run.temperature[:, 1:-1], 2000 * fields, rtol=1e-6)
    np.testing.assert_allclose(geometry_of(run).vertical_faces, np.linspace(1700e3, 3400e3, ROWS + 1), rtol=1e-6)
    np.testing.assert_allclose(run.time, np.arange(3) * 0.002 * 1700e3**2 * 3500 * 1142 / 4 / GIGAYEAR, rtol=1e-6)
    data = stagpy.StagyyData(tmp_path)  # the independent reader, and what it calls a scale
    seconds = [step.time * scales(data).time for step in data.snaps]
    np.testing.assert_allclose(run.time, np.array(seconds) / GIGAYEAR, rtol=1e-6)
    assert run.attrs["geometry"] == "spherical annulus"


@pytest.mark.parametrize(
    ("boundaries", "options", "core", "surface"),
    [
        (" topT_val = 0.125\n botT_val = 1.1\n", {}, 2200.0, 250.0),
        (" topT_mode = 'iso'\n topT_val = 0.125\n botT_mode = 'isothermal'\n botT_val = 1\n", {}, 2000.0, 250.0),
        (" topT_val = 0.125\n botT_val = 1.1\n", {"surface": "-23.15 degC", "core": 2100}, 2100.0, 250.0),
        (" topT_val = 0.125\n botT_mode = 'flux'\n botT_val = 1.1\n", {}, None, 250.0),
    ],
)
def test_isothermal_walls_are_those_of_the_parameter_file(
    tmp_path: Path, boundaries: Any, options: Any, core: Any, surface: Any
) -> None:
    pytest.importorskip("stagpy")
    fields = _dimensionless(tmp_path, boundaries) * 2000
    run = open_run(tmp_path, options={"parameters": POINT, **options})
    extrapolated = 1.5 * fields[:, 0] - 0.5 * fields[:, 1]
    np.testing.assert_allclose(
        run.temperature[:, 0], extrapolated if core is None else np.full((3, COLUMNS), core), rtol=1e-5
    )
    np.testing.assert_allclose(run.temperature[:, -1], surface, rtol=1e-6)


def _example(folder: Path, change: Any = lambda text: text, shape: str = "cartesian", faces: Any = (0.0, 1.0)) -> Any:
    """A dimensionless run as in StagPy's own examples, whose ``par`` has no scales."""
    fields = _dimensionless(folder, " topT_val = 0.0\n botT_val = 1.0\n y_bc = 'ww'\n", shape, faces[0])
    text = (folder / "par").read_text()
    kept = [line for line in text.splitlines() if "_dimensional " not in line]
    text = "\n".join(kept).replace("&refstate\n", "&refstate\n ra0 = 1.e4\n rh = 5\n") + "\n"
    (folder / "par").write_text(change(text))
    return fields


@pytest.mark.parametrize(
    ("shape", "inner", "kind"), [("cartesian", -1.0, "box"), ("spherical", 1.19, "spherical_annulus")]
)
def test_a_run_without_scales_stays_dimensionless(tmp_path: Path, shape: str, inner: float, kind: str) -> None:
    pytest.importorskip("stagpy")
    fields = _example(tmp_path, shape=shape, faces=(inner, inner + 1))
    run = open_run(tmp_path)
    geometry = geometry_of(run)
    assert units_of(run).name == "dimensionless"
    assert (geometry.kind, geometry.periodic) == (kind, True)
    assert geometry.vertical_faces[0] == pytest.approx(0.0 if kind == "box" else 1.19)
    np.testing.assert_allclose(run.temperature[:, 1:-1], fields, rtol=1e-6)
    np.testing.assert_allclose(run.time, [0, 0.002, 0.004])
    assert np.all(run.temperature[:, 0] == 1.0)
    assert np.all(run.temperature[:, -1] == 0.0)
    found = parameters_of(run)
    assert (found["ra0"], found["rh"]) == (1e4, 5.0)


@pytest.mark.parametrize(
    ("old", "new", "options", "message"),
    [
        (" y_bc = 'ww'\n", "", {}, "par: y_bc is missing; option periodic"),
        ("'ww'", "'pp'", {}, "par: y_bc = 'pp', expected 'ww' .periodic. or 'rr'"),
        ("'ww'", "'rr'", {"periodic": True}, "y_bc = 'rr', but the configuration states periodic: True"),
        (".false.", ".true.", {"dimensionless": True}, "= .true., but the configuration says dimensionless"),
        ("y_bc", "y_bc", {"dimensionless": True, "scales": {"length": 1e6}}, "not together with dimensionless"),
        ("y_bc", "y_bc", {"dimensionless": False}, "is missing there; option scales gives it"),
    ],
)
def test_what_a_parameter_file_does_not_tell_is_named(
    tmp_path: Path, old: str, new: str, options: Any, message: str
) -> None:
    pytest.importorskip("stagpy")
    _example(tmp_path, lambda text: text.replace(old, new), faces=(-1.0, 0.0))
    with pytest.raises(ReaderError, match=message):
        open_run(tmp_path, options=options)


def test_a_parameter_file_without_scales_or_without_the_switch_is_named(tmp_path: Path) -> None:
    pytest.importorskip("stagpy")
    fields = _dimensionless(tmp_path)
    text = (tmp_path / "par").read_text()
    (tmp_path / "par").write_text(text.replace("deltaT_dimensional", "something"))
    with pytest.raises(ReaderError, match="but 'deltat_dimensional' is missing there; option scales"):
        open_run(tmp_path, options={"parameters": POINT})
    (tmp_path / "par").write_text(text.replace("dimensional_units = .false.", ""))
    with pytest.raises(ReaderError, match=r"radii span 1 \.\. 2 m, and par does not say dimensional_units"):
        open_run(tmp_path, options={"parameters": POINT})
    scales = {"length": "1700 km", "temperature": "2000 K", "temperature_offset": "250 K", "diffusivity": "1 mm^2/s"}
    run = open_run(tmp_path, options={"parameters": POINT, "scales": scales})
    np.testing.assert_allclose(run.temperature[:, 1:-1], 2000 * fields + 250, rtol=1e-6)
    np.testing.assert_allclose(run.time, np.arange(3) * 0.002 * 1700e3**2 / 1e-6 / GIGAYEAR, rtol=1e-6)
    (tmp_path / "par").write_text(text.replace(".false.", ".true."))
    with pytest.raises(ReaderError, match=r"dimensional_units = \.true\., but the configuration gives scales"):
        open_run(tmp_path, options={"parameters": POINT, "scales": scales})
