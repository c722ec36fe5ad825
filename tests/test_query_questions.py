"""Questions that users write: labels, units, slips, and what lies too far outside to be answered."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from query_examples import POINT

from surrogate.parameters import EVOLUTION_PARAMETERS as SPACE
from surrogate.parameters import Parameter, ParameterSpace
from surrogate.query import OutOfRangeWarning, QueryError, Surrogate, read_sets, read_times
from surrogate.query.extrapolation import likely_slip
from surrogate.units import unit_registry

VALUES = {
    "reference_viscosity": 1e21,
    "activation_energy": 3e5,
    "activation_volume": 7e-6,
    "crustal_enrichment": 25.0,
    "initial_temperature": 1700.0,
}
ORDER = ("initial_temperature", "activation_volume", "reference_viscosity", "crustal_enrichment", "activation_energy")
SHUFFLED = {name: VALUES[name] for name in ORDER}
ROW = list(VALUES.values())
TWO = np.array([ROW, [2 * value for value in ROW]])
COLUMNS = dict(zip(VALUES, TWO.T, strict=True))


def shuffled(column: Any) -> Any:
    """The second set first."""
    return {name: column(TWO[::-1, number], ["b", "a"]) for number, name in enumerate(VALUES)}


@pytest.mark.parametrize(
    "given_as",
    [
        pd.Series(SHUFFLED),
        pd.Series({**SHUFFLED, "split": 1.0}),
        next(pd.DataFrame([SHUFFLED]).itertuples()),
        xr.DataArray(list(SHUFFLED.values()), {"parameter": list(ORDER)}, ["parameter"]),
        xr.Dataset(SHUFFLED),
        np.array([tuple(SHUFFLED.values())], dtype=[(name, float) for name in ORDER])[0],
    ],
    ids=["series", "row of a table", "named tuple", "data array", "dataset", "record"],
)
def test_one_set_is_read_by_its_labels(given_as: Any) -> None:
    sets = read_sets(given_as)
    assert sets.single
    np.testing.assert_array_equal(sets.values, [ROW])


TABLE = pd.DataFrame(TWO, columns=list(VALUES), index=["hot", "cold"])[list(ORDER)]


@pytest.mark.parametrize(
    ("given_as", "labels"),
    [
        (TABLE, ["hot", "cold"]),
        (TABLE.T, ["hot", "cold"]),
        (TABLE.set_index(pd.Index([1.5, 2.5])), ["1.5", "2.5"]),
        (TABLE.set_index(pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])), ["a 1", "b 2"]),
        (TABLE.set_index(pd.Index([4, 4])), [0, 1]),
        (TABLE.to_xarray(), ["hot", "cold"]),
        (TABLE.to_xarray().to_dataarray("parameter"), ["hot", "cold"]),
        (TABLE.to_xarray().to_dataarray("parameter").T, ["hot", "cold"]),
        ([row for _, row in TABLE.iterrows()], [0, 1]),
        (list(TABLE.itertuples()), [0, 1]),
        (TABLE.to_records(index=False), [0, 1]),
        (shuffled(lambda column, index: pd.Series(column, index=index)), ["b", "a"]),
    ],
)
def test_many_sets_are_read_by_their_labels_which_the_answer_keeps(given_as: Any, labels: Any) -> None:
    sets = read_sets(given_as)
    assert not sets.single
    assert sets.labels.tolist() == labels
    np.testing.assert_array_equal(sets.values, TWO[::-1] if labels == ["b", "a"] else TWO)


def test_columns_are_aligned_by_their_index() -> None:
    mixed: dict[str, Any] = {**VALUES, **{name: pd.Series(COLUMNS[name], ["a", "b"]) for name in ORDER[:3]}}
    mixed[ORDER[1]] = mixed[ORDER[1]][::-1]
    mixed[ORDER[3]] = xr.DataArray(COLUMNS[ORDER[3]][::-1], {"run": ["b", "a"]}, ["run"])
    sets = read_sets(mixed)
    assert sets.labels.tolist() == ["a", "b"]
    np.testing.assert_array_equal(sets.values[:, [0, 2, 3, 4]], TWO[:, [0, 2, 3, 4]])
    with pytest.raises(QueryError, match="labels in different orders"):
        read_sets({**mixed, ORDER[4]: COLUMNS[ORDER[4]]})
    mixed[ORDER[1]] = mixed[ORDER[1]].rename({"a": "c"})
    with pytest.raises(QueryError, match="are not those of the other parameters"):
        read_sets(mixed)


def test_text_labels_stay_in_answers_and_their_files(tiny: Surrogate, tmp_path: Path) -> None:
    table = pd.DataFrame([VALUES, VALUES], index=["hot", "cold"])
    for ask in (tiny.predict, tiny.heat_flux):
        answer = ask(table, time=1)
        assert answer.sel(simulation="cold").sizes["time"] == 1
        answer.to_netcdf(tmp_path / "answer.nc", engine="h5netcdf")
        with xr.open_dataset(tmp_path / "answer.nc", engine="h5netcdf") as again:
            assert again.simulation.values.tolist() == ["hot", "cold"]


@pytest.mark.parametrize(
    ("name", "unit", "value"),
    [
        ("initial_temperature", "degC", 1426.85),
        ("initial_temperature", "celsius", 1426.85),
        ("initial_temperature", "degF", 2600.33),
        ("activation_energy", "kJ mol-1", 300.0),
        ("activation_volume", "cm3/mol", 7.0),
        ("activation_volume", "m3 mol-1", 7e-6),
        ("reference_viscosity", "Pa.s", 1e21),
        ("reference_viscosity", "10^21 Pa s", 1.0),
        ("reference_viscosity", "poise", 1e22),
    ],
)
def test_units_are_those_that_the_object_states(name: str, unit: Any, value: Any) -> None:
    told: dict[str, Any] = {
        "scalar": {**VALUES, name: xr.DataArray(value, attrs={"units": unit})},
        "dataset": xr.Dataset({**VALUES, name: ((), value, {"units": unit})}),
        "columns": {**COLUMNS, name: xr.DataArray([value, value], dims="x", attrs={"units": unit})},
        "table": xr.Dataset({key: ("x", [entry] * 2) for key, entry in VALUES.items()}),
    }
    told["table"][name] = ("x", [value, value], {"units": unit})
    if unit != "10^21 Pa s":
        told["text"] = {**VALUES, name: f"{value} {unit}"}
        told["texts"] = pd.DataFrame([{**VALUES, name: f"{value} {unit}"}] * 2)
    column = list(VALUES).index(name)
    for kind, question in told.items():
        np.testing.assert_allclose(read_sets(question).values[:, column], VALUES[name], rtol=1e-9, err_msg=kind)


def test_quantities_of_pint_are_read_wherever_they_stand() -> None:
    hot: Any = unit_registry().Quantity([1426.85, 1526.85], "degC")
    for value in (hot, [hot[0], hot[1]], pd.Series([hot[0], hot[1]], dtype=object)):
        sets = read_sets({**VALUES, "initial_temperature": value})
        np.testing.assert_allclose(sets.values[:, 4], [1700, 1800])
    with pytest.raises(QueryError, match="one unit cannot be that of all parameters"):
        read_sets(unit_registry().Quantity(ROW, "K"))


def test_a_table_of_pint_pandas_is_read_with_its_units() -> None:
    pytest.importorskip("pint_pandas")
    table = pd.DataFrame({name: pd.Series(column) for name, column in COLUMNS.items()})
    table["initial_temperature"] = pd.Series([1426.85, 1526.85], dtype="pint[degC]")
    np.testing.assert_allclose(read_sets(table).values[:, 4], [1700, 1800])


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (xr.DataArray([1000.0, 2000.0], attrs={"units": "Myr"}), [1, 2]),
        (xr.DataArray([1000.0, 2000.0], dims="time", attrs={"units": "Myr"}), [1, 2]),
        (xr.DataArray(1e9, attrs={"units": "years since start"}), [1]),
        (unit_registry().Quantity([500, 1000], "Myr"), [0.5, 1]),
        (pd.Index([0.5, 1.5]), [0.5, 1.5]),
        (range(1, 3), [1, 2]),
    ],
)
def test_times_are_in_the_unit_that_they_state(time: Any, expected: Any) -> None:
    np.testing.assert_allclose(read_times(time, None), expected)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"metod": "lstm"}, r"unknown metod \(did you mean method\?\)"),
        ({"initial_temprature": 1700}, r"unknown initial_temprature \(did you mean initial_temperature\?\)"),
        ({"method": "lsmt"}, r"expected one of fnn, lstm, ensemble \(did you mean lstm\?\)"),
        ({"extrapolate": "no"}, "extrapolate: expected True or False"),
        ({"interval": True}, "interval: expected a level"),
        ({"interval": "90 %"}, "interval: expected a level"),
        ({"time": {"a": 1}}, "time: expected a time"),
        ({"time": 4500}, r"time = 4500 Gyr is outside .* did you mean 4500 Myr\?"),
        ({"time": [1, 2e9]}, r"did you mean 2e\+09 yr\?"),
        ({"activation_energy": 300}, r"activation_energy = 300 J/mol .* did you mean 300 kJ/mol\?"),
        ({"activation_energy": 3e8}, r"did you mean"),
        ({"activation_volume": 7}, r"did you mean 7 cm3/mol\?"),
        ({"reference_viscosity": 21}, r"did you mean 1e\+21 Pa s\?"),
        ({"initial_temperature": 1200}, "initial_temperature = 1200 K is outside the trained"),
        ({"initial_temperature": [1700, 1200]}, "initial_temperature = 1200 K is outside the trained"),
    ],
)
def test_slips_are_named_and_refused(tiny: Surrogate, question: Any, message: str) -> None:
    for ask in (tiny.predict, tiny.heat_flux):
        with pytest.raises(QueryError, match=message):
            ask(**{**POINT, "time": 1, **question})


def test_what_is_somewhat_outside_is_answered_with_a_warning(tiny: Surrogate) -> None:
    for question in ({"time": 5}, {"reference_viscosity": 1e23}, {"initial_temperature": 1550}):
        with pytest.warns(OutOfRangeWarning, match="is outside the trained"):
            answer = tiny.heat_flux(**{**POINT, "time": 1, **question}, interval=0.9)
        assert np.all(np.isfinite(answer.surface_heat_flux_half_width))


def test_far_outside_answers_come_on_demand_without_half_widths(tiny: Surrogate) -> None:
    with pytest.warns(OutOfRangeWarning, match="did you mean 300 kJ/mol"):
        answer = tiny.profile(
            **{**POINT, "activation_energy": [300, 3e5]}, time=[1, 20], interval=0.9, extrapolate=True
        )
    known = np.isfinite(answer.lateral_mean_temperature_half_width).all("radius")
    assert known.values.tolist() == [[False, False], [True, False]]
    assert np.all(np.isfinite(answer.lateral_mean_temperature))


def test_temperatures_that_cannot_be_are_refused(tiny: Surrogate, monkeypatch: pytest.MonkeyPatch) -> None:
    low, high = tiny.bundle.temperature_range
    assert 250 <= low < high < 6000
    expand = tiny.engine.expand

    def hotter(latents: Any, what: Any = "field", progress: Any = None) -> Any:
        return expand(latents, what, progress) + (high - low)

    monkeypatch.setattr(tiny.engine, "expand", hotter)
    outside = {**POINT, "initial_temperature": 1900}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OutOfRangeWarning)
        for ask in (tiny.predict, tiny.profile, tiny.mean_temperature, tiny.heat_flux):
            with pytest.raises(QueryError, match=r"the answer, .* K, cannot be: expected .* extrapolate=True"):
                ask(**outside, time=1)
            ask(**outside, time=1, extrapolate=True)
        monkeypatch.setattr(tiny, "largest_answer", 0.0)
        with pytest.raises(QueryError, match="cannot be"):
            tiny.predict(**outside, time=1).compute()


def test_a_rollout_over_ages_is_refused(tiny: Surrogate) -> None:
    with pytest.raises(QueryError, match="lstm advances step by step"):
        tiny.predict(**POINT, time=1e6, method="lstm", extrapolate=True)


def test_a_slip_is_one_of_unit_or_logarithm() -> None:
    assert likely_slip(2.0, Parameter("depth", "km", 100.0, 2900.0)) is None
    assert likely_slip(0.5, Parameter("rate", "dimensionless", 10.0, 20.0)) is None
    rayleigh = Parameter("rayleigh_number", "dimensionless", 1e5, 1e7, logarithmic=True)
    assert str(likely_slip(6.0, rayleigh)).startswith("1e+06")


def test_a_surrogate_is_opened_from_a_bundle_and_shows_itself(tiny: Surrogate) -> None:
    with pytest.raises(QueryError, match=r"Surrogate\.load"):
        Surrogate()
    page = tiny._repr_html_()
    assert all(name in page for name in (*SPACE.names, "ensemble", "Gyr"))


def test_parameters_are_those_of_the_space() -> None:
    space = ParameterSpace(
        [Parameter("rayleigh", low=1e4, high=1e7, logarithmic=True), Parameter("offset", "m", -5, 5)]
    )
    sets = read_sets(keywords={"offset": ["-1 km", 2], "rayleigh": 1e5}, space=space)
    assert sets.values.tolist() == [[1e5, -1000], [1e5, 2]]
    with pytest.raises(
        QueryError, match=r"missing offset; unknown ofset \(did you mean offset\?\); expected rayleigh, of"
    ):
        read_sets({"rayleigh": 1, "ofset": 1}, space=space)


ODD: list[Any] = [0, -1, 1e300, -1e300, 5e-324, True, None, 1j, object(), float, pd.NA, np.ma.masked]
ODD += ["", "1e21", "1,7e3", "nan K", "1e400", "300 kJ/mol", "soon", "9**9**9", "K", b"1"]
ODD += [[], [[1.0]], {}, {1}, np.datetime64("2020-01-01"), np.timedelta64(5, "D"), xr.DataArray([1.0, 2.0])]
NUMBERS = st.one_of(st.floats(), st.sampled_from(ODD))
TIMES = st.one_of(NUMBERS, st.lists(NUMBERS, max_size=3), st.floats(0, 9), st.lists(st.floats(0, 9), max_size=3))


@given(
    changed=st.dictionaries(st.sampled_from([*SPACE.names, "metod", "x"]), NUMBERS, max_size=2),
    time=TIMES,
    method=st.sampled_from(["fnn", "lstm", "ensemble", "flow", "", None, 3]),
    interval=st.one_of(st.none(), st.floats(), st.sampled_from([0.9, "0.9", True, [0.9]])),
    band=st.sampled_from(["pointwise", "simultaneous", "wide", None]),
    extrapolate=st.booleans(),
    whole=st.sampled_from([None, None, None, 5, "x", [], [1, 2], [None] * 5, [[1.0] * 5] * 2, [POINT, 3], object()]),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_no_question_ends_in_a_traceback_or_a_plausible_wrong_number(
    tiny: Surrogate, changed: Any, time: Any, method: str, interval: Any, band: Any, extrapolate: Any, whole: Any
) -> None:
    named = {**POINT, **changed} if whole is None else changed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            answer = tiny.heat_flux(
                whole, time=time, method=method, interval=interval, band=band, extrapolate=extrapolate, **named
            )
        except QueryError:
            return
    for flux in (answer.surface_heat_flux, answer.core_mantle_boundary_heat_flux):
        # Temperatures below zero, far outside, have no conductivity.
        assert np.all(np.isfinite(flux) | (extrapolate & (answer.in_range == 0)))
    ranges = tiny.ranges(whole, time=time, **named)
    beyond = max(float(np.abs(ranges.beyond).max()), float(ranges.beyond_time.max()))
    if beyond > 1:
        assert extrapolate
        assert not answer.in_range.all()
    if beyond > 0:
        assert not answer.in_range.values.all()
