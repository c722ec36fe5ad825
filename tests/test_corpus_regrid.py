from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from surrogate.corpus.regrid import PointRegridder, Regridder, point_weights, resample
from surrogate.corpus.storage import PACKED_RANGE, PACKING, PACKING_SCALE, decode, encode, shard_length
from surrogate.geometry import Geometry

cells = st.integers(4, 24)
columns = st.integers(2, 24)
grids = st.builds(Geometry.quarter, cells, columns)
quick = settings(max_examples=40, deadline=None)


@st.composite
def fields(draw: Any, geometry: Any) -> Any:
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).uniform(250.0, 2500.0, (2, *geometry.shape))


@given(grids, grids, st.data())
@quick
def test_regridding_keeps_the_lateral_mean_profile_and_the_walls(source: Any, target: Any, data: Any) -> None:
    field = data.draw(fields(source))
    result = Regridder(source, target)(field)
    profile = field.mean(axis=-1)
    expected = np.stack([np.interp(target.vertical, source.vertical, row) for row in profile])
    np.testing.assert_allclose(result.mean(axis=-1), expected, rtol=1e-12)
    np.testing.assert_allclose(result[:, [0, -1]].mean(axis=-1), profile[:, [0, -1]], rtol=1e-12)


@given(grids, st.data())
@quick
def test_regridding_to_the_same_grid_changes_nothing(grid: Any, data: Any) -> None:
    field = data.draw(fields(grid))
    np.testing.assert_allclose(Regridder(grid, grid)(field), field, rtol=1e-12)


@given(grids, grids, st.data())
@quick
def test_a_uniform_wall_stays_uniform(source: Any, target: Any, data: Any) -> None:
    field = data.draw(fields(source))
    field[:, -1] = 250.0
    np.testing.assert_allclose(Regridder(source, target)(field)[:, -1], 250.0, rtol=1e-12)


def test_regridding_is_second_order() -> Any:
    """The error on a smooth field falls fourfold where the source is refined twofold."""

    def smooth(geometry: Any) -> Any:
        z = (geometry.vertical[:, None] - geometry.vertical[0]) / geometry.thickness
        return 1000.0 + 500 * np.sin(np.pi * z) * np.cos(4 * geometry.lateral[None])

    target = Geometry.quarter(37, 150)
    errors = []
    for size in (12, 24, 48, 96):
        source = Geometry.quarter(size, size)
        errors.append(np.sqrt(target.average((Regridder(source, target)(smooth(source)) - smooth(target)) ** 2)))
    assert all(ratio > 3.0 for ratio in np.array(errors[:-1]) / errors[1:])


def test_wider_columns_take_the_mean_of_what_they_cover() -> None:
    field = np.random.default_rng(1).normal(1700.0, 100.0, (6, 12))
    result = Regridder(Geometry.quarter(4, 12), Geometry.quarter(4, 4))(field)
    np.testing.assert_allclose(result, field.reshape(6, 4, 3).mean(axis=-1))


def test_other_domains_and_shapes_are_refused() -> None:
    one = Geometry.quarter(4, 6)
    with pytest.raises(ValueError, match="same domain"):
        Regridder(one, Geometry(one.vertical_faces * 1.1, one.lateral_faces))
    with pytest.raises(ValueError, match=r"expected \(\.\.\., 6, 6\)"):
        Regridder(one, one)(np.zeros((4, 6)))
    assert one.refined(None, None) == one


@given(st.integers(2, 30), st.integers(1, 20), st.integers(0, 2**32 - 1))
@quick
def test_resampling_is_exact_on_what_is_linear_in_time(length: Any, count: Any, seed: Any) -> None:
    generator = np.random.default_rng(seed)
    times = np.cumsum(generator.uniform(0.01, 1.0, length))
    slope = generator.normal(size=(3, 4))
    new = np.sort(generator.uniform(times[0], times[-1], count))
    result = resample(times, times[:, None, None] * slope, new)
    np.testing.assert_allclose(result, new[:, None, None] * slope, atol=1e-9)
    np.testing.assert_array_equal(resample(times, slope[0, 0] * times, times), slope[0, 0] * times)


def test_nothing_is_extrapolated() -> None:
    with pytest.raises(ValueError, match="reach beyond"):
        resample(np.array([0.0, 1.0]), np.zeros(2), np.array([1.1]))


temperatures = hnp.arrays(
    np.float32, st.integers(1, 60), elements=st.floats(1.0, 4095.0, width=32) | st.just(np.float32(np.nan))
)


@given(temperatures)
@quick
def test_packing_is_within_half_a_step_and_idempotent(values: Any) -> None:
    packed = encode(values, "int16")
    back = decode(packed, *PACKING["int16"])
    assert np.array_equal(np.isnan(back), np.isnan(values))
    good = ~np.isnan(values)
    assert np.all(np.abs(back[good] - values[good]) <= 0.5 * PACKING_SCALE)
    np.testing.assert_array_equal(encode(back, "int16"), packed)
    np.testing.assert_array_equal(decode(encode(values, "float32"), *PACKING["float32"]), values)


@pytest.mark.parametrize("value", [PACKED_RANGE[0] - 0.1, PACKED_RANGE[1] + 0.1])
def test_what_does_not_fit_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="int16 holds"):
        encode([1000.0, value], "int16")


def test_shards_are_bounded() -> None:
    assert shard_length(60, 50, 64) == 60
    assert shard_length(5000, 302, 394) * 302 * 394 * 4 <= 2**28
    assert shard_length(5, 20_000, 20_000) == 1


def _mesh(geometry: Any, radial: Any, angular: Any, seed: Any = None) -> Any:
    """Nodes of a mesh of the annulus, repeated as cells repeat them, jittered inside where there is a seed."""
    z, phi = (entry.ravel() for entry in np.meshgrid(np.linspace(0, 1, radial), np.linspace(0, 1, angular)))
    if seed is not None:
        generator = np.random.default_rng(seed)
        inside = (z > 0) & (z < 1) & (phi > 0) & (phi < 1)
        z = z + inside * generator.uniform(-0.3, 0.3, z.size) / radial
        phi = phi + inside * generator.uniform(-0.3, 0.3, phi.size) / angular
    radius = geometry.vertical_faces[0] + geometry.thickness * z
    angle = geometry.lateral_faces[-1] * phi
    order = np.tile(np.arange(z.size), 2)
    return radius[order], angle[order]


@given(grids, st.integers(5, 20), st.integers(5, 20), st.none() | st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_scattered_points_give_walls_sums_and_linear_profiles_exactly(
    geometry: Any, radial: Any, angular: Any, seed: Any
) -> None:
    radius, angle = _mesh(geometry, radial, angular, seed)
    weights = point_weights(radius, angle, geometry)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-12)
    assert weights.data.min() >= 0  # so no value leaves the range of the points
    field = (weights @ radius).reshape(geometry.shape)
    np.testing.assert_allclose(field, np.repeat(geometry.vertical[:, None], geometry.shape[1], axis=1), rtol=1e-9)
    walls = weights @ ((radius < geometry.vertical_faces[0] * 1.0001) | (radius > geometry.vertical_faces[-1] * 0.9999))
    np.testing.assert_allclose(walls.reshape(geometry.shape)[[0, -1]], 1.0, rtol=1e-12)


@given(st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_scattered_points_keep_the_lateral_mean(seed: Any) -> None:
    """On a mesh of rings, the mean over a ring that is a row of nodes is the trapezoidal mean of its nodes."""
    geometry = Geometry(np.linspace(1.0, 2.0, 5), np.linspace(0, np.pi / 2, 9))
    radius, angle = _mesh(geometry, 9, 33)  # rings at the faces and at the centres of the rows
    values = np.random.default_rng(seed).normal(size=radius.size // 2)
    field = (point_weights(radius, angle, geometry) @ np.tile(values, 2)).reshape(geometry.shape)
    rings = values.reshape(33, 9).T[[0, 1, 3, 5, 7, 8]]
    np.testing.assert_allclose(field.mean(axis=-1), np.trapezoid(rings, dx=1 / 32, axis=-1), atol=1e-9)


def test_weights_are_made_once_per_mesh(monkeypatch: pytest.MonkeyPatch) -> None:
    geometry = Geometry.quarter(4, 6)
    made = []

    def counted(*arguments: Any) -> Any:
        made.append(1)
        return point_weights(*arguments)

    monkeypatch.setattr("surrogate.corpus.regrid.point_weights", counted)
    monkeypatch.setattr("surrogate.corpus.regrid.MESHES_KEPT", 2)
    meshes = []
    for size in (5, 6, 7):
        radius, angle = _mesh(geometry, size, size)
        meshes.append(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1))
    for number in (0, 0, 1, 0, 1, 2, 2):
        grid = PointRegridder(geometry)  # as another run of the same mesh makes it
        grid(meshes[number], np.ones(len(meshes[number])))
    assert len(made) == 3


def test_points_that_do_not_cover_the_annulus_are_refused() -> None:
    geometry = Geometry.quarter(4, 6)
    radius, angle = _mesh(geometry, 6, 6)
    with pytest.raises(ValueError, match="do not cover"):
        point_weights(radius, 0.5 * angle, geometry)


def test_a_periodic_field_is_interpolated_across_its_seam() -> None:
    coarse, fine = Geometry.annulus(4, 32, 1.0, 2.0), Geometry.annulus(4, 64, 1.0, 2.0)
    field = np.sin(coarse.lateral + 0.3) * np.ones((6, 1))
    error = np.abs(Regridder(coarse, fine)(field) - np.sin(fine.lateral + 0.3))
    assert error.max() < 0.005  # of the order of the square of a cell, at the seam as elsewhere
    moved = Regridder(coarse, fine)(coarse.shifted(field, 5))
    np.testing.assert_allclose(moved, fine.shifted(Regridder(coarse, fine)(field), 10), atol=1e-12)
