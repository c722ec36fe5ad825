import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surrogate.parameters import EVOLUTION_PARAMETERS, Parameter, Parameters, ParameterSpace

POINT = {
    "reference_viscosity": 1e21,
    "activation_energy": 3e5,
    "activation_volume": 6e-6,
    "crustal_enrichment": 10.0,
    "initial_temperature": 1700.0,
}


@pytest.mark.parametrize("parameter", EVOLUTION_PARAMETERS, ids=EVOLUTION_PARAMETERS.names)
@given(st.floats(0.0, 1.0))
def test_natural_axis_and_back_undo_each_other(parameter: Any, share: Any) -> None:
    value = parameter.low * (parameter.high / parameter.low) ** share
    assert parameter.from_natural(parameter.natural(value)) == pytest.approx(value, rel=1e-12)
    natural = parameter.natural(parameter.low) + share
    assert parameter.natural(parameter.from_natural(natural)) == pytest.approx(natural, rel=1e-12)


def test_the_natural_axis_takes_arrays_and_keeps_order() -> None:
    for parameter in EVOLUTION_PARAMETERS:
        values = np.linspace(parameter.low, parameter.high, 7).reshape(7, 1)
        assert parameter.natural(values).shape == (7, 1)
        assert np.all(np.diff(parameter.natural(values)[:, 0]) > 0)


@given(st.tuples(*(st.floats(p.low, p.high) for p in EVOLUTION_PARAMETERS)))
def test_a_point_survives_dictionary_and_array(values: Any) -> None:
    point = Parameters(*values)
    assert Parameters.create(dict(point)) == point
    assert Parameters.from_array(point.as_array()) == point
    assert point.outside() == []


@pytest.mark.parametrize("name", EVOLUTION_PARAMETERS.names)
def test_a_missing_or_impossible_parameter_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"missing {name}"):
        Parameters.create({key: value for key, value in POINT.items() if key != name})
    for bad in (0, -1.0, float("nan"), "5 bananas", "1 A", None):
        with pytest.raises(ValueError, match=name):
            Parameters.create({**POINT, name: bad})


def test_an_unknown_parameter_is_named() -> None:
    with pytest.raises(ValueError, match="unknown eta"):
        Parameters.create(POINT, eta=1e21)


@pytest.mark.parametrize("values", [[1, 2, 3, 4], np.ones(6), np.ones((1, 5)), []])
def test_an_array_of_the_wrong_shape_is_refused(values: Any) -> None:
    with pytest.raises(ValueError, match="parameters: expected the values of"):
        Parameters.from_array(values)


def test_what_lies_outside_is_described() -> None:
    lines = Parameters.create(POINT, reference_viscosity="1e23 Pa s", initial_temperature=1500).outside()
    assert len(lines) == 2
    assert lines[0].startswith("reference_viscosity = 1e+23 Pa s is outside 1e+19 .. 1e+22")
    assert Parameters.create(POINT).outside({"crustal_enrichment": (20, 30)}) != []


BOX = ParameterSpace(
    [
        Parameter("rayleigh_number", low=1e4, high=1e7, symbol="Ra", logarithmic=True),
        Parameter("internal_heating", low=0.0, high=20.0),
    ]
)


def test_a_space_of_any_parameters_scales_draws_and_reads() -> None:
    drawn = BOX.draw(64, seed=3)
    assert drawn.shape == (64, 2)
    assert np.all((BOX.scale(drawn) >= 0) & (BOX.scale(drawn) <= 1))
    assert np.allclose(BOX.unscale(BOX.scale(drawn)), drawn, rtol=1e-12)
    # Even on the natural axis: half of the Rayleigh numbers lie below the geometric mean.
    assert np.sum(drawn[:, 0] < 10**5.5) == 32
    assert BOX.read({"internal_heating": "5", "rayleigh_number": 1e6}).tolist() == [1e6, 5.0]
    assert BOX.read({"internal_heating": 0, "rayleigh_number": 1e6})[1] == 0.0  # a linear axis may begin at 0
    with pytest.raises(ValueError, match="rayleigh_number: expected a positive value"):
        BOX.read({"internal_heating": 0, "rayleigh_number": 0})
    with pytest.raises(ValueError, match=r"unknown raleigh_number \(did you mean rayleigh_number\?\)"):
        BOX.read({"internal_heating": 0, "raleigh_number": 1})


def test_a_space_survives_json_and_a_point_pickle() -> None:
    again = ParameterSpace.from_dict(json.loads(json.dumps(BOX.as_dict(), allow_nan=False)))
    assert again == BOX
    unknown = ParameterSpace([Parameter("yield_stress", "Pa")])
    assert json.dumps(unknown.as_dict(), allow_nan=False)
    assert np.isnan(ParameterSpace.from_dict(unknown.as_dict())["yield_stress"].low)
    point = Parameters(1e5, 3, space=BOX)
    assert pickle.loads(pickle.dumps(point)) == point
    assert (point.rayleigh_number, point["internal_heating"], len(point)) == (1e5, 3.0, 2)
    assert copy.deepcopy(point) == point
    with pytest.raises(AttributeError):
        _ = point.activation_energy


@pytest.mark.parametrize("parameters", [[], [Parameter("a"), Parameter("a")], [Parameter("not a name")]])
def test_names_are_different_identifiers(parameters: Any) -> None:
    with pytest.raises(ValueError, match="different identifiers"):
        ParameterSpace(parameters)
