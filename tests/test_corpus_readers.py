import base64
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
import zarr
from corpus_samples import sample_run, write_runs
from scipy.io import netcdf_file

from surrogate.config import CorpusSettings
from surrogate.corpus import ingest, readers
from surrogate.corpus.readers import ReaderError, choose_reader, find_reader, open_run, reader_names
from surrogate.corpus.readers.lazy import lazy_run
from surrogate.corpus.store import open_corpus
from surrogate.fields import FieldError, geometry_of, parameters_of, validate
from surrogate.geometry import Geometry
from surrogate.parameters import EVOLUTION_PARAMETERS
from surrogate.planet import MARS
from surrogate.units import GAS_CONSTANT

POINT = {
    "reference_viscosity": 1e21,
    "activation_energy": "300 kJ/mol",
    "activation_volume": 6e-6,
    "crustal_enrichment": 10,
    "initial_temperature": 1700.0,
}


# ---- the protocol ----


def test_native_runs_are_found_and_lazy(tmp_path: Path) -> None:
    path = write_runs(tmp_path, [3])[0]
    assert choose_reader(path).name == "native"
    run = open_run(path)
    assert not run.temperature.variable._in_memory
    np.testing.assert_array_equal(run.temperature.values, sample_run(3).temperature.values)


def test_errors_name_the_file_and_the_readers(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.nc"):
        open_run(tmp_path / "nothing.nc")
    text = tmp_path / "notes.txt"
    text.write_text("not a run")
    with pytest.raises(ReaderError, match=r"notes\.txt: no reader takes this file.*native"):
        open_run(text)
    with pytest.raises(ReaderError, match="'gaia' is not installed; expected one of"):
        open_run(text, "gaia")
    path = write_runs(tmp_path, [0])[0]
    with pytest.raises(ReaderError, match="no options"):
        open_run(path, "native", {"temperature": "T"})


class Constant:
    """A third party's reader."""

    name = "constant"

    def accepts(self, path: Path) -> Any:
        return path.suffix == ".constant"

    def open(self, path: Path, options: Any) -> Any:
        value = float(path.read_text())
        return lazy_run(
            lambda number: np.full((6, 4), value + number),
            np.linspace(0, 4.5, 10),
            Geometry.quarter(4, 4),
            parameters_of(sample_run(int(path.stem[-1]))),
        )


class Greedy(Constant):
    name = "greedy"


@pytest.fixture
def third_party(monkeypatch: pytest.MonkeyPatch) -> Any:
    class Entry:
        def __init__(self, reader: Any) -> None:
            self.reader = reader

        def load(self) -> Any:
            return self.reader

    known = {**readers._installed(), "constant": Entry(Constant)}
    monkeypatch.setattr(readers, "_installed", lambda: known)
    find_reader.cache_clear()
    yield known
    find_reader.cache_clear()
    known["entry"] = Entry


def test_a_third_party_adds_a_reader(tmp_path: Path, third_party: Any) -> None:
    paths = [tmp_path / f"run{number}.constant" for number in range(5)]
    for number, path in enumerate(paths):
        path.write_text(str(1000.0 + 100 * number))
    assert "constant" in reader_names()
    assert validate(open_run(paths[0])).encoding["reader"] == "constant"
    ingest(paths, tmp_path / "corpus.zarr", CorpusSettings(validation_fraction=0.2, test_fraction=0.2))
    corpus = open_corpus(tmp_path / "corpus.zarr")
    np.testing.assert_array_equal(corpus.temperature[:, 3, 0, 0].values, 1003.0 + 100 * np.arange(5))


def test_two_takers_are_not_guessed_between(tmp_path: Path, third_party: Any) -> None:
    path = tmp_path / "run1.constant"
    path.write_text("1000")
    third_party["greedy"] = type(third_party["constant"])(Greedy)
    with pytest.raises(ReaderError, match=r"\['constant', 'greedy'\] all take this file; name one"):
        open_run(path)
    assert open_run(path, "greedy").sizes["time"] == 10


@pytest.mark.parametrize(
    "key",
    [
        (2, 1, 3),
        (slice(1, 4), slice(None), slice(None)),
        (np.array([0, 4]), 5, slice(0, 3)),
        (-1, slice(None, None, 2), np.array([1, 3])),
        (slice(None, None, -1), slice(None), 0),
    ],
)
def test_lazy_selections_are_those_of_an_array(key: Any) -> Any:
    full = np.random.default_rng(0).normal(1000, 50, (5, 6, 4)).astype(np.float32)
    asked = []

    def load(number: int) -> Any:
        asked.append(number)
        return full[number]

    run = lazy_run(load, np.arange(5.0), Geometry.quarter(4, 4), parameters_of(sample_run(0)))
    expected = xr.DataArray(full, dims=("time", "radius", "angle")).isel(time=key[0], radius=key[1], angle=key[2])
    found = run.temperature.isel(time=key[0], radius=key[1], angle=key[2])
    assert not asked
    np.testing.assert_array_equal(found.values, expected.values)
    assert sorted(set(asked)) == sorted(np.atleast_1d(np.arange(5)[key[0]]).tolist())


# ---- gridded files ----

GRID = Geometry.quarter(6, 8)
TIME = np.linspace(0.1, 4.5, 12)
FIELD = np.random.default_rng(7).uniform(300, 2400, (12, *GRID.shape)).astype(np.float32)


def _check(run: Any, rtol: Any = 1e-6) -> None:
    validate(run)
    np.testing.assert_allclose(run.temperature.values, FIELD, rtol=rtol)
    np.testing.assert_allclose(run.time, TIME)
    assert geometry_of(run) == GRID
    assert parameters_of(run).activation_energy == 3e5


def _write(path: Path, arrays: Any, attributes: Any = None) -> None:
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".zarr":
        group = zarr.open_group(path, mode="w", attributes=attributes)
        for name, values in arrays.items():
            group.create_array(name, data=np.asarray(values))
    elif path.suffix == ".nc":
        with netcdf_file(path, "w") as file:
            for name, values in arrays.items():
                for axis, size in enumerate(np.shape(values)):
                    file.createDimension(f"{name}{axis}", size)
                kind = np.asarray(values).dtype.newbyteorder(">")
                shape = [f"{name}{axis}" for axis in range(np.ndim(values))]
                file.createVariable(name, kind, shape)[:] = values
    else:
        with h5py.File(path, "w") as file:
            for name, values in arrays.items():
                file[name] = values
            file.attrs.update(attributes or {})


@pytest.mark.parametrize("suffix", ["npz", "zarr", "nc", "h5"])
def test_every_container(tmp_path: Path, suffix: Any) -> None:
    path = tmp_path / f"run_00004.{suffix}"
    _write(path, {"temperature": FIELD, "time": TIME, "radius": GRID.vertical, "angle": GRID.lateral})
    run = open_run(path, options={"parameters": POINT})
    assert run.encoding["reader"] == "gridded"
    assert not run.temperature.variable._in_memory
    _check(run)
    run.close()


def test_flattened_array_with_ghosts_scales_and_reversed_axes(tmp_path: Path) -> None:
    """The form of the paper's files: time by radius times angle, dimensionless, two ghost columns."""
    stored = np.pad(FIELD[:, ::-1], ((0, 0), (0, 0), (1, 1)), constant_values=-9e9)
    path = tmp_path / "T_scaled.npy"
    np.save(path, ((stored - 250.0) / 2000.0).reshape(12, -1))
    options = {
        "temperature": {"scale": 2000.0, "offset": 250.0},
        "dimensions": ["time", "radius angle"],
        "shape": {"radius": 8, "angle": 10},
        "ghosts": {"angle": [1, 1]},
        "reverse": ["radius"],
        "time": {"values": (TIME * 1000).tolist(), "unit": "Myr"},
        "radius": {"range": [GRID.vertical_faces[0] / 1e3, GRID.vertical_faces[-1] / 1e3], "unit": "km"},
        "angle": {"range": [0, 90], "unit": "degree"},
        "parameters": POINT,
    }
    _check(open_run(path, options=options), rtol=1e-5)


def test_units_of_temperature_axes_in_another_order_and_parameters_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    arrays = {
        "state/T": np.moveaxis(FIELD - 273.15, 0, -1),
        "t": TIME * 3.15576e16,
        "r": GRID.vertical,
        "phi": np.degrees(GRID.lateral),
        "eta": 1e21,
        "q": np.linspace(0.07, 0.03, 12),
    }
    attributes = {"V": 6e-6, "crustal_enrichment": 10.0, "initial_temperature": 1700.0, "number": 17}
    _write(path, arrays, attributes)
    options = {
        "temperature": {"variable": "state/T", "unit": "degC"},
        "dimensions": ["radius", "angle", "time"],
        "time": {"variable": "t", "unit": "s"},
        "radius": {"variable": "r"},
        "angle": {"variable": "phi", "unit": "degree"},
        "series": {"surface_heat_flux": "q"},
        "parameters": {"reference_viscosity": "eta", "activation_volume": "V", "activation_energy": "300 kJ/mol"},
    }
    run = open_run(path, options=options)
    _check(run, rtol=1e-5)
    assert run.attrs["number"] == 17
    np.testing.assert_allclose(run.surface_heat_flux, arrays["q"])


def test_parameters_from_a_table(tmp_path: Path) -> None:
    _write(tmp_path / "run_b.npz", {"temperature": FIELD, "time": TIME, "radius": GRID.vertical, "angle": GRID.lateral})
    table = tmp_path / "table.csv"
    header = ",".join(["run", *EVOLUTION_PARAMETERS.names])
    table.write_text(f"{header}\nrun_a,1e20,1e5,5e-6,2,1600\nrun_b,1e21,3e5,6e-6,10,1700\n")
    _check(open_run(tmp_path / "run_b.npz", options={"parameters": str(table)}))
    table.write_text(f"{header}\nrun_a,1e20,1e5,5e-6,2,1600\n")
    with pytest.raises(ReaderError, match=r"table\.csv: 0 rows for run 'run_b.npz'"):
        open_run(tmp_path / "run_b.npz", options={"parameters": str(table)})


def test_centres_only_with_walls_from_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    core = np.linspace(2250, 2000, 12)
    axes = {"time": TIME, "radius": GRID.vertical[1:-1], "angle": GRID.lateral}
    _write(path, {"temperature": FIELD[:, 1:-1], "core": core, **axes})
    run = open_run(path, options={"parameters": POINT, "walls": {"core": "core", "surface": 250.0}})
    np.testing.assert_allclose(run.temperature[:, 1:-1], FIELD[:, 1:-1])
    np.testing.assert_allclose(run.temperature[:, 0], np.repeat(core[:, None], 8, axis=1))
    assert np.all(run.temperature[:, -1] == 250.0)
    assert geometry_of(run) == GRID
    run = open_run(path, options={"parameters": POINT, "walls": {"core": "extrapolate", "surface": 250.0}})
    np.testing.assert_allclose(run.temperature[3, 0], 1.5 * FIELD[3, 1] - 0.5 * FIELD[3, 2], rtol=1e-5)


def test_nodes_become_cells(tmp_path: Path) -> None:
    nodes = {"radius": GRID.vertical_faces, "angle": GRID.lateral_faces}
    values = np.random.default_rng(1).uniform(300, 2000, (12, 7, 9))
    values[:] = values.mean(axis=-1, keepdims=True) + np.linspace(-50, 50, 9)
    _write(tmp_path / "run.npz", {"temperature": values, "time": TIME, **nodes})
    run = open_run(tmp_path / "run.npz", options={"parameters": POINT, "nodes": ["radius", "angle"]})
    assert geometry_of(run) == GRID
    np.testing.assert_allclose(
        run.temperature[:, 0].mean("angle"), np.trapezoid(values[:, 0], dx=1 / 8, axis=-1), rtol=1e-6
    )
    np.testing.assert_allclose(run.temperature[:, 3, 0], 0.25 * values[:, 2:4, 0:2].sum((1, 2)), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no parameters; the reader's option 'parameters' gives"),
        ({"temperature": {"variable": "T"}}, r"no variable 'T'; found \['angle', 'radius', 'temperature', 'time'\]"),
        ({"temprature": "T"}, "temprature: Extra inputs"),
        ({"dimensions": ["time", "radius"]}, "must name each of"),
        ({"dimensions": ["time", "radius angle"]}, "shape must give"),
        (
            {"dimensions": ["time", "radius angle"], "shape": {"radius": 8, "angle": 8}},
            "has shape .12, 8, 8., expected",
        ),
        ({"time": {"variable": "time", "unit": "km"}}, "variable 'time': expected a value in Gyr, got unit 'km'"),
        ({"reverse": ["time"]}, "time must increase"),
        ({"time": {"values": [0.0, 1.0]}}, "time has 2 values, the temperature 12"),
        ({"walls": {"core": 2000.0}}, "both 'core' and 'surface'"),
        ({"series": {"heat": "time"}}, "series must be some of"),
        ({"nodes": ["radius"], "walls": {"core": 1.0, "surface": 1.0}}, "include the walls"),
    ],
)
def test_wrong_options_are_named(tmp_path: Path, options: Any, message: str) -> None:
    path = tmp_path / "run.npz"
    _write(path, {"temperature": FIELD, "time": TIME, "radius": GRID.vertical, "angle": GRID.lateral})
    given = {} if not options else {"parameters": POINT, **options}
    with pytest.raises(ReaderError, match=message) as caught:
        open_run(path, options=given)
    assert "run.npz" in str(caught.value)


def test_broken_containers_are_named(tmp_path: Path) -> None:
    for name in ("run.npz", "run.npy", "run.h5"):
        path = tmp_path / name
        path.write_bytes(b"\x89HDF broken")
        with pytest.raises(ReaderError, match=f"{name}: cannot be read as"):
            open_run(path, "gridded", {"parameters": POINT})


# ---- ASPECT ----

REFERENCE = (MARS.rheology_reference_temperature, MARS.rheology_reference_pressure)


def _array(values: Any, name: str, kind: Any, form: Any, components: Any = None) -> Any:
    values = np.ascontiguousarray(values, dtype=kind)
    extra = f' NumberOfComponents="{components}"' if components else ""
    label = {"f4": "Float32", "f8": "Float64"}[kind]
    if form == "ascii":
        content, style = " ".join(repr(float(value)) for value in values.ravel()), "ascii"
    elif form == "raw":
        content = base64.b64encode(np.uint32(values.nbytes).tobytes() + values.tobytes()).decode()
        style = "binary"
    else:
        blocks = [values.tobytes()[start : start + 1000] for start in range(0, values.nbytes, 1000)]
        packed = [zlib.compress(block) for block in blocks]
        sizes = [len(blocks), 1000, len(blocks[-1]) % 1000, *map(len, packed)]
        header = base64.b64encode(np.array(sizes, dtype=np.uint32).tobytes()).decode()
        content, style = header + base64.b64encode(b"".join(packed)).decode(), "binary"
    return f'<DataArray type="{label}" Name="{name}" format="{style}"{extra}>{content}</DataArray>'


def _write_vtu(path: Path, points: Any, temperature: Any, form: Any = "zlib") -> None:
    compressor = ' compressor="vtkZLibDataCompressor"' if form == "zlib" else ""
    half = len(points) // 2
    pieces = "".join(
        f'<Piece NumberOfPoints="{len(points[part])}" NumberOfCells="0">'
        f"<Points>{_array(points[part], 'Points', 'f8', form, 3)}</Points>"
        f"<PointData>{_array(temperature[part], 'T', 'f4', form)}</PointData></Piece>"
        for part in (slice(None, half), slice(half, None))
    )
    path.write_text(
        f'<?xml version="1.0"?><VTKFile type="UnstructuredGrid" version="0.1" byte_order="LittleEndian"{compressor}>'
        f"<UnstructuredGrid>{pieces}</UnstructuredGrid></VTKFile>"
    )


PRM = """
set Use years in output instead of seconds = true
subsection Geometry model
  subsection Spherical shell
    set Inner radius  = 1700e3
    set Outer radius  = 3400e3
    set Opening angle = 90   # degrees
  end
end
subsection Material model
  subsection Visco Plastic
    set Prefactors for diffusion creep          = 8.33594165e-15
    set Grain size exponents for diffusion creep = 0
    set Activation energies for diffusion creep = 200000
    set Activation volumes for diffusion creep  = 4e-06
  end
end
subsection Heating model
  subsection Radioactive decay
    set Initial concentrations mantle = 0.02, 0.04
    set Initial concentrations crust  = 0.14, 0.28
  end
end
"""


def _truth(radius: Any, angle: Any, time: Any) -> Any:
    z = (radius - 1700e3) / 1700e3
    return 2200 - 100 * time - 1500 * z**2 + 100 * np.sin(np.pi * z) * np.cos(4 * angle)


def _write_aspect(folder: Path, form: Any = "zlib", snapshots: Any = 11) -> Any:
    """A run whose mesh is refined after the first half."""
    (folder / "solution").mkdir(parents=True)
    entries = []
    for number in range(snapshots):
        size = (33, 65) if number < snapshots // 2 else (41, 81)
        radius, angle = (
            entry.ravel()
            for entry in np.meshgrid(np.linspace(1700e3, 3400e3, size[0]), np.linspace(0, np.pi / 2, size[1]))
        )
        points = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * radius], axis=1)
        time = 0.45 * number
        _write_vtu(folder / f"solution/solution-{number:05d}.0000.vtu", points, _truth(radius, angle, time), form)
        (folder / f"solution/solution-{number:05d}.pvtu").write_text(
            '<VTKFile type="PUnstructuredGrid" version="0.1"><PUnstructuredGrid>'
            f'<Piece Source="solution-{number:05d}.0000.vtu"/></PUnstructuredGrid></VTKFile>'
        )
        entries.append(f'<DataSet timestep="{time * 1e9}" part="0" file="solution/solution-{number:05d}.pvtu"/>')
    collection = f'<VTKFile type="Collection"><Collection>{"".join(entries)}</Collection></VTKFile>'
    (folder / "solution.pvd").write_text(collection)
    (folder / "parameters.prm").write_text(PRM)
    (folder / "statistics").write_text(
        "# 1: Time step number\n# 2: Time (years)\n# 3: Visualization file name\n# 4: Average temperature (K)\n"
        '# 5: Outward heat flux through boundary with indicator 0 ("bottom") (W)\n'
        '# 6: Outward heat flux through boundary with indicator 1 ("top") (W)\n'
        '0 0.0 solution/solution-00000 1700 -26703.5 160221\n1 9e9 "" 1500 0 0\n'
    )
    return folder


@pytest.mark.parametrize("form", ["zlib", "raw", "ascii"])
def test_aspect_run(tmp_path: Path, form: Any) -> None:
    folder = _write_aspect(tmp_path / "m07", form, snapshots=4)
    assert choose_reader(folder).name == "aspect"
    run = validate(open_run(folder))
    assert run.temperature.shape == (4, 34, 64)
    np.testing.assert_allclose(run.time, [0, 0.45, 0.9, 1.35])
    geometry = geometry_of(run)
    expected = _truth(geometry.vertical[:, None], geometry.lateral[None], run.time.values[:, None, None])
    assert np.abs(run.temperature.values - expected).max() < 1.5
    np.testing.assert_allclose(run.temperature[:, 0], expected[:, 0], atol=1e-3)
    np.testing.assert_allclose(run.temperature[:, -1], expected[:, -1], atol=1e-3)
    found = parameters_of(run)
    # The run was made to have 5e20 Pa s at 1600 K and 3 GPa, wherever the planet's reference lies.
    energy = {point: (2e5 + 4e-6 * point[1]) / (GAS_CONSTANT * point[0]) for point in ((1600.0, 3e9), REFERENCE)}
    there = found.reference_viscosity * np.exp(energy[1600.0, 3e9] - energy[REFERENCE])
    assert abs(there / 5e20 - 1) < 2e-3
    assert (found.activation_energy, found.activation_volume) == (2e5, 4e-6)
    assert found.crustal_enrichment == pytest.approx(7.0)
    np.testing.assert_allclose(run.mean_temperature, 1700 - 200 * run.time / 9)
    np.testing.assert_allclose(run.surface_heat_flux[0], 160221 / (3400e3 * np.pi / 2), rtol=1e-6)
    np.testing.assert_allclose(run.core_mantle_boundary_heat_flux[0], 26703.5 / (1700e3 * np.pi / 2), rtol=1e-6)


def test_aspect_options_and_errors(tmp_path: Path) -> None:
    folder = _write_aspect(tmp_path / "m07", snapshots=3)
    options = {"radial_cells": 10, "angular_cells": 12, "parameters": {"initial_temperature": "1650 K"}}
    run = open_run(folder / "solution.pvd", options=options)
    assert run.temperature.shape == (3, 12, 12)
    assert parameters_of(run).initial_temperature == 1650.0
    with pytest.raises(ReaderError, match=r"00000\.0000\.vtu: no point array 'temperature'; found \['T'\]"):
        open_run(folder, options={"temperature": "temperature"})
    with pytest.raises(ReaderError, match="options of reader 'aspect'"):
        open_run(folder, options={"cells": 4})
    (folder / "parameters.prm").unlink()
    assert list(parameters_of(open_run(folder))) == ["initial_temperature"]
    vtu = folder / "solution/solution-00002.0000.vtu"
    vtu.write_text(vtu.read_text()[:5000])
    run = open_run(folder, options={"parameters": POINT})
    with pytest.raises(ReaderError, match=r"00002\.0000\.vtu: not the XML of a whole VTK file"):
        run.temperature[2].values  # noqa: B018
    vtu.unlink()
    (folder / "solution/solution-00002.pvtu").unlink()
    with pytest.raises(ReaderError, match=r"00002\.pvtu: no such file"):
        open_run(folder, options={"parameters": POINT})


def test_aspect_and_native_runs_in_one_corpus(tmp_path: Path) -> None:
    """Runs of two solvers of one geometry, brought onto one grid."""
    folders = [_write_aspect(tmp_path / f"m{number:02d}") for number in range(20, 22)]
    for number, folder in enumerate(folders):
        text = (folder / "parameters.prm").read_text().replace("200000", f"{200000 + 1000 * number}")
        (folder / "parameters.prm").write_text(text)
    (folders[1] / "solution/solution-00010.0000.vtu").write_text(
        (folders[1] / "solution/solution-00009.0000.vtu").read_text()
    )
    geometry = Geometry(np.linspace(1700e3, 3400e3, 21), np.linspace(0, np.pi / 2, 17))
    native = write_runs(tmp_path, range(6), geometry=geometry)
    settings = CorpusSettings(validation_fraction=0.2, test_fraction=0.2, radial_cells=20, angular_cells=16)
    summary = ingest([*native, *folders], tmp_path / "corpus.zarr", settings)
    assert (summary.runs, summary.rejected) == (8, 0)
    corpus = open_corpus(tmp_path / "corpus.zarr")
    assert corpus.simulation.values.tolist() == [0, 1, 2, 3, 4, 5, 20, 21]
    expected = _truth(geometry.vertical[:, None], geometry.lateral[None], 4.5)
    assert np.abs(corpus.temperature[6, 10].values - expected).max() < 6.0


def test_a_corpus_is_not_a_run(tmp_path: Path) -> None:
    from surrogate.fields import stack_runs, write_netcdf

    write_netcdf(stack_runs([sample_run(0), sample_run(1)]), tmp_path / "stack.nc")
    with pytest.raises(FieldError, match="expected one run"):
        open_run(tmp_path / "stack.nc")
