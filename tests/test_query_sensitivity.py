import numpy as np
import pytest
from query_examples import POINT

from surrogate.parameters import PARAMETERS, Parameters
from surrogate.query import QueryError, sobol_indices
from surrogate.query.sensitivity import QUANTITIES


def test_derivatives_are_those_of_finite_differences(tiny):
    times = [0.5, 2.0, 4.0]
    slopes = tiny.jacobian(**POINT, time=times)
    middle = Parameters.create(POINT).as_array()
    spans = slopes.span.values
    for column, parameter in enumerate(PARAMETERS):
        step = 0.02 * spans[column]
        moved = np.stack([middle, middle])
        moved[:, column] = parameter.inverse(parameter.transform(middle[column]) + np.array([step, -step]))
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


def test_derivatives_are_named_and_for_one_set_only(tiny):
    slopes = tiny.jacobian(**POINT, time="1 Gyr")
    assert slopes.profile.dims == ("parameter", "time", "radius")
    assert slopes.parameter.values.tolist() == [entry.name for entry in PARAMETERS]
    np.testing.assert_allclose(slopes.profile.isel(radius=-1), 0, atol=1e-6)  # the surface never changes
    with pytest.raises(QueryError, match="one set"):
        tiny.jacobian(**{**POINT, "initial_temperature": [1650, 1700]})


class Known:
    """An additive function of two parameters, whose indices are known."""

    def __init__(self, tiny):
        self.parameter_ranges = {entry.name: (entry.low, entry.high) for entry in PARAMETERS}
        self.default_times, self.conductivity = np.array([1.0]), "olivine"
        self.annulus, self.planet, self.engine = tiny.annulus, tiny.planet, self

    def answer(self, method, parameters, times, what):
        natural = np.stack([entry.transform(parameters[:, i]) for i, entry in enumerate(PARAMETERS)], axis=1)
        low = np.array([entry.transform(entry.low) for entry in PARAMETERS])
        high = np.array([entry.transform(entry.high) for entry in PARAMETERS])
        unit = (natural - low) / (high - low)
        value = 1500 + 200 * unit[:, 0] + 100 * unit[:, 4]
        rows = self.annulus.shape[0]
        if what == "profile":
            return np.tile(value[:, None, None], (1, len(times), rows))
        return np.tile(value[:, None, None, None], (1, len(times), 4, self.annulus.shape[1]))


def test_sobol_indices_of_a_known_function(tiny):
    indices = sobol_indices(Known(tiny), samples=1024)
    expected = [0.8, 0, 0, 0, 0.2]
    for kind in ("first", "total"):
        found = indices[f"mean_temperature_{kind}"].values[:, 0]
        np.testing.assert_allclose(found, expected, atol=0.01)
        assert indices[f"profile_{kind}"].dims == ("parameter", "time", "radius")


def test_sobol_indices_of_a_surrogate_add_up(tiny):
    indices = tiny.sobol_indices(time=[1, 4], samples=64)
    for name in QUANTITIES:
        total = indices[f"{name}_total"].sum("parameter", skipna=False).values
        total = total[np.isfinite(total)]
        assert np.all(total > 0.9)
    assert np.all(np.isnan(indices.profile_first.isel(radius=-1)))  # the surface never varies
    with pytest.raises(QueryError, match="samples"):
        tiny.sobol_indices(samples=1)
