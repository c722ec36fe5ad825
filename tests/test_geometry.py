import json
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


# -- every kind of domain --


DOMAINS = {
    "sector": Geometry.annulus(12, 16, 1.2, 2.2, np.pi / 2),
    "full annulus": Geometry.annulus(12, 16, 1.2, 2.2),
    "spherical annulus": Geometry.annulus(12, 16, 1.2, 2.2, kind="spherical_annulus"),
    "closed box": Geometry.box(12, 16, 2.0),
    "periodic box": Geometry.box(12, 16, 2.0, periodic=True),
}
every_domain = pytest.mark.parametrize("geometry", DOMAINS.values(), ids=DOMAINS.keys())
POWERS = {"cylinder": 1, "spherical_annulus": 2, "box": 0}


@every_domain
def test_volumes_and_walls_go_with_the_power_of_the_radius(geometry: Geometry) -> None:
    low, high = geometry.vertical_faces[[0, -1]]
    power = POWERS[geometry.kind]
    whole = (high ** (power + 1) - low ** (power + 1)) / (power + 1) * geometry.width
    assert geometry.volume.sum() == pytest.approx(whole, rel=1e-12)
    np.testing.assert_allclose(geometry.wall_areas, [low**power * geometry.width, high**power * geometry.width])
    assert geometry.volume_between(low, high) == pytest.approx(whole)
    # The mean of the vertical coordinate, exact to second order of the cells.
    mean = (high ** (power + 2) - low ** (power + 2)) / (power + 2) * geometry.width / whole
    assert geometry.average(geometry.vertical[:, None] + np.zeros(geometry.shape)) == pytest.approx(mean, rel=2e-3)


@every_domain
def test_heat_conducted_through_both_walls_is_the_same(geometry: Geometry) -> None:
    lower, upper = geometry.conduction * geometry.wall_areas
    assert lower == pytest.approx(upper, rel=1e-12)
    # The conductive profile, from its own equation: flux times area does not depend on the height.
    power = POWERS[geometry.kind]
    low, high = geometry.vertical_faces[[0, -1]].tolist()
    height = np.linspace(low, high, 20001)
    resistance = np.trapezoid(height ** -float(power), height)
    assert geometry.conduction[1] == pytest.approx(1 / (resistance * height[-1] ** power), rel=1e-6)


@every_domain
def test_a_pure_mode_has_one_wavenumber(geometry: Geometry) -> None:
    x = (geometry.lateral - geometry.lateral_faces[0]) / geometry.width
    mode = 3.0 * np.cos((2 if geometry.periodic else 1) * np.pi * 4 * x)
    moved = 3.0 * np.sin(2 * np.pi * 4 * x) if geometry.periodic else mode
    for field in (mode, moved):
        power = geometry.lateral_power(5.0 + field)
        assert power.shape == (geometry.wavenumbers,)
        np.testing.assert_allclose(power[[0, 4]], [25.0, 4.5], rtol=1e-12)
        assert np.delete(power, [0, 4]).max() < 1e-20
    noise = np.random.default_rng(0).normal(size=geometry.shape)
    np.testing.assert_allclose(geometry.lateral_power(noise).sum(-1), np.mean(noise**2, axis=-1))


@every_domain
def test_points_of_the_plane_come_back(geometry: Geometry) -> None:
    vertical, lateral = np.meshgrid(geometry.vertical, geometry.lateral, indexing="ij")
    back = geometry.from_plane(*geometry.to_plane(vertical, lateral))
    np.testing.assert_allclose(back, (vertical, lateral), atol=1e-12)
    x, y = geometry.to_plane(vertical, lateral)
    left, right, bottom, top = geometry.box_around
    assert left <= x.min() < x.max() <= right
    assert bottom <= y.min() < y.max() <= top


@every_domain
def test_a_record_gives_the_geometry_back(geometry: Geometry) -> None:
    assert Geometry.from_record(json.loads(json.dumps(geometry.record()))) == geometry
    others = [other for other in DOMAINS.values() if other is not geometry]
    assert all(other != geometry and not other.domain.matches(geometry.domain) for other in others)
    assert geometry.refined(5, None).domain.matches(geometry.domain)


def test_a_record_from_before_there_were_kinds_is_a_cylinder() -> None:
    old = {"radius_faces": [1.0, 1.5, 2.0], "angle_faces": np.linspace(0, 2 * np.pi, 9).tolist()}
    assert Geometry.from_record(old) == Geometry.annulus(2, 8, 1.0, 2.0)
    assert Geometry.from_record(old).periodic


def test_only_a_periodic_field_is_shifted() -> None:
    field = np.arange(32.0).reshape(2, 16)
    np.testing.assert_array_equal(DOMAINS["periodic box"].shifted(field, 3)[:, 3:], field[:, :-3])
    with pytest.raises(ValueError, match="sides are closed"):
        DOMAINS["closed box"].shifted(field, 3)
    assert len(DOMAINS["closed box"].alike(field)) == 2
    assert len(DOMAINS["full annulus"].alike(field)) == 4


def test_a_seam_that_does_not_close_is_told() -> None:
    ring = Geometry.annulus(4, 32, 1.0, 2.0)
    wave = np.cos(3 * ring.lateral + 0.4) * np.ones((5, 6, 1))
    assert ring.broken_seam(wave) == ""
    # Mirror-symmetric about the seam: first and last column are equal, and rightly so.
    assert ring.broken_seam(np.cos(3 * ring.lateral) * np.ones((5, 6, 1))) == ""
    nodes = np.cos(3 * np.linspace(0, 2 * np.pi, 32) + 0.4) * np.ones((5, 6, 1))
    assert "its last column repeats the first" in ring.broken_seam(nodes)
    assert "not periodic: across the seam" in ring.broken_seam(np.linspace(0, 1, 32) * np.ones((5, 6, 1)))
    assert Geometry.box(4, 32).broken_seam(np.linspace(0, 1, 32) * np.ones((5, 6, 1))) == ""
    assert ring.broken_seam(np.ones((5, 6, 32))) == ""


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="kind 'torus', expected one of cylinder"):
        Geometry(np.array([1.0, 2.0]), np.array([0.0, 1.0]), "torus")  # type: ignore[arg-type]
