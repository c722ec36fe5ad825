"""Samples of a bundle: of the field convention, repeatable by their seed, and there in a rounded bundle too."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from query_examples import POINT

from surrogate.query import QueryError, Surrogate, pack_rounded, write_bundle


def test_samples_are_fields_that_differ_and_repeat(tiny: Surrogate) -> None:
    drawn = tiny.sample(**POINT, time=[0.0, 1.0, 4.0], samples=3, seed=5)
    assert drawn.temperature.dims == ("sample", "time", "radius", "angle")
    assert drawn.attrs["method"] == "flow"
    assert (drawn.attrs["seed"], drawn.in_range.dims) == (5, ("time",))
    temperature = drawn.temperature.values
    np.testing.assert_array_equal(
        temperature, tiny.sample(**POINT, time=[0.0, 1.0, 4.0], samples=3, seed=5).temperature
    )
    assert (
        np.abs(temperature - tiny.sample(**POINT, time=[0.0, 1.0, 4.0], samples=3, seed=6).temperature.values).max() > 0
    )
    # All begin at the mean of the FNN, which the bundle's compiled graph gives too, and part from there.
    fields = tiny.predict(**POINT, time=[0.0]).temperature.values
    np.testing.assert_allclose(temperature[:, 0], np.repeat(fields, 3, axis=0), atol=0.05)
    assert np.abs(temperature[0, 2] - temperature[1, 2]).max() > 0.01


def test_samples_of_many_sets_survive_their_file(tiny: Surrogate, tmp_path: Path) -> None:
    sets = [POINT, {**POINT, "crustal_enrichment": 30}]
    drawn = tiny.sample(sets, time=[1.0, 2.0], samples=2)
    assert drawn.temperature.dims == ("sample", "simulation", "time", "radius", "angle")
    drawn.to_netcdf(tmp_path / "drawn.nc", engine="h5netcdf")
    xr.testing.assert_identical(
        xr.load_dataset(tmp_path / "drawn.nc", engine="h5netcdf").temperature, drawn.temperature
    )


def test_a_rounded_bundle_still_knows_its_flow(bundle_folder: Path, tiny: Surrogate, tmp_path: Path) -> None:
    rounded = Surrogate.load(pack_rounded(bundle_folder, tmp_path / "small.zip", 12))
    ours = rounded.sample(**POINT, time=[2.0], seed=3).temperature
    np.testing.assert_allclose(ours, tiny.sample(**POINT, time=[2.0], seed=3).temperature, atol=5.0)


def test_impossible_numbers_and_bundles_without_a_flow_are_named(
    bundle_folder: Path, tiny: Surrogate, tmp_path: Path
) -> None:
    with pytest.raises(QueryError, match="samples: expected at least 1, got 0"):
        tiny.sample(**POINT, samples=0)
    models = tmp_path / "models"
    for name in ("autoencoder", "fnn", "lstm"):
        shutil.copytree(bundle_folder / name, models / name)
    from learning_examples import made_up_corpus

    write_bundle(tmp_path / "bundle", models, made_up_corpus())
    with pytest.raises(QueryError, match="holds no flow"):
        Surrogate.load(tmp_path / "bundle").sample(**POINT, time=[1.0])
