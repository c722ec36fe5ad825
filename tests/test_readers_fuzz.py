"""Whatever is in a file: a run, or an error of the readers that names the file; no traceback, no hang."""

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_corpus_readers import POINT, _write_aspect
from test_readers_cases import write_netcdf

from surrogate.corpus.readers import ReaderError, open_run
from surrogate.fields import FieldError, geometry_of, make_run, validate
from surrogate.fields import write_netcdf as write_run
from surrogate.geometry import Geometry
from surrogate.parameters import Parameters

GRID = Geometry.quarter(4, 6)
TIME = np.linspace(0.0, 4.5, 5)
FIELD = np.random.default_rng(1).uniform(300, 2000, (5, *GRID.shape)).astype("f4")
ARRAYS: dict[str, Any] = {"temperature": FIELD, "time": TIME, "radius": GRID.vertical, "angle": GRID.lateral}
PARAMETERS = Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0)
BOUNDED = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)  # the same examples on every machine: a library that crashes on one must not do so now and then


def outcome(path: Path, options: Any = None) -> Any:
    """Return a run that was read whole, or None where the readers refuse it, naming the file."""
    try:
        with open_run(path, options=options) as run:
            return validate(run.load(), values=False)
    except (ReaderError, FieldError) as error:
        if path.name not in str(error):
            raise AssertionError(f"{error} does not name {path.name}") from error
        return None


def _zarr(path: Path) -> None:
    data = xr.Dataset(
        {"temperature": (("time", "radius", "angle"), FIELD)}, {name: ARRAYS[name] for name in list(ARRAYS)[1:]}
    )
    data.to_zarr(path, encoding={"temperature": {"chunks": (2, 6, 6)}})


def _hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for name, values in ARRAYS.items():
            file.create_dataset(name, data=values, compression="gzip", fletcher32=True)


def _stagyy(path: Path) -> None:
    from test_corpus_stagyy import _dimensionless

    path.mkdir()
    _dimensionless(path)


MAKERS: dict[str, Callable[[Path], Any]] = {
    "native.nc": lambda path: write_run(make_run(FIELD, TIME, GRID, PARAMETERS), path),
    "classic.nc": lambda path: write_netcdf(path, ARRAYS, form="NETCDF3_CLASSIC"),
    "cdf5.nc": lambda path: write_netcdf(path, ARRAYS, form="NETCDF3_64BIT_DATA"),
    "new.nc": lambda path: write_netcdf(path, ARRAYS),
    "run.h5": _hdf5,
    "run.npz": lambda path: np.savez(path, **ARRAYS),
    "packed.npz": lambda path: np.savez_compressed(path, **ARRAYS),
    "run.zarr": _zarr,
    "aspect": lambda path: _write_aspect(path, snapshots=2),
}
if find_spec("stagpy"):
    MAKERS["stagyy"] = _stagyy


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Every kind of run, whole, and what is in it."""
    folder = tmp_path_factory.mktemp("whole")
    for name, make in MAKERS.items():
        make(folder / name)
    return folder


def options_of(name: str) -> Any:
    return None if name in ("native.nc", "aspect") else {"parameters": POINT}


def damaged(whole: Any, tmp_path_factory: pytest.TempPathFactory, name: str, choose: Any, change: Any) -> Any:
    """Copy a run and change one of its files."""
    path = tmp_path_factory.mktemp("damaged") / name
    (shutil.copytree if (whole / name).is_dir() else shutil.copy)(whole / name, path)
    files = sorted(entry for entry in path.rglob("*") if entry.is_file()) if path.is_dir() else [path]
    file = files[choose % len(files)]
    file.write_bytes(change(file.read_bytes()))
    return path


@pytest.mark.parametrize("name", MAKERS)
@given(choose=st.integers(0, 1000), share=st.floats(0, 0.999))
@example(choose=3, share=0.0)
@settings(BOUNDED, max_examples=10)
def test_a_run_that_is_cut_is_refused_or_whole(
    whole: Any, tmp_path_factory: pytest.TempPathFactory, name: str, choose: Any, share: Any
) -> None:
    truth = outcome(whole / name, options_of(name))
    assert truth is not None
    path = damaged(whole, tmp_path_factory, name, choose, lambda content: content[: int(share * len(content))])
    run = outcome(path, options_of(name))
    if run is not None:  # what was cut away is not needed: the statistics, or the end of a list
        np.testing.assert_array_equal(run.temperature, truth.temperature)
        np.testing.assert_array_equal(run.time, truth.time)
        assert geometry_of(run) == geometry_of(truth)


@pytest.mark.parametrize("name", MAKERS)
@given(
    choose=st.integers(0, 1000),
    flips=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), min_size=1, max_size=4),
)
@settings(BOUNDED, max_examples=10)
def test_flipped_bytes_end_in_a_run_or_in_an_error_of_the_readers(
    whole: Any, tmp_path_factory: pytest.TempPathFactory, name: str, choose: Any, flips: Any
) -> Any:
    def change(content: Any) -> Any:
        content = bytearray(content)
        for place, bits in flips:
            content[int(place * len(content))] ^= bits
        return bytes(content)

    run = outcome(damaged(whole, tmp_path_factory, name, choose, change), options_of(name))
    assert run is None or (np.diff(run.time) > 0).all()


dtypes = st.sampled_from(["f2", "f4", ">f8", "i1", "i4", "u2", "i8", "c8", "?", "M8[D]", "m8[s]", "U5", "S4"])
absurd = st.sampled_from([0.0, -1.0, np.nan, np.inf, -np.inf, 1e300, -1e300, 1e-300, 4500.0, 3.4e38])


@given(
    st.sampled_from([*ARRAYS, "nothing"]),
    st.one_of(
        st.tuples(st.just("dtype"), dtypes),
        st.tuples(st.just("value"), absurd),
        st.tuples(st.just("shape"), st.lists(st.integers(0, 6), max_size=4)),
        st.tuples(st.just("axes"), st.permutations(range(3))),
        st.tuples(st.just("gone"), st.none()),
    ),
)
@example("time", ("dtype", "m8[s]"))
@example("temperature", ("dtype", "M8[D]"))
@example("radius", ("shape", [2, 3]))
@BOUNDED
def test_wrong_types_shapes_and_absurd_values_are_refused_or_seen(
    tmp_path_factory: pytest.TempPathFactory, name: str, change: Any
) -> None:
    kind, what = change
    arrays: dict[str, Any] = dict(ARRAYS)
    if name != "nothing":
        values = np.array(arrays[name])
        if kind == "dtype":
            values = values.astype("i8").astype(what)
        elif kind == "value":
            values.flat[values.size // 2] = np.array(what).astype(values.dtype)
        elif kind == "shape":
            values = np.resize(values, what)
        elif kind == "axes" and values.ndim == 3:
            values = values.transpose(what)
        arrays[name] = values
        if kind == "gone":
            del arrays[name]
    path = tmp_path_factory.mktemp("wrong") / "run.npz"
    with np.errstate(all="ignore"):
        np.savez(path, **arrays)
        run = outcome(path, {"parameters": POINT})
    if run is None:
        return
    stored = np.asarray(arrays["temperature"], dtype=float)
    np.testing.assert_allclose(run.temperature, stored, rtol=1e-3)
    assert np.isfinite(run.time).all()
    for axis in ("radius", "angle"):
        np.testing.assert_allclose(
            run[axis] - run[axis][0], arrays[axis] - np.asarray(arrays[axis]).flat[0], rtol=1e-3, atol=1e-6
        )


texts = st.one_of(
    st.sampled_from(
        ["Gyr", "Myr", "km", "K", "1", "", "degC", "s/K", "years since", "10^3 m", "m" * 500, "²", "(((", "1/0", "**"]
    ),
    st.text(max_size=12),
)


@given(st.sampled_from(list(ARRAYS)), texts)
@BOUNDED
def test_any_unit_is_converted_or_refused(tmp_path_factory: pytest.TempPathFactory, name: str, unit: str) -> None:
    path = tmp_path_factory.mktemp("unit") / "run.nc"
    write_netcdf(path, ARRAYS, form="NETCDF3_64BIT_OFFSET")
    try:
        with netCDF4.Dataset(path, "r+") as file:
            file[name].units = unit
    except (UnicodeEncodeError, ValueError, RuntimeError):  # not a text that the format can hold
        return
    run = outcome(path, {"parameters": POINT})
    if run is not None and unit in ("K", "km", "degC", "1") and name == "time":
        raise AssertionError(f"time in {unit} was read")


@given(st.binary(max_size=300), st.sampled_from(["run.nc", "run.h5", "run.npz", "run.npy", "solution.pvd", "par"]))
@example(b"CDF\x01", "run.nc")
@example(b"CDF\x05\xff\xff\xff\xff\xff\xff\xff\xff", "run.nc")
@example(b"\x89HDF\r\n\x1a\n", "run.h5")
@example(b"PK\x03\x04", "run.npz")
@example(b"\x93NUMPY\x01\x00", "run.npy")
@example(b"&geometry shape='spherical'\n/", "par")
@BOUNDED
def test_any_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, content: Any, name: str) -> None:
    path = tmp_path_factory.mktemp("bytes") / name
    path.write_bytes(content)
    with pytest.raises((ReaderError, FieldError)) as caught:
        open_run(path, options={"parameters": POINT})
    assert path.parent.name in str(caught.value)
