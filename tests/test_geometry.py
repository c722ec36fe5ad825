from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surrogate.geometry import Geometry
from surrogate.planet import MARS

cells = st.integers(2, 40)


@given(cells, cells, st.floats(0.1, 6.28))
def test_cell_volumes_fill_the_sector(radial: Any, angular: Any, width: Any) -> None:
    geometry = Geometry.quarter(radial, angular, width=width)
    inner, outer = geometry.vertical_faces[[0, -1]]
    assert geometry.shape == (radial + 2, angular) == geometry.volume.shape
    assert geometry.volume.sum() == pytest.approx(0.5 * (outer**2 - inner**2) * width, rel=1e-12)
    assert np.all(geometry.volume[[0, -1]] == 0)
    assert geometry.weight.sum() == pytest.approx(1.0)
    assert geometry.depth[0] == pytest.approx(MARS.mantle_thickness)
    assert geometry.depth[-1] == 0


@given(cells, cells)
@settings(max_examples=25)
def test_averages_of_known_fields(radial: Any, angular: Any) -> None:
    geometry = Geometry.quarter(radial, angular)
    radius = geometry.vertical[:, None] + np.zeros(geometry.shape)
    # Mid-point rule: the mean of r over an annulus is 2/3 (R^3 - r^3) / (R^2 - r^2), to second order.
    inner, outer = geometry.vertical_faces[[0, -1]]
    exact = 2 / 3 * (outer**3 - inner**3) / (outer**2 - inner**2)
    assert geometry.average(radius) == pytest.approx(exact, rel=0.5 / radial**2)
    wave = np.cos(4 * geometry.lateral)[None] + radius
    assert geometry.lateral_average(wave) == pytest.approx(geometry.vertical, rel=1e-6)


@given(st.floats(-1e4, 1e4), st.floats(-5, 5))
def test_the_average_is_linear_and_keeps_constants(constant: Any, factor: Any) -> None:
    geometry = Geometry.quarter(6, 8)
    field = np.random.default_rng(1).normal(size=(3, *geometry.shape))
    assert geometry.average(field).shape == (3,)
    assert geometry.average(factor * field + constant) == pytest.approx(
        factor * geometry.average(field) + constant, abs=1e-8
    )


@pytest.mark.parametrize("shape", [(8,), (8, 7), (6,), (1, 8), (8, 6, 1)])
def test_a_profile_is_not_mistaken_for_a_field(shape: Any) -> None:
    with pytest.raises(ValueError, match="expected a field of shape"):
        Geometry.quarter(6, 6).average(np.ones(shape))


@pytest.mark.parametrize(
    ("radius", "angle", "message"),
    [
        ([1.0], [0, 1], "vertical_faces"),
        ([2.0, 1.0], [0, 1], "vertical_faces"),
        ([1.0, np.nan], [0, 1], "vertical_faces"),
        ([1.0, 2.0], [0, 0], "lateral_faces"),
        ([1.0, 2.0], [0, 1, 3], "equally spaced"),
        ([0.0, 2.0], [0, 1], "inner radius"),
        ([-1.0, 2.0], [0, 1], "inner radius"),
        ([[1.0, 2.0]], [0, 1], "vertical_faces"),
    ],
)
def test_an_impossible_grid_is_refused(radius: Any, angle: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Geometry(np.array(radius), np.array(angle))


def test_grids_are_equal_up_to_rounding_only() -> None:
    grid = Geometry.quarter(10, 12)
    same = Geometry(grid.vertical_faces.copy() * (1 + 1e-12), grid.lateral_faces)
    assert grid == same
    assert grid != Geometry.quarter(10, 13)
    assert grid != Geometry(grid.vertical_faces * 1.001, grid.lateral_faces)
    assert grid != "a grid"
