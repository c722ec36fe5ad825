"""Observables: the same inside a graph and outside, with known answers, and the errors that bundles know of them."""

import dataclasses

import numpy as np
import pytest
from query_examples import POINT

from surrogate.geometry import Geometry
from surrogate.parameters import EVOLUTION_PARAMETERS, Parameters
from surrogate.planet import MARS
from surrogate.query import BundleError, Observables, QueryError, Surrogate
from surrogate.query.series import SeriesReader

TIMES = [1.0, 4.0]


def test_observables_are_those_that_single_questions_give(tiny: Surrogate) -> None:
    sets = EVOLUTION_PARAMETERS.draw(8, 3)
    sets = np.clip(sets, [p.low for p in tiny.space], [p.high for p in tiny.space])
    found = tiny.observables().evaluate(sets, TIMES, tiny.observables().names)
    flux, mean = tiny.heat_flux(sets, time=TIMES), tiny.mean_temperature(sets, time=TIMES)
    profile = tiny.profile(sets, time=TIMES).lateral_mean_temperature.values
    for name, expected in {
        "surface_heat_flux": flux.surface_heat_flux,
        "core_mantle_boundary_heat_flux": flux.core_mantle_boundary_heat_flux,
        "mean_temperature": mean.mean_temperature,
        "core_temperature": profile[..., 0],
    }.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-5)
    with_crust = found["surface_heat_flux"] + found["crust_heat_flux"]
    np.testing.assert_allclose(found["total_surface_heat_flux"], with_crust)


def test_the_graph_gives_the_same_values_and_derivatives(tiny: Surrogate) -> None:
    import keras

    observables, point = tiny.observables(), np.array([[0.4, 0.5, 0.6, 0.3, 0.5]])
    wanted = [(name, time) for time in TIMES for name in observables.names]
    values = np.asarray(observables.graph(point.astype(np.float32), wanted))
    expected = observables.evaluate(tiny.space.unscale(point), TIMES, observables.names)
    np.testing.assert_allclose(values[0], [expected[name][0, TIMES.index(time)] for name, time in wanted], rtol=2e-5)
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    with tf.GradientTape() as tape:
        unit = tf.convert_to_tensor(point.astype(np.float32))
        tape.watch(unit)
        observed = observables.graph(unit, wanted)
    slopes = tape.jacobian(observed, unit).numpy()[0, :, 0]  # (observable, parameter), per range
    known = tiny.jacobian(tiny.space.unscale(point), time=TIMES)
    for row, (name, time) in zip(slopes, wanted, strict=True):
        if name in known:
            per_range = (known[name] * known.span).sel(time=time).values
            np.testing.assert_allclose(row, per_range, rtol=1e-3, atol=1e-3 * np.abs(per_range).max())


def test_a_lithosphere_on_an_adiabat_is_found_where_it_ends() -> None:
    geometry, energy = Geometry.quarter(170, 8), 3e5
    reader = SeriesReader(geometry, MARS, "constant", EVOLUTION_PARAMETERS)
    adiabat = 1700.0 * np.exp(MARS.expansivity * MARS.gravity * geometry.depth / MARS.mantle_heat_capacity)
    lid = 250.0 + 4e-3 * geometry.depth
    found = reader.lithosphere(np.minimum(adiabat, lid)[None], np.array([energy]))
    base = 1700.0 - 2.9 * 8.314 * 1700.0**2 / energy
    assert found["potential_temperature"][0] == pytest.approx(1700.0, abs=0.1)
    assert found["lithosphere_thickness"][0] == pytest.approx((base - 250.0) / 4e-3, rel=1e-3)
    assert found["lithosphere_gradient"][0] == pytest.approx(4e-3, rel=1e-3)


def test_new_bundles_know_the_errors_of_all_observables(tiny: Surrogate) -> None:
    answer = tiny.observe(**POINT, time=TIMES, interval=0.683)
    assert {"lithosphere_thickness", "total_surface_heat_flux", "urey_ratio"} <= set(answer.data_vars)
    flux = tiny.heat_flux(**POINT, time=TIMES, interval=0.683)
    for name in ("total_surface_heat_flux", "surface_heat_flux"):
        np.testing.assert_allclose(answer[f"{name}_half_width"], flux.surface_heat_flux_half_width, rtol=1e-6)
    relative = answer.urey_ratio_half_width / answer.urey_ratio
    expected = flux.surface_heat_flux_half_width / answer.total_surface_heat_flux
    np.testing.assert_allclose(relative, expected, rtol=1e-6)
    assert np.all(answer.lithosphere_thickness_half_width > 0)
    assert np.all(answer.crust_heat_flux_half_width == 0)


def test_a_simulated_field_is_read_like_a_predicted_one(tiny: Surrogate) -> None:
    run = tiny.predict(**POINT, time=TIMES)
    read = tiny.observables().read(run.temperature.values, Parameters.create(POINT).as_array(), TIMES)
    answer = tiny.observe(**POINT, time=TIMES)
    for name in answer.data_vars:
        if name in read:
            np.testing.assert_allclose(read[name], answer[name], rtol=1e-6, err_msg=str(name))


def test_what_a_bundle_cannot_tell_is_refused_by_name(tiny: Surrogate) -> None:
    with pytest.raises(QueryError, match=r"'surface_flux' \(did you mean surface_heat_flux\?\)"):
        tiny.observe("surface_flux", **POINT)
    old = Observables(dataclasses.replace(tiny.bundle, crust_heating="unknown"), tiny.engine)
    assert "total_surface_heat_flux" not in old.offered
    with pytest.raises(BundleError, match=r"total_surface_heat_flux: .* \(crust_heating\)"):
        old.check("total_surface_heat_flux")
