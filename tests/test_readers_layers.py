"""Files of The Well and of Dedalus, written here in their layout: a layer between two walls, without a planet."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from surrogate.config import CorpusSettings
from surrogate.corpus import ReaderError, examine, ingest, inspect_file, inspection_text, open_corpus
from surrogate.corpus.readers import choose_reader, expand_runs, notes_of, open_run
from surrogate.fields import geometry_of, parameter_table, parameters_of, space_of, units_of

SMALL = CorpusSettings(validation_fraction=0.2, test_fraction=0.2, tolerated_rejects=0.5)
COLUMNS, ROWS, TIMES = 16, 9, 12


Change = Callable[[h5py.File], None] | None


def convection(x: Any, z: Any, times: Any, phase: float) -> np.ndarray:
    """A roll that drifts between a hot lower and a cold upper wall, shape (time, x, z)."""
    t, x, z = times[:, None, None], x[None, :, None], z[None, None, :]
    roll = 0.2 * np.sin(np.pi * z) * np.cos(2 * np.pi * x / 4 + phase + 0.05 * t)
    return np.asarray(1 - z + roll * np.minimum(t / 10 + 0.1, 1))


def the_well(path: Path, runs: int = 3, rayleigh: float = 1e6, change: Change = None) -> Any:
    """A file as The Well has them: several runs, x periodic, y between walls."""
    x, y, times = 0.25 * np.arange(COLUMNS), np.linspace(0, 1, ROWS), 2.5 * np.arange(TIMES)
    fields = np.stack([convection(x, y, times, 0.7 * run + np.log10(rayleigh)) for run in range(runs)])
    with h5py.File(path, "w") as file:
        file.attrs.update(dataset_name="rayleigh_benard", grid_type="cartesian", n_spatial_dims=2, n_trajectories=runs)
        file.attrs["simulation_parameters"] = ["Rayleigh", "Prandtl"]
        file.attrs.update(Rayleigh=rayleigh, Prandtl=1.0)
        for name, values in (("time", times), ("x", x), ("y", y)):
            entry = file.create_dataset(f"dimensions/{name}", data=values.astype(np.float32))
            entry.attrs.update(sample_varying=False, time_varying=name == "time")
        file["dimensions"].attrs["spatial_dims"] = ["x", "y"]
        for axis, kind, size in (("x", "PERIODIC", COLUMNS), ("y", "WALL", ROWS)):
            group = file.create_group(f"boundary_conditions/{axis}_{kind.lower()}")
            group.attrs.update(associated_dims=[axis], associated_fields=[], bc_type=kind, sample_varying=False)
            group["mask"] = np.isin(np.arange(size), [0, size - 1])
        scalars = file.create_group("scalars")
        for name, value, varying in (
            ("Rayleigh", rayleigh, (False, False)),
            ("Prandtl", 1.0, (False, False)),
            ("perturbation", 0.2 * (1 + np.arange(runs)), (True, False)),
            ("energy", times, (False, True)),
        ):
            scalars[name] = np.asarray(value, dtype=np.float32)
            scalars[name].attrs.update(sample_varying=varying[0], time_varying=varying[1])
        scalars.attrs["field_names"] = ["Rayleigh", "Prandtl", "perturbation", "energy"]
        for place, values in (
            ("t0_fields/buoyancy", fields),
            ("t0_fields/pressure", fields),
            ("t1_fields/velocity", np.stack([fields, fields], axis=-1)),
        ):
            entry = file.create_dataset(place, data=values.astype(np.float32))
            entry.attrs.update(sample_varying=True, time_varying=True, dim_varying=[True, True])
        if change is not None:
            change(file)
    return fields


def test_a_file_of_the_well_holds_several_runs_of_a_box(tmp_path: Path) -> None:
    fields = the_well(tmp_path / "rb_a.hdf5", rayleigh=4e6)
    assert choose_reader(tmp_path / "rb_a.hdf5").name == "the_well"
    assert expand_runs([tmp_path / "rb_a.hdf5"]) == [f"{tmp_path}/rb_a.hdf5#{number}" for number in range(3)]
    with open_run(tmp_path / "rb_a.hdf5#1") as run:
        assert units_of(run).name == "dimensionless"
        geometry = geometry_of(run)
        assert (geometry.kind, geometry.periodic, geometry.shape) == ("box", True, (ROWS, COLUMNS))
        assert geometry.width == pytest.approx(4.0)
        stored, height = fields[1], np.linspace(0, 1, ROWS)
        for row, place in enumerate(geometry.vertical):  # the first and the last row are the walls
            exact = [[np.interp(place, height, column) for column in snapshot] for snapshot in stored]
            np.testing.assert_allclose(run.temperature.values[:, row], exact, atol=1e-6)
        # Times of free fall become times of diffusion: divided by the root of Rayleigh times Prandtl number.
        np.testing.assert_allclose(run.time.values, 2.5 * np.arange(TIMES) / 2000.0, rtol=1e-6)
        assert dict(parameters_of(run)) == pytest.approx({"Rayleigh": 4e6, "Prandtl": 1.0, "perturbation": 0.4})
        left = notes_of(run).left_out
        assert "variable 't1_fields/velocity'" in left
        assert "variable 'scalars/energy', which varies in time" in left
    text = inspection_text(inspect_file(tmp_path / "rb_a.hdf5"))
    assert "3 runs, " in text
    assert "box, 0 .. 1 by 4, periodic" in text


def test_rows_of_the_well_on_chebyshev_points_are_not_the_walls(tmp_path: Path) -> None:
    z = 0.5 - 0.5 * np.cos(np.pi * (np.arange(ROWS) + 0.5) / ROWS)
    the_well(tmp_path / "rb.hdf5", runs=1, change=lambda file: file["dimensions/y"].write_direct(z.astype(np.float32)))
    with open_run(tmp_path / "rb.hdf5") as run:
        assert geometry_of(run).shape == (ROWS + 2, COLUMNS)
        np.testing.assert_allclose(geometry_of(run).vertical_faces[[0, -1]], [0, 1], atol=1e-6)
        assert any("walls are extrapolated" in line for line in notes_of(run).warnings)
    with open_run(tmp_path / "rb.hdf5", options={"walls": {"lower": 1.0, "upper": 0.0}}) as run:
        assert np.all(run.temperature[:, 0] == 1.0)


def test_files_of_the_well_become_one_corpus(tmp_path: Path) -> None:
    for number in range(3):
        the_well(tmp_path / f"rb_{'abc'[number]}.hdf5", rayleigh=10.0 ** (5 + number))
    files = sorted(tmp_path.glob("*.hdf5"))
    summary = ingest(files, tmp_path / "corpus.zarr", SMALL)
    assert (summary.runs, summary.rejected) == (9, 0)
    corpus = open_corpus(tmp_path / "corpus.zarr")
    assert space_of(corpus).names == ("Rayleigh", "perturbation")
    assert space_of(corpus)["Rayleigh"].logarithmic
    assert sorted(set(parameter_table(corpus)[:, 0])) == [1e5, 1e6, 1e7]
    assert any("Prandtl = 1" in note for note in summary.notes)
    assert corpus.temperature.dims == ("simulation", "time", "height", "x")
    assert ingest(files, tmp_path / "corpus.zarr", SMALL).added == 0
    assert not [entry for entry in examine(files, SMALL).findings if entry.severity == "severe"]


def _without(name: str) -> Callable[[h5py.File], None]:
    return lambda file: file.__delitem__(name)


def _stated(place: str, **attributes: Any) -> Callable[[h5py.File], None]:
    return lambda file: file[place].attrs.update(attributes)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (_stated("/", grid_type="spherical"), {}, "a spherical grid of the dimensions .'x', 'y'."),
        (_without("dimensions/x"), {}, "no variable 'dimensions/x'"),
        (_without("boundary_conditions"), {}, "which dimension is vertical.*option vertical"),
        (_without("boundary_conditions"), {"vertical": "y"}, "whether x is periodic is not stated; option periodic"),
        (_stated("boundary_conditions/y_wall", bc_type="OPEN"), {"vertical": "y"}, "y is open, expected two walls"),
        (_stated("t0_fields/buoyancy", dim_varying=[True, False]), {}, "buoyancy': expected a field that varies"),
        (_stated("dimensions/y", time_varying=True), {}, "moves with time"),
        (_stated("t0_fields/buoyancy", units="K"), {}, "variable 'buoyancy': expected a value in .*'K'"),
        (None, {"temperature": "salt"}, "which of the fields .'buoyancy', 'pressure'. is the temperature.* salt"),
        (None, {"temprature": "T"}, "options of reader 'the_well': temprature"),
    ],
)
def test_what_the_well_does_not_tell_is_named(tmp_path: Path, change: Any, options: Any, message: str) -> None:
    the_well(tmp_path / "rb.hdf5", runs=1, change=change)
    with pytest.raises(ReaderError, match=message) as caught:
        open_run(tmp_path / "rb.hdf5", "the_well", options).load()
    assert "rb.hdf5" in str(caught.value)


def test_a_run_of_several_is_named(tmp_path: Path) -> None:
    the_well(tmp_path / "rb.hdf5")
    for name in ("rb.hdf5", "rb.hdf5#3"):
        with pytest.raises(ReaderError, match=r"holds 3 runs; name one of them, rb\.hdf5#0 \.\. #2"):
            open_run(tmp_path / name)
    np.savez(tmp_path / "run.npz", temperature=1.0)
    with pytest.raises(ReaderError, match="reader 'gridded' knows no files of several runs"):
        open_run(tmp_path / "run.npz#1")


def dedalus(folder: Path, sets: Any = (5, 4, 3), version: int = 3, change: Change = None) -> Any:
    """Files of one handler of Dedalus: x of Fourier, z of Chebyshev polynomials; tasks b and u."""
    folder.mkdir(parents=True)
    x = 0.25 * np.arange(COLUMNS)
    z = 0.5 - 0.5 * np.cos(np.pi * (np.arange(ROWS) + 0.5) / ROWS)
    times = 2.5 * np.arange(sum(sets))
    field = convection(x, z, times, 0.3)
    start = 0
    for number, count in enumerate(sets, start=1):
        part = slice(start, start + count)
        start += count
        with h5py.File(folder / f"{folder.name}_s{number}.h5", "w") as file:
            file.attrs.update(set_number=number, handler_name=folder.name, writes=count)
            scales = file.create_group("scales")
            for name, values in (("sim_time", times[part]), ("iteration", np.arange(count)), ("constant", np.zeros(1))):
                scales[name] = values
                scales[name].make_scale(name)
            grids = {}
            for axis, values in (("x", x), ("z", z)):
                place = f"{axis}_hash_{'ab' * 20}" if version == 3 else f"{axis}/1.0"
                grids[axis] = scales.create_dataset(place, data=values)
                grids[axis].make_scale(place)
            for name, values, first in (("b", field[part], 1), ("u", np.stack([field[part]] * 2, axis=1), 2)):
                task = file.create_dataset(f"tasks/{name}", data=values)
                task.attrs.update(grid_space=[True, True], task_number=0)
                task.dims[0].label = "t"
                for scale in ("sim_time", "iteration"):
                    task.dims[0].attach_scale(scales[scale])
                for dimension, axis in enumerate(("x", "z"), start=first):
                    task.dims[dimension].label = axis
                    task.dims[dimension].attach_scale(grids[axis])
            if change is not None:
                change(file)
    return field, times, z


OPTIONS = {"parameters": {"rayleigh": 1e6, "prandtl": 4}, "time": "free_fall", "walls": {"lower": 1.0, "upper": 0.0}}


@pytest.mark.parametrize("version", [2, 3])
def test_the_sets_of_dedalus_are_one_run(tmp_path: Path, version: int) -> None:
    field, times, z = dedalus(tmp_path / "snapshots", version=version)
    assert choose_reader(tmp_path / "snapshots").name == "dedalus"
    with open_run(tmp_path / "snapshots", options=OPTIONS) as run:
        geometry = geometry_of(run)
        assert (geometry.kind, geometry.periodic, geometry.shape) == ("box", True, (ROWS + 2, COLUMNS))
        np.testing.assert_allclose(geometry.vertical_faces[[0, -1]], [0, 1], atol=1e-8)
        np.testing.assert_allclose(run.time, times / 2000.0)
        values = run.temperature.values
        assert np.all(values[:, 0] == 1.0)
        assert np.all(values[:, -1] == 0.0)
        for row, height in enumerate(geometry.vertical):
            exact = [np.interp(height, np.r_[0, z, 1], np.r_[1, column, 0]) for column in field[7]]
            np.testing.assert_allclose(values[7, row], exact, atol=1e-6)
        notes = notes_of(run)
        assert notes.left_out == ("variable 'u'",)
        assert any("x is equally spaced: taken as periodic" in line for line in notes.warnings)
        assert dict(parameters_of(run)) == {"rayleigh": 1e6, "prandtl": 4}
    with open_run(tmp_path / "snapshots", options={"parameters": {"rayleigh": 1e6}}) as run:
        np.testing.assert_allclose(run.time, times)
        assert any("times are taken as times of diffusion" in line for line in notes_of(run).warnings)
        assert abs(float(run.temperature[5, 0].mean()) - 1.0) < 1e-3  # extrapolated


def test_runs_of_dedalus_are_told_apart_by_the_folder_above(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("run,rayleigh,prandtl,depth [km]\nrun_1,1e5,1,3\nrun_2,1e6,1,3\n")
    for number in (1, 2):
        dedalus(tmp_path / f"run_{number}/snapshots", sets=(10,))
    folders = sorted(tmp_path.glob("run_*/snapshots"))
    options = {**OPTIONS, "parameters": str(table)}
    found = [parameters_of(open_run(folder, options=options)) for folder in folders]
    assert [point["rayleigh"] for point in found] == [1e5, 1e6]
    assert found[0].space["depth"].unit == "km"
    assert len({open_run(folder, options=options).attrs["simulation"] for folder in folders}) == 2


def _task(**attributes: Any) -> Callable[[h5py.File], None]:
    return _stated("tasks/b", **attributes)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (_task(grid_space=[False, True]), {}, "'tasks/b' holds coefficients, expected values on the grid"),
        (_task(global_shape=[1, 32, ROWS]), {}, "is what one process wrote.*merge_procs"),
        (None, {"temperature": "u"}, "'tasks/u' has shape .*expected a scalar in two dimensions"),
        (None, {"temperature": "T"}, "which of the fields .'b', 'u'."),
        (None, {"vertical": "x"}, "scales/z.* is not equally spaced; option vertical"),
        (None, {"vertical": "y"}, "has the dimensions .'x', 'z'.; option vertical"),
        (None, {"parameters": {"rayleigh": 1e6}}, "times of free fall need one parameter called prandtl"),
        (None, {"walls": {"core": 1.0, "surface": 0.0}}, "walls must give both 'lower' and 'upper'"),
        (lambda file: file["scales/sim_time"].write_direct(np.zeros(5)), {}, "time must increase"),
    ],
)
def test_what_does_not_fit_in_dedalus_is_named(tmp_path: Path, change: Any, options: Any, message: str) -> None:
    dedalus(tmp_path / "snapshots", sets=(5,), change=change)
    with pytest.raises(ReaderError, match=message) as caught:
        open_run(tmp_path / "snapshots", options={**OPTIONS, **options})
    assert "snapshots" in str(caught.value)


def test_sets_of_two_handlers_and_lost_sets_are_named(tmp_path: Path) -> None:
    dedalus(tmp_path / "snapshots")
    (tmp_path / "snapshots/snapshots_s2.h5").rename(tmp_path / "snapshots/other_s2.h5")
    with pytest.raises(ReaderError, match=r"files of several handlers, \['other', 'snapshots'\]"):
        open_run(tmp_path / "snapshots", "dedalus", OPTIONS)
    dedalus(tmp_path / "more")
    (tmp_path / "more/more_s2.h5").unlink()
    with pytest.raises(ReaderError, match=r"set 2 of more is not there"):
        open_run(tmp_path / "more", "dedalus", OPTIONS)
