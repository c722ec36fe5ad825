from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from surrogate.fields import (
    FieldError,
    geometry_of,
    iterate_runs,
    make_corpus,
    make_run,
    open_netcdf,
    parameter_table,
    parameters_of,
    select_run,
    select_split,
    stack_runs,
    valid_snapshots,
    validate,
    write_netcdf,
)
from surrogate.geometry import Geometry
from surrogate.parameters import EVOLUTION_PARAMETERS, Parameters

POINT = Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0)


def example(
    times: Any = (0.0, 1.0, 4.5), cells: Any = (4, 5), seed: Any = 0, parameters: Any = POINT, dtype: Any = np.float32
) -> Any:
    geometry = Geometry.quarter(*cells)
    field = np.random.default_rng(seed).uniform(250, 2250, (len(times), *geometry.shape)).astype(dtype)
    series = {"mean_temperature": geometry.average(field)}
    return make_run(field, times, geometry, parameters, series, {"solver": "test", "seed": seed})


runs = st.builds(
    example,
    times=st.lists(st.floats(0, 4.5), min_size=1, max_size=5, unique_by=lambda t: round(t, 6)).map(sorted),
    cells=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    seed=st.integers(0, 99),
    parameters=st.builds(Parameters, *(st.floats(p.low, p.high) for p in EVOLUTION_PARAMETERS)),
    dtype=st.sampled_from([np.float32, np.float64]),
)


@given(runs)
@settings(max_examples=20)
def test_a_run_survives_its_file_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, run: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "run.nc"
    write_netcdf(run, path)
    with open_netcdf(path) as again:
        xr.testing.assert_identical(again.drop_encoding().load(), run)
        assert again.temperature.dtype == run.temperature.dtype
        assert geometry_of(again) == geometry_of(run)
        assert parameters_of(again) == parameters_of(run)


@pytest.mark.parametrize("compress", [True, False])
def test_a_snapshot_is_a_chunk_of_its_file(tmp_path: Path, compress: Any) -> None:
    run = example(np.arange(4) + 0.5)
    write_netcdf(run, tmp_path / "run.nc", compress)
    write_netcdf(stack_runs([run, run]), tmp_path / "corpus.nc", compress)
    with open_netcdf(tmp_path / "run.nc") as one, open_netcdf(tmp_path / "corpus.nc") as two:
        assert one.temperature.encoding["chunksizes"] == (1, *run.temperature.shape[1:])
        assert two.temperature.encoding["chunksizes"] == (1, 1, *run.temperature.shape[1:])


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 9))
@settings(max_examples=20)
def test_runs_survive_stacking(lengths: Any, seed: Any) -> None:
    originals = [example(np.arange(n) + 0.5, seed=seed + n, parameters=Parameters(1e20 * (i + 1), 3e5, 6e-6, 10, 1700))
                 for i, n in enumerate(lengths)]  # fmt: skip
    corpus = validate(stack_runs(originals))
    assert valid_snapshots(corpus).sum(axis=1).tolist() == lengths
    for position, (original, run) in enumerate(zip(originals, iterate_runs(corpus), strict=True)):
        xr.testing.assert_equal(run.temperature.drop_vars(["simulation"]), original.temperature)
        np.testing.assert_array_equal(run.mean_temperature, original.mean_temperature)
        assert parameters_of(run) == parameters_of(original)
        assert geometry_of(run) == geometry_of(original)
        validate(select_run(corpus, position))


def test_stacking_keeps_what_all_runs_say() -> None:
    corpus = stack_runs([example(seed=1), example(seed=2)])
    assert corpus.attrs["solver"] == "test"
    assert "seed" not in corpus.attrs


def test_stacking_widens_the_type_and_refuses_other_grids() -> None:
    assert stack_runs([example(dtype=np.float32), example(dtype=np.float64)]).temperature.dtype == np.float64
    with pytest.raises(FieldError, match="run 1 of 2: its grid differs"):
        stack_runs([example(), example(cells=(4, 6))])
    with pytest.raises(FieldError, match="empty"):
        stack_runs([])


def test_selecting_a_run_stays_lazy() -> None:
    corpus = stack_runs([example(), example()]).chunk({"simulation": 1})
    run = select_run(corpus, 1)
    assert run.temperature.chunks is not None


def test_splits() -> None:
    corpus = stack_runs([example(seed=n) for n in range(4)], split=[0, 2, 0, 1], simulation=[5, 6, 7, 8])
    assert select_split(corpus, "train").simulation.values.tolist() == [5, 7]
    assert select_split(corpus, "test").simulation.values.tolist() == [6]
    with pytest.raises(FieldError, match="expected one of"):
        select_split(corpus, "training")
    with pytest.raises(FieldError, match="no coordinate 'split'"):
        select_split(stack_runs([example()]), "train")


def broken(change: Any) -> Any:
    run = example().copy(deep=True)
    return change(run)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda run: run.drop_vars("temperature"), "'temperature' is missing"),
        (lambda run: run.transpose("angle", "radius", "time", "bound"), "has dimensions"),
        (lambda run: run.isel(time=slice(0, 0)), "is empty"),
        (lambda run: run.assign(temperature=run.temperature.assign_attrs(units="degC")), "units 'degC', expected K"),
        (lambda run: run.assign(temperature=run.temperature - 2250), "kelvin within"),
        (lambda run: run.assign(temperature=run.temperature / 2000), "kelvin within"),
        (lambda run: run.assign(temperature=run.temperature.where(run.radius > 6e5)), "3 of 3 snapshots"),
        (lambda run: run.drop_vars("radius_bounds"), "'radius_bounds' is missing"),
        (lambda run: run.drop_vars("radius"), "'radius' is missing"),
        (lambda run: run.isel(radius=slice(None, None, -1)), "radius_bounds"),
        (lambda run: run.isel(radius=slice(1, -1)), "must be walls"),
        (lambda run: run.isel(radius=[0, 1, 3, 4, 5]), "must leave no gap"),
        (lambda run: run.assign_coords(radius=run.radius.copy(data=run.radius.values[::-1])), "disagrees"),
        (lambda run: run.assign_coords(angle=run.angle.copy(data=np.degrees(run.angle.values))), "disagrees"),
        (lambda run: run.isel(time=[1, 0, 2]), "must increase"),
        (lambda run: run.isel(time=[0, 0, 1]), "must increase"),
        (lambda run: run.assign_coords(time=run.time.copy(data=[0, np.nan, 2])), "'time' has NaN"),
        (lambda run: run.assign_coords(time=run.time.assign_attrs(units="Myr")), "units 'Myr', expected 'Gyr'"),
    ],
)  # fmt: skip
def test_a_broken_run_is_refused_by_file_and_variable(change: Any, message: str) -> None:
    with pytest.raises(FieldError, match=message) as raised:
        validate(broken(change), "folder/run_7.nc")
    assert (
        "folder/run_7.nc" in str(raised.value)
        or "bounds" in message
        or message in ("must be walls", "must leave no gap")
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.drop_vars("snapshot_count"), "'snapshot_count' is missing"),
        (lambda c: c.assign_coords(snapshot_count=("simulation", [3, 3])), "'snapshot_count' disagrees"),
        (lambda c: c.assign_coords(snapshot_count=("simulation", [2, 2])), "'snapshot_count' disagrees"),
        (lambda c: c.assign(temperature=c.temperature.fillna(0)), None),
        (lambda c: c.assign(temperature=c.temperature.where(c.simulation == 1)), "NaN or infinite"),
    ],
)
def test_a_broken_corpus_is_refused(change: Any, message: str) -> None:
    corpus = stack_runs([example(), example((0.0, 2.0))])
    validate(corpus)
    if message is None:
        validate(change(corpus))  # what stands in the padding does not count
        return
    with pytest.raises(FieldError, match=message):
        validate(change(corpus))


def test_gaps_in_the_times_are_no_padding() -> None:
    geometry = Geometry.quarter(3, 4)
    corpus = make_corpus(
        np.full((1, 3, *geometry.shape), 1700.0), [[0.0, np.nan, 2.0]], geometry, POINT.as_array()[None]
    )
    with pytest.raises(FieldError, match="snapshot_time"):
        validate(corpus)


def test_arrays_that_do_not_fit_are_refused() -> None:
    geometry = Geometry.quarter(3, 4)
    for shape, times in (((2, 5, 4), [0.0]), ((1, 3, 4), [0.0]), ((1, 5, 5), [0.0])):
        with pytest.raises(FieldError):
            make_run(np.full(shape, 1700.0), times, geometry, POINT)
    with pytest.raises(FieldError, match="unknown time series"):
        make_run(np.full((1, 5, 4), 1700.0), [0.0], geometry, POINT, {"nusselt": [1.0]})


def test_missing_parameters_are_named() -> None:
    run = example().drop_vars(["activation_volume", "initial_temperature"])
    with pytest.raises(FieldError, match="activation_volume, initial_temperature"):
        parameters_of(run)
    with pytest.raises(FieldError, match="activation_volume"):
        parameter_table(stack_runs([example()]).drop_vars("activation_volume"))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    write_netcdf(example(), path)
    content = path.read_bytes()
    for cut in (0, 10, len(content) // 2, len(content) - 50):
        path.write_bytes(content[:cut])
        with pytest.raises(FieldError, match=r"run\.nc: cannot be read as NetCDF4"):
            open_netcdf(path)
    path.write_text("not a NetCDF file")
    with pytest.raises(FieldError, match=r"run\.nc"):
        open_netcdf(path)
    with pytest.raises(FileNotFoundError, match=r"absent\.nc"):
        open_netcdf(tmp_path / "absent.nc")


def test_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    run = example().assign_attrs(bad={"a": 1})
    with pytest.raises(TypeError):
        write_netcdf(run, tmp_path / "run.nc")
    assert list(tmp_path.iterdir()) == []
