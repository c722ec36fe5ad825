"""Dimensionless convection through the path of a corpus: published cases, onset, balance of heat, sides, geometries."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surrogate.config import ConfigError, parse
from surrogate.fields import geometry_of, open_netcdf, space_of, units_of, validate, write_netcdf
from surrogate.parameters import CONVECTION_PARAMETERS, Parameters
from surrogate.planet import MARS
from surrogate.quantities import DIMENSIONLESS
from surrogate.settings import ConvectionSettings
from surrogate.simulator import BoussinesqConvection, run_key, simulate
from surrogate.simulator.validation.steady import STEADY_CASES

SHORT = {"noise_amplitude": 0.0, "snapshots": 3, "end_time": 0.01}
SQUARE: dict[str, Any] = {"width": 1.0, "vertical_cells": 24, "lateral_cells": 24, "initial_waves": 1, "snapshots": 3}


def convect(rayleigh_number: float, internal_heating: float = 0.0, **options: Any) -> BoussinesqConvection:
    settings = ConvectionSettings(model="convection", **{**SQUARE, **options})
    run = BoussinesqConvection(Parameters(rayleigh_number, internal_heating, space=CONVECTION_PARAMETERS), settings)
    run.run()
    assert run.status == "done", run.reason
    return run


@pytest.mark.parametrize(
    ("case", "rayleigh_number", "options", "tolerance"),
    [
        ("blankenbach-1a", 1e4, {"end_time": 0.4}, 0.005),
        ("blankenbach-1b", 1e5, {"end_time": 0.2, "vertical_grading": 3.0}, 0.015),
        ("blankenbach-2a", 1e4, {"end_time": 0.2, "vertical_grading": 3.0, "viscosity_contrast": 1e3}, 0.02),
    ],
)
def test_a_square_box_settles_to_the_published_values(
    case: str, rayleigh_number: float, options: dict[str, Any], tolerance: float
) -> None:
    series = convect(rayleigh_number, **options).series
    published = STEADY_CASES[case].published
    flux = 0.5 * (series["surface_heat_flux"][-1] + series["core_mantle_boundary_heat_flux"][-1])
    assert flux == pytest.approx(published["Nu"], rel=tolerance)
    assert series["root_mean_square_velocity"][-1] == pytest.approx(published["vrms"], rel=tolerance)


@pytest.mark.parametrize(
    ("geometry", "options"),
    [
        ("box", {}),
        ("cylinder", {"sector_degrees": 60.0}),
        ("spherical_annulus", {"sector_degrees": 360.0, "initial_waves": 8, "lateral_cells": 96}),
    ],
)
def test_what_is_heated_within_leaves_through_the_walls(geometry: str, options: dict[str, Any]) -> None:
    if geometry != "box":
        options = {"width": 2.0, **options}
    run = convect(2e4, 5.0, geometry=geometry, end_time=1.0, **options)
    power = {"box": 0, "cylinder": 1, "spherical_annulus": 2}[geometry]
    inner, outer = run.mesh.faces[[0, -1]]
    made = 5.0 * (outer ** (power + 1) - inner ** (power + 1)) / (power + 1)
    into, out = run.layer.wall_flux()
    assert out * outer**power == pytest.approx(into * inner**power + made, rel=2e-3)
    assert run.budget()["budget_relative_error"] < 1e-12


def test_convection_begins_at_the_critical_rayleigh_number() -> None:
    """8 pi^4 = 779.3 in a square box; the fields of a run just below decay, just above they grow."""
    speeds = [
        convect(rayleigh, end_time=0.4, noise_amplitude=1e-3, stokes_tolerance=1e-6).series["root_mean_square_velocity"]
        for rayleigh in (770.0, 790.0)
    ]
    assert speeds[0][2] < speeds[0][1]
    assert speeds[1][2] > speeds[1][1]


def test_closed_sides_are_the_mirrors_of_a_periodic_box() -> None:
    tight = {"stokes_tolerance": 1e-9, "end_time": 0.05}
    closed = convect(1e5, **tight)
    periodic = convect(1e5, sides="periodic", **{**tight, "width": 2.0, "lateral_cells": 48, "initial_waves": 2})
    whole = periodic.snapshots[-1]
    np.testing.assert_allclose(whole[:, :24], closed.snapshots[-1], atol=2e-5)
    np.testing.assert_allclose(whole[:, ::-1], whole, atol=2e-5)


def test_a_periodic_box_may_be_cut_anywhere() -> None:
    start = {"sides": "periodic", "width": 2.0, "lateral_cells": 48, "initial_waves": 0, "snapshots": 2}
    settings = ConvectionSettings(model="convection", vertical_cells=24, end_time=0.002, stokes_tolerance=1e-9, **start)
    runs = [BoussinesqConvection(Parameters(1e6, 10.0, space=CONVECTION_PARAMETERS), settings) for _ in range(2)]
    runs[1].layer.temperature[:] = np.roll(runs[1].layer.temperature, 7, axis=1)
    for run in runs:
        run.run()
    np.testing.assert_allclose(np.roll(runs[0].snapshots[-1], 7, axis=1), runs[1].snapshots[-1], atol=1e-5)


def test_thin_shells_convect_like_a_box() -> None:
    """Cylinder and spherical annulus go over to the box as the radius ratio goes to one."""

    def values(**options: Any) -> np.ndarray:
        run = convect(1e4, end_time=0.4, stokes_tolerance=1e-5, **options)
        flux = [run.series[f"{wall}_heat_flux"][-1] for wall in ("surface", "core_mantle_boundary")]
        return np.array([np.mean(flux), run.series["root_mean_square_velocity"][-1]])

    box = values()
    for geometry in ("cylinder", "spherical_annulus"):
        gaps = []
        for ratio in (0.8, 0.95):
            sector = np.degrees(2 * (1 - ratio) / (1 + ratio))  # as wide as thick, in the middle
            found = values(geometry=geometry, radius_ratio=ratio, sector_degrees=sector, width=2.0)
            gaps.append(np.abs(found / box - 1))
        assert gaps[1].max() < 2e-3
        # Both differ from the box by the square of thickness over radius, 1/9 and 1/39.
        np.testing.assert_allclose(gaps[0] / gaps[1], (39 / 9) ** 2, rtol=0.1)


@pytest.mark.parametrize(
    ("geometry", "options", "dimensions"),
    [
        ("box", {"sides": "periodic"}, ("height", "x")),
        ("cylinder", {"sector_degrees": 90.0}, ("radius", "angle")),
        ("spherical_annulus", {}, ("radius", "angle")),
    ],
)
def test_a_run_says_its_geometry_and_has_no_units(
    geometry: str, options: dict[str, Any], dimensions: tuple[str, str], tmp_path: Path
) -> None:
    settings = ConvectionSettings.model_validate(
        {"model": "convection", "geometry": geometry, "vertical_cells": 12, "lateral_cells": 24, **SHORT, **options}
    )
    run = simulate(Parameters(1e4, 2.0, space=CONVECTION_PARAMETERS), settings)
    write_netcdf(run, tmp_path / "run.nc")
    with open_netcdf(tmp_path / "run.nc") as read:
        validate(read)
        found = geometry_of(read)
        assert (found.kind, found.dimensions, found.periodic) == (geometry, dimensions, geometry != "cylinder")
        assert units_of(read) is DIMENSIONLESS
        assert space_of(read) == CONVECTION_PARAMETERS
        np.testing.assert_allclose(found.average(read.temperature.values), read.mean_temperature, rtol=1e-5)
        # At rest both Nusselt numbers are one.
        np.testing.assert_allclose([read.surface_heat_flux[0], read.core_mantle_boundary_heat_flux[0]], 1.0, rtol=5e-3)
        assert {float(read.temperature[:, row].mean()) for row in (0, -1)} == {1.0, 0.0}


def test_foreign_keys_are_refused_by_name() -> None:
    for key, value in (("batch_width", 8), ("radial_cells", 16), ("radius_ratio", 0.4), ("noise", "per_run")):
        section = {"model": "convection", "initial_waves": 2, key: value}
        with pytest.raises(ConfigError, match=f"simulator.{key}"):
            parse({"simulator": section})
    with pytest.raises(ConfigError, match="expected an even number in a periodic layer, got 3"):
        parse({"simulator": {"model": "convection", "sides": "periodic", "initial_waves": 3}})
    with pytest.raises(ConfigError, match=r"planet: has no effect.*simulator.model: evolution"):
        parse({"simulator": {"model": "convection"}, "planet": {"gravity": 9.8}})


def test_a_run_does_not_depend_on_the_planet() -> None:
    settings = ConvectionSettings(model="convection")
    point = Parameters(1e5, 0.0, space=CONVECTION_PARAMETERS)
    keys = {run_key(point, settings), run_key(point, settings, replace(MARS, gravity=9.8))}
    assert len(keys) == 1
    changed = {"width": 3.0, "sides": "periodic", "geometry": "cylinder", "initial_waves": 3}
    keys |= {run_key(point, settings.model_copy(update={name: value})) for name, value in changed.items()}
    assert len(keys) == 5
