from typing import Any

import numpy as np
import pytest

from surrogate.minerals import olivine_conductivity, olivine_expansivity
from surrogate.planet import MARS, Planet
from surrogate.units import GIGAYEAR


def test_scales_of_mars_are_those_of_the_reference_corpus() -> None:
    assert MARS.mantle_thickness == 1.7e6
    assert MARS.time_scale / GIGAYEAR == pytest.approx(91.58, abs=0.01)
    assert np.log10(MARS.rayleigh_number(1e22)) == pytest.approx(5.50, abs=0.01)
    assert np.log10(MARS.rayleigh_number(1e19)) == pytest.approx(8.50, abs=0.01)
    assert MARS.cylinder_inner_radius / MARS.mantle_thickness == pytest.approx(1 / 3)
    assert MARS.pressure(MARS.mantle_thickness) == pytest.approx(22e9, rel=0.01)
    assert MARS.initial_core_temperature == 2250.0
    assert MARS.dissipation_number == pytest.approx(0.131, abs=1e-3)


def test_heating_and_depletion_follow_the_published_values() -> None:
    assert MARS.radiogenic_heating(0.0) == pytest.approx(2.322e-11, rel=1e-3)
    assert MARS.radiogenic_heating(4.5) == pytest.approx(4.106e-12, rel=1e-3)
    times = np.linspace(0, 4.5, 50)
    assert np.all(np.diff(MARS.radiogenic_heating(times)) < 0)
    depletion = [MARS.mantle_depletion(factor) for factor in (1, 20, 50)]
    assert depletion == pytest.approx([0.947, 0.470, 0.262], abs=2e-3)


def test_olivine_conducts_less_when_hot_and_more_under_pressure() -> None:
    assert olivine_conductivity(300.0, 0.0) == pytest.approx(2.47)
    assert olivine_conductivity(1600.0, 0.0) < olivine_conductivity(300.0, 0.0) < olivine_conductivity(300.0, 1e10)
    assert olivine_expansivity(1600.0, 2e10) < olivine_expansivity(1600.0, 0.0)


@pytest.mark.parametrize(
    "change",
    [{"gravity": 0.0}, {"mantle_density": -1.0}, {"conductivity": float("nan")}, {"diffusivity": float("inf")},
     {"core_radius": 4e6}, {"planet_radius": 1.7e6}, {"crust_thickness": 2e6}, {"crust_thickness": float("nan")}],
)  # fmt: skip
def test_an_impossible_planet_is_refused(change: Any) -> None:
    with pytest.raises(ValueError, match="planet: "):
        Planet(**change)
