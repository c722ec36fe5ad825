import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surrogate.parameters import PARAMETER_NAMES, PARAMETERS, Parameters

POINT = {
    "reference_viscosity": 1e21,
    "activation_energy": 3e5,
    "activation_volume": 6e-6,
    "crustal_enrichment": 10.0,
    "initial_temperature": 1700.0,
}


@pytest.mark.parametrize("parameter", PARAMETERS, ids=PARAMETER_NAMES)
@given(st.floats(0.0, 1.0))
def test_transform_and_inverse_undo_each_other(parameter, share):
    value = parameter.low * (parameter.high / parameter.low) ** share
    assert parameter.inverse(parameter.transform(value)) == pytest.approx(value, rel=1e-12)
    natural = parameter.transform(parameter.low) + share
    assert parameter.transform(parameter.inverse(natural)) == pytest.approx(natural, rel=1e-12)


def test_transform_takes_arrays_and_keeps_order():
    for parameter in PARAMETERS:
        values = np.linspace(parameter.low, parameter.high, 7).reshape(7, 1)
        assert parameter.transform(values).shape == (7, 1)
        assert np.all(np.diff(parameter.transform(values)[:, 0]) > 0)


@given(st.tuples(*(st.floats(p.low, p.high) for p in PARAMETERS)))
def test_a_point_survives_dictionary_and_array(values):
    point = Parameters(*values)
    assert Parameters.create(point.as_dict()) == point
    assert Parameters.from_array(point.as_array()) == point
    assert point.outside() == []


@pytest.mark.parametrize("name", PARAMETER_NAMES)
def test_a_missing_or_impossible_parameter_is_named(name):
    with pytest.raises(ValueError, match=f"missing {name}"):
        Parameters.create({key: value for key, value in POINT.items() if key != name})
    for bad in (0, -1.0, float("nan"), "5 bananas", "1 A", None):
        with pytest.raises(ValueError, match=name):
            Parameters.create(POINT, **{name: bad})


def test_an_unknown_parameter_is_named():
    with pytest.raises(ValueError, match="unknown eta"):
        Parameters.create(POINT, eta=1e21)


@pytest.mark.parametrize("values", [[1, 2, 3, 4], np.ones(6), np.ones((1, 5)), []])
def test_an_array_of_the_wrong_shape_is_refused(values):
    with pytest.raises(ValueError, match="parameters: expected the values of"):
        Parameters.from_array(values)


def test_what_lies_outside_is_described():
    lines = Parameters.create(POINT, reference_viscosity="1e23 Pa s", initial_temperature=1500).outside()
    assert len(lines) == 2
    assert lines[0].startswith("reference_viscosity = 1e+23 Pa s is outside 1e+19 .. 1e+22")
    assert Parameters.create(POINT).outside({"crustal_enrichment": (20, 30)}) != []
