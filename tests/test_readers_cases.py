"""Files from the field: each test makes the kind of file that somebody met, and says what is right."""

import fcntl
import os
import re
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr
from test_corpus_readers import FIELD, GRID, POINT, PRM, TIME, _truth, _write_aspect, _write_vtu
from test_corpus_readers import _write as write_arrays

from surrogate.corpus.readers import ReaderError, notes_of, open_run, run_number
from surrogate.corpus.readers.plausibility import implausible_axes, implausible_temperature
from surrogate.corpus.readers.tables import read_table_row
from surrogate.fields import geometry_of, parameters_of
from surrogate.parameters import EVOLUTION_PARAMETERS

AXES = {"time": TIME, "radius": GRID.vertical, "angle": GRID.lateral}
ARRAYS = {"temperature": FIELD, **AXES}
DIMENSIONS = {"temperature": ("time", "radius", "angle"), "time": ("time",), "radius": ("radius",), "angle": ("angle",)}
BARE = {"unit": "dimensionless"}
SCALES = {"length": "1 km", "temperature": "2000 K", "temperature_offset": "250 K", "diffusivity": "1e-6 m^2/s"}


def write_netcdf(path: Path, arrays: Any = ARRAYS, units: Any = (), form: Any = "NETCDF4", **about: Any) -> Any:
    """A NetCDF file of any format; `units` and `about` are attributes of variables."""
    with netCDF4.Dataset(path, "w", format=form) as file:
        for name, size in zip(("time", "radius", "angle"), arrays["temperature"].shape, strict=True):
            file.createDimension(name, size)
        for name, values in arrays.items():
            values = np.asarray(values)
            variable = file.createVariable(name, values.dtype.str[1:], DIMENSIONS.get(name, ()))
            variable.set_auto_maskandscale(False)
            variable.setncatts({**about.get(name, {}), **({"units": dict(units)[name]} if name in dict(units) else {})})
            variable[...] = values
    return path


def read(path: Path, **options: Any) -> Any:
    """Open a run and read all of it."""
    with open_run(path, options={"parameters": POINT, **options}) as run:
        return run.load()


def check(run: Any, rtol: Any = 1e-6) -> None:
    np.testing.assert_allclose(run.temperature.values, FIELD, rtol=rtol)
    np.testing.assert_allclose(run.time, TIME, rtol=1e-6)
    assert geometry_of(run).shape == GRID.shape
    np.testing.assert_allclose(geometry_of(run).vertical_faces, GRID.vertical_faces, rtol=1e-6)
    np.testing.assert_allclose(geometry_of(run).lateral_faces, GRID.lateral_faces, rtol=1e-6, atol=1e-9)


# ---- units that a file states ----


@pytest.mark.parametrize(
    ("name", "units", "factor", "offset"),
    [
        ("time", "Myr", 1e3, 0),
        ("time", "years since 0001-01-01", 1e9, 0),
        ("time", "s", 3.15576e16, 0),
        ("time", "days since 2000-01-01", 365.25e9, 0),
        ("radius", "km", 1e-3, 0),
        ("angle", "degrees", 180 / np.pi, 0),
        ("angle", "degrees_east", 180 / np.pi, 0),
        ("temperature", "degC", 1, -273.15),
        ("temperature", "celsius", 1, -273.15),
    ],
)
def test_units_of_a_file_are_converted(tmp_path: Path, name: str, units: Any, factor: Any, offset: Any) -> None:
    arrays = {**ARRAYS, name: np.asarray(ARRAYS[name], dtype=float) * factor + offset}
    check(read(write_netcdf(tmp_path / "run.nc", arrays, {name: units})))
    other = {"time": "kyr", "radius": "mm", "angle": "arcmin", "temperature": "1e3 K"}[name]
    with pytest.raises(ReaderError, match=rf"run\.nc: variable '{name}': its unit is '.*', but .* states '{other}'"):
        read(tmp_path / "run.nc", **{name: {"variable": name, "unit": other}})


def test_a_unit_of_another_kind_is_refused_by_name(tmp_path: Path) -> None:
    for name, unit in (("time", "Gyr"), ("radius", "m"), ("temperature", "K")):
        with pytest.raises(
            ReaderError, match=rf"run\.nc: variable '{name}': expected a value in {unit}, got unit 'Pa'"
        ):
            read(write_netcdf(tmp_path / "run.nc", units={name: "Pa"}))


def test_depths_are_no_radii(tmp_path: Path) -> None:
    path = write_netcdf(tmp_path / "run.nc", radius={"positive": "down"})
    with pytest.raises(ReaderError, match="variable 'radius' counts downwards"):
        read(path)


def test_scale_and_offset_of_a_mapping_do_not_come_on_top_of_a_unit(tmp_path: Path) -> None:
    path = write_netcdf(tmp_path / "run.nc", {**ARRAYS, "temperature": FIELD - 273.15}, {"temperature": "degC"})
    with pytest.raises(ReaderError, match="variable 'temperature': expected a value in dimensionless, got unit 'degC'"):
        read(path, temperature={"offset": 273.15})


def test_parameters_in_a_file_carry_their_units(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    point = {"reference_viscosity": 1e21, "activation_volume": 6.0, "crustal_enrichment": 10.0}
    write_arrays(
        path, {**ARRAYS, **point, "activation_energy": 300.0, "initial_temperature": 1426.85}, {"mantle": "1e21 Pa s"}
    )
    with h5py.File(path, "r+") as file:
        file["activation_energy"].attrs["units"] = "kJ mol-1"
        file["initial_temperature"].attrs["units"] = "degC"
        file["activation_volume"].attrs["units"] = "cm3/mol"
    with open_run(path) as run:
        found = parameters_of(run)
        np.testing.assert_allclose(EVOLUTION_PARAMETERS.select(found), [1e21, 3e5, 6e-6, 10, 1700])
        assert (found["mantle"], found.space["mantle"].unit) == (1e21, "Pa s")
    with open_run(path, options={"parameters": {"reference_viscosity": "mantle"}}) as run:
        assert parameters_of(run).reference_viscosity == 1e21
        assert "mantle" not in parameters_of(run)
    with h5py.File(path, "r+") as file:
        file["activation_energy"].attrs["units"] = "km"
    with pytest.raises(
        ReaderError, match=r"run\.h5: variable 'activation_energy': expected a value in J/mol, got .*'km'"
    ):
        open_run(path)


def test_a_native_run_whose_units_were_changed_is_converted_too(tmp_path: Path) -> None:
    from corpus_samples import sample_run

    from surrogate.fields import write_netcdf as write_run

    run = sample_run(3)
    for name, units, factor in (("time", "Myr", 1e3), ("activation_energy", "kJ/mol", 1e-3), ("radius", "km", 1e-3)):
        run[name] = run[name].copy(data=run[name].values * factor).assign_attrs(units=units)
    run["radius_bounds"] = run.radius_bounds * 1e-3
    write_run(run, tmp_path / "run_3.nc")
    with open_run(tmp_path / "run_3.nc") as found:
        assert found.encoding["reader"] == "native"
        xr.testing.assert_allclose(found.load(), sample_run(3))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([f"{time} Gyr" for time in TIME]), "holds text"),
        (np.arange("2000-01-01", "2000-01-13", dtype="M8[D]"), "dates"),
        (TIME.astype(complex), "complex128"),
        (TIME > 1, "bool"),
    ],
)
def test_times_that_are_no_numbers_are_named(tmp_path: Path, values: Any, message: str) -> None:
    write_arrays(tmp_path / "run.npz", {**ARRAYS, "time": values})
    with pytest.raises(ReaderError, match=rf"run\.npz: variable 'time'.*{message}"):
        read(tmp_path / "run.npz")


def test_text_with_units_is_read_wherever_a_value_may_stand_in_a_mapping(tmp_path: Path) -> None:
    write_arrays(tmp_path / "run.npz", {"temperature": FIELD[:, 1:-1]})
    inner, outer = GRID.vertical_faces[[0, -1]] / 1e3
    run = read(
        tmp_path / "run.npz",
        time={"values": [f"{time * 1e3} Myr" for time in TIME]},
        radius={"range": [f"{inner} km", f"{outer} km"]},
        angle={"range": ["0 degrees", "90 degrees"]},
        walls={"core": "1726.85 degC", "surface": "2.5e2 K"},
        parameters={**POINT, "reference_viscosity": "10^21 Pa s", "activation_volume": "6 cm3 mol-1"},
    )
    np.testing.assert_allclose(run.time, TIME)
    assert geometry_of(run) == GRID
    assert run.temperature[:, [0, -1]].mean(("time", "angle")).values.tolist() == [2000.0, 250.0]
    assert parameters_of(run)["activation_volume"] == pytest.approx(6e-6)


def test_dimensions_that_a_file_names_win_over_the_usual_order(tmp_path: Path) -> None:
    square = FIELD[:8, :, :8][:, :8]
    arrays = {"temperature": square, "time": TIME[:8], "radius": GRID.vertical, "angle": GRID.lateral}
    data = xr.Dataset(
        {"temperature": (("angle", "time", "radius"), np.moveaxis(square, 2, 0))},
        {name: arrays[name] for name in ("time", "radius", "angle")},
    )
    data.to_netcdf(tmp_path / "run.nc")
    np.testing.assert_allclose(read(tmp_path / "run.nc").temperature, square, rtol=1e-6)
    with pytest.raises(ReaderError, match=r"has the dimensions \['angle', 'time', 'radius'\], but the configuration"):
        read(tmp_path / "run.nc", dimensions=["time", "radius", "angle"])


# ---- masks ----


@pytest.mark.parametrize("form", ["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT_DATA", "zarr2", "zarr3"])
@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("i2", {"missing_value": -20000}),
        ("i2", {"_FillValue": -32768}),
        ("i2", {"missing_value": -20000, "_FillValue": -32768}),
        ("i1", {"_FillValue": -128, "_Unsigned": "true"}),
        ("i1", {"_Unsigned": "true"}),
        ("i4", {"_FillValue": -(2**31)}),
        ("f4", {"missing_value": -9999.0}),
        ("f4", {"_FillValue": -9999.0}),
    ],
)
def test_packed_and_masked_values_are_those_of_xarray(tmp_path: Path, form: Any, kind: Any, about: Any) -> None:
    packing = (
        {}
        if kind == "f4"
        else {"scale_factor": 10.0 if kind == "i1" else 0.05, "add_offset": 300.0 if kind == "i1" else 1200.0}
    )
    low, high = (-100, 100) if kind == "i1" else (-15000, 15000)
    stored = np.random.default_rng(0).integers(low, high, FIELD.shape)
    stored = (stored * 0.05 + 1200 if kind == "f4" else stored).astype(kind)
    fills = [value for name, value in about.items() if name != "_Unsigned"]
    for place, fill in enumerate(fills):
        stored[place, 2, 3] = fill
    attributes = {
        **packing,
        **{name: value if name == "_Unsigned" else np.dtype(kind).type(value) for name, value in about.items()},
    }
    if form.startswith("zarr"):
        raw = xr.Dataset({"temperature": (DIMENSIONS["temperature"], stored, attributes)}, AXES)
        raw = xr.decode_cf(raw)  # so that xarray writes it packed again, with the fill value where the format keeps it
        if "missing_value" in about and "_FillValue" in about:
            pytest.skip("xarray does not write two fill values")
        path = tmp_path / "run.zarr"
        raw.to_zarr(path, zarr_format=int(form[-1]))
        truth = xr.open_zarr(path).temperature.values
    else:
        path = write_netcdf(tmp_path / "run.nc", {**ARRAYS, "temperature": stored}, form=form, temperature=attributes)
        truth = xr.open_dataset(path, engine="netcdf4").temperature.values
    assert np.isnan(truth).sum() == len(fills)
    np.testing.assert_array_equal(np.isnan(read(path).temperature.values), np.isnan(truth))
    np.testing.assert_allclose(read(path).temperature.values, truth, rtol=1e-6)


def test_what_netcdf_fills_in_is_no_temperature(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    write_netcdf(
        path,
        {**ARRAYS, "temperature": np.full(FIELD.shape, 100, "i2")},
        form="NETCDF3_CLASSIC",
        temperature={"scale_factor": 0.05, "add_offset": 1900.0},
    )
    with netCDF4.Dataset(path, "r+") as file:
        file["temperature"].set_auto_maskandscale(False)
        file["temperature"][5] = netCDF4.default_fillvals["i2"]  # 262 K
    assert np.isnan(read(path).temperature[5]).all()


# ---- data that were never there ----


def bare_options(name: str = "T") -> Any:
    return {"temperature": {"variable": name, **BARE}, "walls": {"core": 2000.0, "surface": "250 K"}, "scales": SCALES}


INNER = {**AXES, "radius": GRID.vertical[1:-1]}
CELLS = ((FIELD[:, 1:-1] - 250) / 2000).astype(np.float32)


@pytest.mark.parametrize("form", [2, 3, "sharded"])
def test_a_lost_chunk_of_zarr_is_an_error(tmp_path: Path, form: Any) -> None:
    group = zarr.open_group(tmp_path / "run.zarr", mode="w", zarr_format=2 if form == 2 else 3)
    chunks = (1, *CELLS.shape[1:])
    shards: Any = {"shards": (4, *CELLS.shape[1:])} if form == "sharded" else {}
    array = group.create_array("T", shape=CELLS.shape, chunks=chunks, dtype="f4", fill_value=0, **shards)
    array[:] = CELLS
    for name, values in INNER.items():
        group.create_array(name, data=values)
    run = read(tmp_path / "run.zarr", **bare_options())
    np.testing.assert_allclose(run.temperature[:, 1:-1], FIELD[:, 1:-1], rtol=1e-6)
    if form == "sharded":
        array[5] = 0  # zarr leaves out a chunk that is all fill value
    else:
        os.unlink(tmp_path / "run.zarr/T" / ("5.0.0" if form == 2 else "c/5/0/0"))
    with pytest.raises(ReaderError, match=r"run\.zarr: variable 'T': chunk \(5, 0, 0\) is not "):
        read(tmp_path / "run.zarr", **bare_options())


def test_a_first_time_of_zero_that_zarr_leaves_out_is_no_lost_chunk(tmp_path: Path) -> None:
    data = xr.Dataset({"temperature": (DIMENSIONS["temperature"], FIELD)}, AXES)
    data.isel(time=[0]).to_zarr(tmp_path / "run.zarr")
    for step in range(1, TIME.size):
        data.isel(time=[step]).to_zarr(tmp_path / "run.zarr", append_dim="time")
    check(read(tmp_path / "run.zarr"))


def hdf5(path: Path, temperature: Any) -> Any:
    """A file of HDF5 whose temperature ``temperature(file)`` makes."""
    with h5py.File(path, "w") as file:
        for name, values in INNER.items():
            file[name] = values
        temperature(file)
    return path


def _half_written(file: Any) -> None:
    file.create_dataset("T", CELLS.shape, "f4", chunks=(1, *CELLS.shape[1:]))[:7] = CELLS[:7]


def _virtual(file: Any) -> None:
    place = os.path.dirname(file.filename)
    with h5py.File(f"{place}/part.h5", "w") as part:
        part["T"] = CELLS[:6]
    layout = h5py.VirtualLayout(CELLS.shape, "f4")
    layout[:6] = h5py.VirtualSource(f"{place}/part.h5", "T", CELLS[:6].shape)
    layout[6:] = h5py.VirtualSource(f"{place}/gone.h5", "T", CELLS[6:].shape)
    file.create_virtual_dataset("T", layout, fillvalue=0.5)


def _virtual_with_a_hole(file: Any) -> None:
    _virtual(file)
    del file["T"]
    layout = h5py.VirtualLayout(CELLS.shape, "f4")
    layout[:6] = h5py.VirtualSource(f"{os.path.dirname(file.filename)}/part.h5", "T", CELLS[:6].shape)
    file.create_virtual_dataset("T", layout, fillvalue=0.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda file: file.create_dataset("T", CELLS.shape, "f4"), "was never written"),
        (_half_written, r"the chunk at \(7, 0, 0\) was never written"),
        (_virtual, r"is virtual, and its source .*gone\.h5 is not there"),
        (_virtual_with_a_hole, f"is virtual, and {CELLS[6:].size} of its values have no source"),
        (lambda file: file.update({"T": h5py.ExternalLink("gone.h5", "/T")}), r"is a link to gone\.h5:/T, which"),
        (lambda file: file.update({"T": h5py.SoftLink("/state/T")}), "is a link to /state/T, which is not there"),
        (
            lambda file: file.create_dataset("T", CELLS.shape, "f4", external=[("/nowhere/T.raw", 0, CELLS.nbytes)]),
            "its data lie in /nowhere/T.raw, which is not there",
        ),
    ],
)
def test_what_was_never_in_an_hdf5_file_is_an_error(tmp_path: Path, make: Any, message: str) -> None:
    path = hdf5(tmp_path / "run.h5", make)
    with pytest.raises(ReaderError, match=rf"run\.h5: variable 'T': {message}"):
        read(path, **bare_options())


@pytest.mark.parametrize("form", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"])
@pytest.mark.parametrize("cut", [1, 100, 2000])
def test_a_copy_of_the_classic_format_that_stopped_is_an_error(tmp_path: Path, form: Any, cut: int) -> None:
    content = write_netcdf(tmp_path / "whole.nc", form=form).read_bytes()
    (tmp_path / "run.nc").write_bytes(content[:-cut])
    with pytest.raises(ReaderError, match=rf"run\.nc: holds {len(content) - cut} bytes of {len(content)}"):
        read(tmp_path / "run.nc")


# ---- containers ----


def _in_groups(file: Any) -> None:
    file["state/old/T"] = CELLS
    file["alias"] = h5py.SoftLink("/state/old/T")
    file["state/up"] = h5py.SoftLink("/")  # leads back to where it is
    with h5py.File(os.path.join(os.path.dirname(file.filename), "field.h5"), "w") as other:
        other["T0"] = CELLS
    file["outside"] = h5py.ExternalLink("field.h5", "/T0")


@pytest.mark.parametrize("name", ["state/old/T", "alias", "outside"])
def test_groups_and_links_are_followed(tmp_path: Path, name: str) -> None:
    run = read(hdf5(tmp_path / "run.h5", _in_groups), **bare_options(name))
    np.testing.assert_allclose(run.temperature[:, 1:-1], FIELD[:, 1:-1], rtol=1e-6)


def _whole_virtual(file: Any) -> None:
    layout = h5py.VirtualLayout(CELLS.shape, "f4")
    file["half"], file["rest"] = CELLS[:6], CELLS[6:]
    layout[:6], layout[6:] = h5py.VirtualSource(file["half"]), h5py.VirtualSource(file["rest"])
    file.create_virtual_dataset("T", layout)


@pytest.mark.parametrize(
    "make",
    [
        lambda file: file.create_dataset("T", data=CELLS),
        lambda file: file.create_dataset("T", data=CELLS, chunks=(5, 3, 7), compression="gzip", shuffle=True),
        lambda file: file.create_dataset("T", data=CELLS, chunks=(5, 3, 7), compression="lzf", fletcher32=True),
        lambda file: file.create_dataset("T", data=CELLS.astype(">f8"), maxshape=(None, None, None)),
        lambda file: file.create_dataset("T", data=CELLS.astype("f2")),
        _whole_virtual,
    ],
)
def test_every_layout_of_hdf5_is_read(tmp_path: Path, make: Any) -> None:
    run = read(hdf5(tmp_path / "run.h5", make), **bare_options())
    np.testing.assert_allclose(run.temperature[:, 1:-1], FIELD[:, 1:-1], rtol=1e-3)


@pytest.mark.parametrize(
    "form", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA", "NETCDF4", "NETCDF4_CLASSIC"]
)
def test_every_format_of_netcdf_is_read(tmp_path: Path, form: Any) -> None:
    check(read(write_netcdf(tmp_path / "run.nc", form=form)))


@pytest.mark.parametrize("form", [2, 3, "sharded"])
def test_both_formats_of_zarr_are_read(tmp_path: Path, form: Any) -> None:
    data = xr.Dataset({"temperature": (DIMENSIONS["temperature"], FIELD)}, AXES)
    encoding = {"temperature": {"chunks": (2, 4, 8), "shards": (4, 8, 8)}} if form == "sharded" else {}
    data.to_zarr(tmp_path / "run.zarr", zarr_format=2 if form == 2 else 3, encoding=encoding)
    check(read(tmp_path / "run.zarr"))


def test_a_file_in_use_by_another_says_so(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    write_arrays(path, ARRAYS)
    with path.open("r+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)  # as HDF5 does when it writes
        with pytest.raises(
            ReaderError, match=r"run\.h5: is in use by another process.*HDF5_USE_FILE_LOCKING"
        ) as caught:
            read(path)
    assert "truncated" not in str(caught.value)
    check(read(path))


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    write_arrays(tmp_path / "run.npz", {**ARRAYS, "velocity": FIELD, "water_content": 0.02})
    run = read(tmp_path / "run.npz")
    assert notes_of(run).left_out == ("variable 'velocity'",)
    assert parameters_of(run)["water_content"] == 0.02
    table = tmp_path / "table.csv"
    table.write_text(",".join(["run", *EVOLUTION_PARAMETERS.names, "day"]) + "\nrun,1e21,3e5,6e-6,10,1700,1 May\n")
    assert "column 'day'" in notes_of(read(tmp_path / "run.npz", parameters=str(table))).unread["day"]


# ---- identity ----


def test_the_number_of_a_run_comes_from_its_whole_name(tmp_path: Path) -> None:
    assert [run_number(f"raw/{name}") for name in ("run_00012.nc", "m03", "7.npz", "T.0012")] == [12, 3, 7, 12]
    assert run_number("m03/solution.pvd") != run_number("m04/solution.pvd")
    assert run_number("m03/solution.pvd", r"m(\d+)") == 3
    names = [f"run_{number:03d}_64x96.nc" for number in range(20)] + ["first.nc", "second.nc"]
    assert len({run_number(name) for name in names}) == len(names)
    assert all(run_number(name) >= 10**9 for name in names)
    assert run_number(names[3], r"run_(\d+)_") == run_number(names[3], r"(?<=run_)\d+") == 3
    for pattern in ("mars_(.*)", "run_(...)_6", "("):
        with pytest.raises(ReaderError, match="option 'run_number'"):
            run_number("run_abc_64.nc", pattern)
    write_arrays(tmp_path / "run_005_8x8.npz", ARRAYS)
    assert read(tmp_path / "run_005_8x8.npz", run_number=r"run_(\d+)").attrs["simulation"] == 5
    assert read(tmp_path / "run_005_8x8.npz").attrs["simulation"] == run_number("run_005_8x8.npz")


# ---- tables by hand ----

CELL = ("run", *EVOLUTION_PARAMETERS.names)
ROW = ("run_a", "1e21", "3e5", "6e-6", "10", "1700")


@pytest.mark.parametrize(
    "content",
    [
        ("\ufeff" + ",".join(CELL) + "\n" + ",".join(ROW)).encode(),
        (", ".join(CELL) + "\n" + ", ".join(ROW) + "\n").encode(),
        (";".join(CELL) + "\r\n" + ";".join(ROW) + "\r\n").encode(),
        ("\t".join(CELL) + "\n" + "\t".join(ROW) + "\n").encode(),
        (",".join(CELL) + ",remark\n" + ",".join(ROW) + ",Grad Celsius: \u00b0, \u00e4\n")
        .replace(", ", " ")
        .encode("latin-1"),
        ("\t".join(CELL) + "\r\n" + "\t".join(ROW) + "\r\n").encode("utf-16"),
        ('"' + '","'.join(CELL) + '"\n"' + '" , "'.join(ROW) + '"\n').replace('" , "', '","').encode(),
        (",".join(CELL) + "\r" + ",".join(ROW) + "\r").encode(),
        ("\n" + ",".join(CELL) + "\n\n" + ",".join(ROW) + "\n,,,,,\n\n").encode(),
        b"run,reference_viscosity,activation_energy [kJ/mol],activation_volume (cm3/mol),crustal_enrichment,"
        b"initial_temperature [degC]\nrun_a,1e21 Pa s,300,6.0,1e1,1426.85\n",
        b"run,reference_viscosity,activation_energy,activation_volume,crustal_enrichment,initial_temperature\n"
        b"run_a.npz,10^21 Pa s,300 kJ mol-1,6 cm3/mol,1e1,1426.85 degC\n",
    ],
)
def test_tables_by_hand_are_read(tmp_path: Path, content: Any) -> None:
    (tmp_path / "table.csv").write_bytes(content)
    values = read_table_row(tmp_path / "table.csv", tmp_path / "run_a.npz").values
    numbers = [values[name].value for name in EVOLUTION_PARAMETERS.names]
    np.testing.assert_allclose(numbers, [1e21, 3e5, 6e-6, 10, 1700])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((CELL, ("run_a", "1e21", "3e5", "6e-6", "ten", "1700")), "line 2: column 'crustal_enrichment': .*'ten'"),
        (
            (CELL, ("run_b", *ROW[1:]), ("run_a", "1e21 K", *ROW[2:])),
            "line 3: column 'reference_viscosity': .*Pa s.*'K'",
        ),
        ((CELL, ("run_a", "1,5e21", *ROW[2:])), "line 2: 7 cells, the first line names 6 columns"),
        ((CELL, ROW, ROW), "2 rows for run 'run_a.npz'"),
        ((CELL, ("run_b", *ROW[1:])), "0 rows for run 'run_a.npz'"),
        ((("name", *CELL[1:]), ROW), "expected the column 'run'"),
        (((*CELL[:-1], CELL[1]), ROW), ".*each once"),
        ((), "expected the column 'run'"),
    ],
)
def test_what_is_wrong_in_a_table_is_named_with_line_and_column(tmp_path: Path, lines: Any, message: str) -> None:
    (tmp_path / "table.csv").write_text("\n".join(",".join(cells) for cells in lines))
    with pytest.raises(ReaderError, match=rf"table\.csv: {message}"):
        read_table_row(tmp_path / "table.csv", tmp_path / "run_a.npz")


# ---- ASPECT ----


def aspect(folder: Path, new_prm: Any = lambda text: text, seconds: Any = False) -> Any:
    """A run of ASPECT on a sector of 90 degrees, in years or in seconds."""
    _write_aspect(folder, snapshots=4)
    (folder / "parameters.prm").write_text(new_prm(PRM))
    if seconds:
        for name, factor in (("solution.pvd", 3.15576e7), ("statistics", 1)):
            text = (folder / name).read_text()
            for number in range(4):
                text = text.replace(f'timestep="{0.45 * number * 1e9}"', f'timestep="{0.45 * number * 1e9 * factor}"')
            (folder / name).write_text(
                text.replace("Time (years)", "Time (seconds)").replace("9e9", repr(9e9 * 3.15576e7))
            )
    return folder


def test_aspect_the_new_name_of_the_switch_counts(tmp_path: Path) -> None:
    new = lambda text: text.replace("in output instead of seconds = true", "instead of seconds = false")  # noqa: E731
    run = open_run(aspect(tmp_path / "m1", new, seconds=True))
    np.testing.assert_allclose(run.time, [0, 0.45, 0.9, 1.35])
    np.testing.assert_allclose(run.mean_temperature, 1700 - 200 * run.time / 9)
    run = open_run(aspect(tmp_path / "m2", lambda text: text.replace("set Use years in output", "#"), seconds=True))
    np.testing.assert_allclose(run.time, [0, 0.45, 0.9, 1.35])  # as statistics count
    with pytest.raises(ReaderError, match=r"m3: parameters\.prm says that time is in year, statistics count in s"):
        open_run(aspect(tmp_path / "m3", seconds=True))
    with pytest.raises(ReaderError, match="expected true or false, the same for every name"):
        open_run(aspect(tmp_path / "m4", lambda text: "set Use years instead of seconds = false\n" + text))


def test_aspect_the_number_is_that_of_the_folder(tmp_path: Path) -> None:
    folder = aspect(tmp_path / "m17")
    assert open_run(folder).attrs["simulation"] == open_run(folder / "solution.pvd").attrs["simulation"] == 17


def test_aspect_times_that_statistics_contradict_are_refused(tmp_path: Path) -> None:
    folder = aspect(tmp_path / "m1")
    text = (folder / "statistics").read_text()
    (folder / "statistics").write_text(text.replace("9e9", "9e2"))
    with pytest.raises(
        ReaderError, match=r"statistics: ends at 9e-07 Gyr, the snapshots at 1.35 Gyr: not the same run"
    ):
        open_run(folder)
    (folder / "statistics").write_text(text.replace("9e9", "1.3e9"))
    assert "statistics: ends at 1.3 Gyr, the snapshots at 1.35 Gyr" in notes_of(open_run(folder)).warnings[0]


@pytest.mark.parametrize("end", ["2 1.8e10", '2 1.8e10 "" 1300 0 0', '2 1.8e10 "" 1300 0'])
def test_aspect_a_last_line_that_is_still_written_is_left_out(tmp_path: Path, end: Any) -> None:
    folder = aspect(tmp_path / "m1")
    whole = open_run(folder)
    with (folder / "statistics").open("a") as stream:
        stream.write(end)
    run = open_run(folder)
    xr.testing.assert_identical(run.mean_temperature.load(), whole.mean_temperature.load())
    assert "statistics: line 9, the last one, is not complete" in notes_of(run).warnings[0]
    with (folder / "statistics").open("a") as stream:
        stream.write(' 7 8 9\n3 2.7e10 "" 1300 0 0\n')
    with pytest.raises(ReaderError, match=r"statistics: line 9 has \d columns, 6 are announced"):
        open_run(folder)


def _turn(folder: Path, angle: Any) -> None:
    """Turn the mesh of a run."""
    for number in range(4):
        size = (33, 65) if number < 2 else (41, 81)
        radius, place = (
            entry.ravel()
            for entry in np.meshgrid(np.linspace(1700e3, 3400e3, size[0]), np.linspace(0, np.pi / 2, size[1]))
        )
        points = np.stack([radius * np.cos(place + angle), radius * np.sin(place + angle), 0 * radius], axis=1)
        _write_vtu(folder / f"solution/solution-{number:05d}.0000.vtu", points, _truth(radius, place, 0.45 * number))


@pytest.mark.parametrize("degrees", [-45, 30, 135, 200, -100])
def test_aspect_a_turned_sector_counts_its_angles_from_its_edge(tmp_path: Path, degrees: int) -> None:
    folder = aspect(tmp_path / "m1")
    plain = open_run(folder).load()
    _turn(folder, np.radians(degrees))
    chunk = (
        "set Model name = chunk\n subsection Chunk\n"
        " set Chunk inner radius = 1700e3\n set Chunk outer radius = 3400e3\n"
        f" set Chunk minimum longitude = {degrees}\n set Chunk maximum longitude = {degrees + 90}\n end\n end"
    )
    shell = PRM.split("subsection Geometry model")[1].split("subsection Material")[0]
    for prm in (PRM, PRM.replace(shell, "\n" + chunk + "\n")):
        (folder / "parameters.prm").write_text(prm)
        run = open_run(folder).load()
        assert geometry_of(run) == geometry_of(plain)
        np.testing.assert_allclose(run.temperature, plain.temperature, atol=0.5)  # the triangles differ


def test_aspect_geometry_that_a_corpus_cannot_hold_is_refused_by_name(tmp_path: Path) -> None:
    for prm, message in (
        ("subsection Geometry model\n set Model name = box\nend", "geometry model 'box', expected"),
        ("set Dimension = 3", "3 dimensions, expected 2"),
        (PRM.replace("= 90 ", "= 180 "), r"90 degrees; expected a sector .*, 180 degrees"),
        (PRM.replace("3400e3", "6371e3"), "expected a sector of an annulus"),
    ):
        with pytest.raises(ReaderError, match=message):
            open_run(aspect(tmp_path / message[:4], lambda _, prm=prm: prm), options={"parameters": POINT})


def test_aspect_only_the_chosen_model_gives_parameters(tmp_path: Path) -> None:
    other = PRM.replace("subsection Material model", "subsection Material model\n set Model name = simple")
    found = parameters_of(open_run(aspect(tmp_path / "m1", lambda _: other)))
    assert sorted(found) == ["crustal_enrichment", "initial_temperature"]
    dislocation = PRM.replace(
        "subsection Visco Plastic", "subsection Visco Plastic\n set Viscous flow law = dislocation"
    )
    assert "reference_viscosity" not in parameters_of(open_run(aspect(tmp_path / "m2", lambda _: dislocation)))
    heating = PRM.replace(
        "subsection Heating model", "subsection Heating model\n set List of model names = shear heating"
    )
    assert "crustal_enrichment" not in parameters_of(open_run(aspect(tmp_path / "m3", lambda _: heating)))
    lists = PRM.replace("= 200000", "= background: 200000").replace("4e-06", "4e-06, 4e-06")
    assert parameters_of(open_run(aspect(tmp_path / "m4", lambda _: lists))).activation_energy == 2e5
    for cut, message in ((PRM[:400], "ends inside the subsection 'Visco Plastic'"), ("", "neither 'Dimension' nor")):
        with pytest.raises(ReaderError, match=message):
            open_run(aspect(tmp_path / f"c{len(cut)}", lambda _, cut=cut: cut))
    with pytest.raises(ReaderError, match=r"parameters\.prm: 'Material model/Visco Plastic/Activation energies.*'OO'"):
        open_run(aspect(tmp_path / "m5", lambda text: text.replace("200000", "2OO")))


def test_aspect_several_outputs_at_one_time_are_not_mixed(tmp_path: Path) -> None:
    folder = aspect(tmp_path / "m1")
    plain = open_run(folder).load()
    first = folder / "solution/solution-00000.pvtu"
    (folder / "solution/earlier.vtu").write_text((folder / "solution/solution-00003.0000.vtu").read_text())
    text = (folder / "solution.pvd").read_text()
    entry = '<DataSet timestep="0.0" part="0" file="solution/{}"/>'
    (folder / "solution.pvd").write_text(
        text.replace(entry.format(first.name), entry.format("earlier.vtu") + entry.format(first.name))
    )
    run = open_run(folder)
    assert "several outputs at time 0.0: solution-00000.pvtu is taken, not earlier.vtu" in notes_of(run).warnings[0]
    xr.testing.assert_identical(run.temperature.load(), plain.temperature)


def test_aspect_tells_which_fields_it_leaves_out(tmp_path: Path) -> None:
    folder = aspect(tmp_path / "m1")
    vtu = folder / "solution/solution-00000.0000.vtu"
    vtu.write_text(
        vtu.read_text().replace("<PointData>", '<PointData><DataArray type="Float32" Name="p" format="ascii"/>')
    )
    assert notes_of(open_run(folder)).left_out == ("point array 'p'",)


# ---- plausibility, whatever the mapping says ----


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time": TIME * 1e3}, "time spans 100 .. 4500 Gyr, expected 0 .. 15: is it Myr"),
        ({"time": TIME * 1e-9}, "time spans 1e-10 .. 4.5e-09 Gyr, expected 0.001 or more"),
        ({"time": TIME - 2}, "time spans -1.9 .. 2.5 Gyr"),
        ({"radius": GRID.vertical / 1e2}, "radius spans .* m, expected an outer one"),
        ({"radius": GRID.vertical * 1e3}, "radius spans .* m, expected an outer one"),
        ({"angle": np.degrees(GRID.lateral)}, "angle spans 90 rad, expected .*degrees"),
        ({"angle": np.radians(GRID.lateral)}, "angle spans 0.0274156 rad"),
        ({"temperature": FIELD - 273.15}, "the first snapshot spans .* is it degC"),
        ({"temperature": FIELD[:, ::-1]}, "the last snapshot is colder at the core-mantle boundary than above"),
    ],
)
def test_what_cannot_be_a_planet_is_told_without_knowing_the_mapping(tmp_path: Path, change: Any, message: str) -> None:
    write_arrays(tmp_path / "run.npz", {**ARRAYS, **change})
    run = read(tmp_path / "run.npz")
    lines = [line for line, _ in implausible_axes(run)] + implausible_temperature(run)
    assert any(re.search(message, line) for line in lines), lines
    write_arrays(tmp_path / "run.npz", ARRAYS)
    assert implausible_axes(read(tmp_path / "run.npz")) == []
