from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surrogate.annulus import Annulus
from surrogate.planet import MARS

cells = st.integers(2, 40)


@given(cells, cells, st.floats(0.1, 6.28))
def test_cell_volumes_fill_the_sector(radial: Any, angular: Any, width: Any) -> None:
    annulus = Annulus.quarter(radial, angular, width=width)
    inner, outer = annulus.radius_faces[[0, -1]]
    assert annulus.shape == (radial + 2, angular) == annulus.volume.shape
    assert annulus.volume.sum() == pytest.approx(0.5 * (outer**2 - inner**2) * width, rel=1e-12)
    assert np.all(annulus.volume[[0, -1]] == 0)
    assert annulus.weight.sum() == pytest.approx(1.0)
    assert annulus.depth[0] == pytest.approx(MARS.mantle_thickness)
    assert annulus.depth[-1] == 0


@given(cells, cells)
@settings(max_examples=25)
def test_averages_of_known_fields(radial: Any, angular: Any) -> None:
    annulus = Annulus.quarter(radial, angular)
    radius = annulus.radius[:, None] + np.zeros(annulus.shape)
    # Mid-point rule: the mean of r over an annulus is 2/3 (R^3 - r^3) / (R^2 - r^2), to second order.
    inner, outer = annulus.radius_faces[[0, -1]]
    exact = 2 / 3 * (outer**3 - inner**3) / (outer**2 - inner**2)
    assert annulus.average(radius) == pytest.approx(exact, rel=0.5 / radial**2)
    wave = np.cos(4 * annulus.angle)[None] + radius
    assert annulus.lateral_average(wave) == pytest.approx(annulus.radius, rel=1e-6)


@given(st.floats(-1e4, 1e4), st.floats(-5, 5))
def test_the_average_is_linear_and_keeps_constants(constant: Any, factor: Any) -> None:
    annulus = Annulus.quarter(6, 8)
    field = np.random.default_rng(1).normal(size=(3, *annulus.shape))
    assert annulus.average(field).shape == (3,)
    assert annulus.average(factor * field + constant) == pytest.approx(
        factor * annulus.average(field) + constant, abs=1e-8
    )


@pytest.mark.parametrize("shape", [(8,), (8, 7), (6,), (1, 8), (8, 6, 1)])
def test_a_profile_is_not_mistaken_for_a_field(shape: Any) -> None:
    with pytest.raises(ValueError, match="expected a field of shape"):
        Annulus.quarter(6, 6).average(np.ones(shape))


@pytest.mark.parametrize(
    ("radius", "angle", "message"),
    [
        ([1.0], [0, 1], "radius_faces"),
        ([2.0, 1.0], [0, 1], "radius_faces"),
        ([1.0, np.nan], [0, 1], "radius_faces"),
        ([1.0, 2.0], [0, 0], "angle_faces"),
        ([1.0, 2.0], [0, 1, 3], "equally spaced"),
        ([0.0, 2.0], [0, 1], "inner radius"),
        ([-1.0, 2.0], [0, 1], "inner radius"),
        ([[1.0, 2.0]], [0, 1], "radius_faces"),
    ],
)
def test_an_impossible_grid_is_refused(radius: Any, angle: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Annulus(np.array(radius), np.array(angle))


def test_grids_are_equal_up_to_rounding_only() -> None:
    grid = Annulus.quarter(10, 12)
    same = Annulus(grid.radius_faces.copy() * (1 + 1e-12), grid.angle_faces)
    assert grid == same
    assert grid != Annulus.quarter(10, 13)
    assert grid != Annulus(grid.radius_faces * 1.001, grid.angle_faces)
    assert grid != "a grid"
