from typing import Any

import numpy as np
import pytest
from query_examples import POINT

from surrogate.parameters import EVOLUTION_PARAMETERS, Parameters
from surrogate.query import QueryError, Surrogate
from surrogate.query.sensitivity import Sensitivity
from surrogate.query.series import LITHOSPHERE, SERIES, SeriesReader


def test_derivatives_are_those_of_finite_differences(tiny: Surrogate) -> None:
    times = [0.5, 2.0, 4.0]
    slopes = tiny.jacobian(**POINT, time=times)
    middle = Parameters.create(POINT).as_array()
    spans = slopes.span.values
    for column, parameter in enumerate(EVOLUTION_PARAMETERS):
        step = 0.02 * spans[column]
        moved = np.stack([middle, middle])
        moved[:, column] = parameter.from_natural(parameter.natural(middle[column]) + np.array([step, -step]))
        profile = tiny.profile(moved, time=times).lateral_mean_temperature.values.astype(float)
        flux = tiny.heat_flux(moved, time=times)
        for name, pair in {
            "profile": profile,
            "surface_heat_flux": flux.surface_heat_flux.values,
            "core_mantle_boundary_heat_flux": flux.core_mantle_boundary_heat_flux.values,
            "mean_temperature": tiny.mean_temperature(moved, time=times).mean_temperature.values,
        }.items():
            differences = spans[column] * (pair[0] - pair[1]) / (2 * step)
            scale = np.abs(spans[0] * slopes[name].isel(parameter=0)).max().item()
            np.testing.assert_allclose(
                spans[column] * slopes[name].isel(parameter=column), differences, rtol=0.02, atol=0.02 * scale
            )


def test_derivatives_are_named_and_for_one_set_only(tiny: Surrogate) -> None:
    slopes = tiny.jacobian(**POINT, time="1 Gyr")
    assert slopes.profile.dims == ("parameter", "time", "radius")
    assert slopes.parameter.values.tolist() == [entry.name for entry in EVOLUTION_PARAMETERS]
    np.testing.assert_allclose(slopes.profile.isel(radius=-1), 0, atol=1e-6)  # the surface never changes
    with pytest.raises(QueryError, match="one set"):
        tiny.jacobian(**{**POINT, "initial_temperature": [1650, 1700]})


class Known:
    """An additive function of two parameters, whose indices are known, in place of the networks."""

    def __init__(self, rows: Any, columns: Any) -> None:
        self.rows, self.columns = rows, columns

    def latents(self, method: str, parameters: Any, times: Any) -> Any:
        unit = EVOLUTION_PARAMETERS.scale(parameters)
        return np.tile((1500 + 200 * unit[:, 0] + 100 * unit[:, 4])[:, None], (1, len(times)))

    def expand(self, latents: Any, what: Any) -> Any:
        assert what == "series"
        return np.repeat(latents[..., None], 4 * self.columns + self.rows, axis=-1)


def test_sobol_indices_of_a_known_function(tiny: Surrogate) -> None:
    series = SeriesReader(tiny.geometry, tiny.planet, "olivine", EVOLUTION_PARAMETERS)
    networks: Any = Known(*tiny.geometry.shape)
    known = Sensitivity(networks, series, EVOLUTION_PARAMETERS, tiny.geometry)
    indices = known.sobol_indices(np.array([1.0]), 1024, "fnn", 0)
    expected = [0.8, 0, 0, 0, 0.2]
    for kind in ("first", "total"):
        found = indices[f"mean_temperature_{kind}"].values[:, 0]
        np.testing.assert_allclose(found, expected, atol=0.01)
        assert indices[f"profile_{kind}"].dims == ("parameter", "time", "radius")
        assert np.all(np.isnan(indices[f"surface_heat_flux_{kind}"]))  # no difference to the wall, no flux


def test_sobol_indices_of_a_surrogate_add_up(tiny: Surrogate) -> None:
    indices = tiny.sobol_indices(time=[1, 4], samples=64)
    for name in ("profile", *SERIES, *LITHOSPHERE):
        total = indices[f"{name}_total"].sum("parameter", skipna=False).values
        total = total[np.isfinite(total)]
        assert np.all(total > 0.9)
    assert np.all(np.isnan(indices.profile_first.isel(radius=-1)))  # the surface never varies
    with pytest.raises(QueryError, match="samples"):
        tiny.sobol_indices(samples=1)
    with pytest.raises(QueryError, match="a power of two, got 100"):
        tiny.sobol_indices(samples=100)
