from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from query_examples import POINT

from surrogate.parameters import EVOLUTION_PARAMETERS, Parameters
from surrogate.query import QueryError, read_sets, read_times
from surrogate.units import unit_registry

EXPECTED = [1e21, 3e5, 7e-6, 25.0, 1700.0]
TABLE = pd.DataFrame(
    [EXPECTED, EXPECTED], columns=list(EVOLUTION_PARAMETERS.names), index=pd.Index([7, 9], name="simulation")
)
values = st.lists(st.tuples(*(st.floats(p.low, p.high) for p in EVOLUTION_PARAMETERS)), min_size=1, max_size=5)


def quantity(value: Any, unit: Any) -> Any:
    return unit_registry().Quantity(value, unit)


@pytest.mark.parametrize(
    "question",
    [
        {"keywords": POINT},
        {"parameters": POINT},
        {"parameters": Parameters.create(POINT)},
        {"parameters": EXPECTED},
        {"parameters": np.array(EXPECTED)},
        {"parameters": {**POINT, "initial_temperature": 1}, "keywords": {"initial_temperature": "1426.85 degC"}},
        {"keywords": {**POINT, "reference_viscosity": quantity(1e22, "poise")}},
    ],
)
def test_one_set_is_read_in_every_form(question: Any) -> None:
    sets = read_sets(**question)
    assert sets.single
    np.testing.assert_allclose(sets.values, [EXPECTED])


@given(values)
def test_many_sets_are_the_same_in_every_form(rows: Any) -> None:
    array = np.array(rows)
    table = pd.DataFrame(array, columns=list(EVOLUTION_PARAMETERS.names), index=np.arange(len(rows)) + 3)
    dataset = xr.Dataset({name: ("simulation", array[:, i]) for i, name in enumerate(EVOLUTION_PARAMETERS.names)})
    columns = {name: array[:, i] for i, name in enumerate(EVOLUTION_PARAMETERS.names)}
    for given_as in (array, array.tolist(), [Parameters.from_array(row) for row in array], table, dataset):
        sets = read_sets(given_as)
        assert not sets.single
        np.testing.assert_array_equal(sets.values, array)
    np.testing.assert_array_equal(read_sets(keywords=columns).values, array)
    assert read_sets(table).labels.tolist() == list(range(3, 3 + len(rows)))


def test_sequences_of_strings_and_quantities() -> None:
    varied = read_sets(
        keywords={
            **POINT,
            "reference_viscosity": ["1e20 Pa s", 1e21],
            "activation_energy": quantity(np.array([200.0, 300.0]), "kJ/mol"),
        }
    )
    assert varied.values[:, 0].tolist() == [1e20, 1e21]
    assert varied.values[:, 1].tolist() == [2e5, 3e5]
    assert varied.values[:, 4].tolist() == [1700, 1700]


def test_units_of_a_dataset_are_converted() -> None:
    dataset = TABLE.reset_index(drop=True).to_xarray()
    dataset["activation_energy"] = ("index", [300.0, 300.0], {"units": "kJ/mol"})
    np.testing.assert_allclose(read_sets(dataset).values[0], EXPECTED)
    dataset["activation_energy"].attrs["units"] = "K"
    with pytest.raises(QueryError, match="activation_energy: expected a value in J/mol"):
        read_sets(dataset)


def test_a_run_of_a_corpus_can_ask_for_itself() -> None:
    from learning_examples import made_up_corpus

    from surrogate.fields import parameters_of, select_run

    corpus = made_up_corpus(runs=4)
    assert read_sets(corpus).labels.tolist() == [100, 101, 102, 103]
    run = select_run(corpus, 1)
    assert read_sets(run).single
    np.testing.assert_array_equal(read_sets(run).values[0], parameters_of(run).as_array())


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({}, "missing reference_viscosity"),
        ({"keywords": {**POINT, "viscosity": 1}}, "unknown viscosity"),
        ({"keywords": {**POINT, "reference_viscosity": "1e21 K"}}, "reference_viscosity: expected a value in Pa s"),
        ({"keywords": {**POINT, "reference_viscosity": [1e20, 1e21], "activation_energy": [1e5]}}, "equally long"),
        ({"keywords": {**POINT, "reference_viscosity": []}}, "at least one"),
        ({"keywords": {**POINT, "reference_viscosity": [1e20, -1]}}, "reference_viscosity"),
        ({"parameters": EXPECTED[:4]}, r"shape \(5,\) or \(n, 5\)"),
        ({"parameters": [EXPECTED, EXPECTED[:4]]}, "parameters: expected"),
        ({"parameters": []}, "parameters: expected"),
        ({"parameters": [POINT, 3]}, "parameter sets only"),
        ({"parameters": "1e21"}, "parameters: expected"),
        ({"parameters": np.ones((2, 2, 5))}, "shape"),
        ({"parameters": np.array([EXPECTED, [1, 2, np.nan, 4, 5]])}, "activation_volume: .* in row 1"),
        ({"parameters": TABLE.drop(columns="activation_volume")}, "lacks activation_volume"),
        ({"parameters": TABLE.assign(activation_energy=["x", "y"])}, "activation_energy"),
        ({"parameters": TABLE.iloc[:0]}, "at least one"),
        ({"parameters": TABLE, "keywords": {"initial_temperature": 1700}}, "cannot be combined"),
        ({"parameters": TABLE.to_xarray().drop_vars("initial_temperature")}, "lacks initial_temperature"),
    ],
)
def test_what_cannot_be_asked_is_named(question: Any, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        read_sets(**question)


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (None, [1.0, 2.0]),
        (4.5, [4.5]),
        ("500 Myr", [0.5]),
        (["500 Myr", 1, np.float32(2)], [0.5, 1, 2]),
        (np.array(3.0), [3.0]),
        (xr.DataArray([1.0, 2.0], dims="time"), [1, 2]),
        (pd.Series([1.0, 2.0]), [1, 2]),
        (quantity(np.array([1e9, 2e9]), "year"), [1.0, 2.0]),
    ],
)
def test_times_are_read_in_every_form(time: Any, expected: Any) -> None:
    np.testing.assert_allclose(read_times(time, [1.0, 2.0]), expected)


@pytest.mark.parametrize("time", [[], [2, 1], [1, 1], -1, "1 K", "soon", [np.nan], np.ones((2, 2)), [None]])
def test_times_that_make_no_sense_are_refused(time: Any) -> None:
    with pytest.raises(QueryError, match="time: expected"):
        read_times(time, [1.0])
