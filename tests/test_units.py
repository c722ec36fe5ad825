"""What comes from outside is read in the unit it carries, or refused by name."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from surrogate.units import UnitError, read_quantity, to_magnitude, unit_registry


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("1e21 Pa s", "Pa s", 1e21),
        ("1e21 Pa*s", "Pa s", 1e21),
        ("1e22 poise", "Pa s", 1e21),
        ("300kJ/mol", "J/mol", 3e5),
        ("6 cm^3/mol", "m**3/mol", 6e-6),
        ("6e-6 m³/mol", "m**3/mol", 6e-6),
        ("1400 degC", "K", 1673.15),
        ("500 Myr", "Gyr", 0.5),
        ("10", "dimensionless", 10.0),
        ("+1.7e3", "K", 1700.0),
        (np.float32(1700), "K", 1700.0),
        (np.int64(3), "dimensionless", 3.0),
    ],
)
def test_numbers_with_units_are_read(text: Any, unit: str, value: Any) -> None:
    assert to_magnitude(text, unit, "x") == pytest.approx(value, rel=1e-12)


def test_quantities_are_read() -> None:
    registry = unit_registry()
    assert to_magnitude(registry.Quantity(300, "kJ/mol"), "J/mol", "x") == pytest.approx(3e5)
    assert to_magnitude(registry.Quantity(np.float64(2), "Gyr"), "Gyr", "x") == 2.0


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "K",
        "nan",
        "nan K",
        "inf",
        "1e400",
        "1,7e3 K",
        "1.700,0 K",
        "1700 K; 1",
        "9**9**9",
        "1 K**9**9",
        "1 s",
        "1 blub",
        "1 K K",
        "__import__('os')",
        "1 (K)",
        "17OO K",
        True,
        np.bool_(True),
        None,
        [1.0],
        {},
        np.array([1.0, 2.0]),
        float("nan"),
        -np.inf,
        "3 2 K",
        "10^999 K",
        "1 K/",
        "1 /K",
        "3 C",
        "10 %",
        "MK",
    ],
)
def test_what_is_not_a_temperature_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ValueError, match="initial temperature: expected"):
        to_magnitude(value, "K", "initial temperature")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_finite_number_survives_its_text(number: int) -> None:
    assert to_magnitude(repr(number), "K", "x") == number
    assert to_magnitude(f"{number!r} K", "K", "x") == number


SPELLINGS = {
    ("Pa s", 1.0): ["Pa.s", "Pa*s", "Pa·s", "pascal second", "kg m-1 s-1", "kg/(m s)", "[Pa s]", "Pascal seconds"],
    ("Pa s", 1e21): ["10^21 Pa s", "1e21 Pa.s", "10**21 Pa s", "10²¹ Pa s"],
    ("J/mol", 1e3): ["kJ/mol", "kJ mol-1", "kJ.mol^-1", "kJ mol**-1", "kJ·mol⁻¹", "kilojoule / mole"],
    ("m**3/mol", 1e-6): ["cm3/mol", "cm3 mol-1", "cm³/mol", "cm^3 mol^-1", "1e-6 m3 mol-1", "cm ** 3 / mole"],
    ("Gyr", 1e-3): ["Myr", "Ma", "megayear", "1e6 years", "Myr since 0001-01-01", "1000000 yr", "Megayears"],
    ("Gyr", 1e-9): ["years", "yr", "a", "year", "years since 0000-01-01 00:00", "Years", "julian_year"],
    ("rad", np.pi / 180): ["degree", "degrees", "deg", "°", "degrees_north", "degree_E", "degreesN"],
    ("rad", 1.0): ["rad", "radian", "radians", "1", "dimensionless"],
    ("m", 1e3): ["km", "kilometer", "kilometre", "1000 m"],
    ("W m-2", 1e-3): ["mW m-2", "mW/m2", "mW/m^2", "mW m**-2", "milliwatt / meter ** 2"],
    ("K", 1.0): ["K", "kelvin", "Kelvin", "degK", "deg_K", "degrees Kelvin", "degrees K"],
    ("W/m/K", 1.0): ["W/m/degC", "W m-1 degC-1", "W/(m*K)", "W m-1 K-1"],
    ("dimensionless", 1.0): ["1", "-", "dimensionless", "unitless"],
}


@pytest.mark.parametrize(
    ("spelling", "unit", "factor"), [(each, *key) for key, spelled in SPELLINGS.items() for each in spelled]
)
def test_spellings_of_pint_and_of_udunits_mean_the_same(spelling: Any, unit: str, factor: Any) -> None:
    np.testing.assert_allclose(read_quantity([0.0, 3.0], unit, "x", stated=spelling), [0, 3 * factor], rtol=1e-12)


@pytest.mark.parametrize("spelling", ["degC", "celsius", "Celsius", "deg_C", "degrees C", "degree_Celsius", "°C"])
def test_degrees_celsius_are_shifted_not_multiplied(spelling: Any) -> None:
    np.testing.assert_allclose(read_quantity([0, 1426.85], "K", "x", stated=spelling), [273.15, 1700.0])
    assert to_magnitude(f"1400 {spelling}", "K", "x") == pytest.approx(1673.15)
    assert to_magnitude(f"1400 {spelling}", "K", "x", difference=True) == 1400.0


@pytest.mark.parametrize(
    ("unit", "like"), [("Gyr", "s"), ("m", "m"), ("rad", "rad"), ("K", "K"), ("J/mol", "J/mol"), ("Pa s", "Pa s")]
)
def test_every_unit_that_pint_knows_is_converted_as_pint_does(unit: str, like: Any) -> None:
    registry = unit_registry()
    names = [str(entry) for entry in registry.get_compatible_units(like)]
    if like == "rad":  # pint takes all pure numbers for angles
        names = ["degree", "radian", "turn", "grade", "arcminute", "arcsecond", "mil", "milliarcsecond"]
    for name in names:
        if registry.Unit(name).is_compatible_with("hertz") and like == "s":
            continue
        expected = registry.Quantity(np.array([0.0, 1.0, 7.0]), name).to(unit).magnitude
        np.testing.assert_allclose(read_quantity([0.0, 1.0, 7.0], unit, "x", stated=name), expected, rtol=1e-12)
        if not name.startswith("delta_"):
            assert to_magnitude(f"7 {name}", unit, "x") == pytest.approx(expected[2], rel=1e-12)


@pytest.mark.parametrize(
    ("stated", "unit"),
    [
        ("km", "Gyr"),
        ("K", "m"),
        ("1", "K"),
        ("Pa", "Pa s"),
        ("degree", "dimensionless"),
        ("blub", "K"),
        ("MYR", "Gyr"),
        ("K**9**9", "K"),
        ("m//s", "m"),
        ("3", "K"),
        ("J/(mol", "J/mol"),
        ("Gy", "Gyr"),
        ("m^99", "m"),
    ],
)
def test_a_unit_that_cannot_be_converted_is_named_with_the_one_expected(stated: Any, unit: str) -> None:
    with pytest.raises(UnitError) as caught:
        read_quantity([1.0], unit, "run.nc: variable 'x'", stated=stated)
    for part in ("run.nc: variable 'x'", repr(stated), unit):
        assert part in str(caught.value)


REGISTRY = unit_registry()
MYR = {"units": "Myr"}
CARRIERS = {
    "xarray": xr.DataArray([1000.0, 2000.0], attrs=MYR),
    "xarray, attribute of bytes": xr.DataArray([1000.0, 2000.0], attrs={"Unit": np.bytes_(b"Myr")}),
    "xarray variable": xr.Variable("t", [1000, 2000], MYR),
    "pint in xarray": xr.DataArray(REGISTRY.Quantity(np.array([1000.0, 2000.0]), "Myr"), dims="t"),
    "dask in xarray": xr.DataArray([1000.0, 2000.0], attrs=MYR).chunk(),
    "pint": REGISTRY.Quantity(np.array([1.0, 2.0]), "Gyr"),
    "pint, one by one": [REGISTRY.Quantity(1.0, "Gyr"), REGISTRY.Quantity(2000.0, "Myr")],
    "texts": ["1 Gyr", "2000 Myr"],
    "array of texts": np.array(["1 Gyr", "2000 Myr"]),
    "bytes": np.array([b"1 Gyr", b"2e9 yr"]),
    "texts and numbers": ["1000 Myr", 2.0],
    "tuple": (1, np.float32(2)),
    "pandas, bare": pd.Series([1, 2], dtype="Int64"),
    "pandas, texts": pd.Series(["1 Gyr", "2 Gyr"]),
    "timedelta": np.array([365250, 730500], "timedelta64[D]") * 1_000_000,
}


@pytest.mark.parametrize("value", CARRIERS.values(), ids=CARRIERS.keys())
def test_a_unit_is_read_off_whatever_carries_it(value: Any) -> None:
    np.testing.assert_allclose(read_quantity(value, "Gyr", "time"), [1.0, 2.0])


def test_attributes_of_a_series_and_of_foreign_quantities_count() -> None:
    series = pd.Series([1000.0, 2000.0])
    series.attrs["units"] = "Myr"
    np.testing.assert_allclose(read_quantity(series, "Gyr", "time"), [1.0, 2.0])

    class Foreign(np.ndarray):  # as astropy and unyt do it: an array that numpy would take for bare numbers
        unit, value = "Myr", np.array([1000.0, 2000.0])

    np.testing.assert_allclose(read_quantity(np.zeros(2).view(Foreign), "Gyr", "time"), [1.0, 2.0])


def test_masks_are_nan() -> None:
    np.testing.assert_array_equal(read_quantity(np.ma.masked_equal([1, -9, 2], -9), "K", "x"), [1, np.nan, 2])
    np.testing.assert_array_equal(read_quantity(pd.Series([1, None], dtype="Int64"), "K", "x"), [1, np.nan])


def test_the_configuration_may_state_what_the_file_states_but_nothing_else() -> None:
    times = xr.DataArray([1000.0], attrs=MYR)
    assert read_quantity(times, "Gyr", "t", stated="Ma").tolist() == [1.0]
    with pytest.raises(UnitError, match="t: its unit is 'Myr', but the configuration states 's'"):
        read_quantity(times, "Gyr", "t", stated="s")
    contradictory = xr.DataArray(REGISTRY.Quantity(np.array([1.0]), "Gyr"), dims="t", attrs=MYR)
    with pytest.raises(UnitError, match="its values are in 'gigayear', its attribute units says 'Myr'"):
        read_quantity(contradictory, "Gyr", "t")


@pytest.mark.parametrize(
    "value",
    [
        np.array(["2000-01-01"], "M8[D]"),
        [True],
        [True, 1.0],
        np.array([1j]),
        [[1.0], [1.0, 2.0]],
        [None],
        ["a"],
        object(),
        np.array([object()]),
        xr.DataArray(np.array([True])),
        pd.Series(pd.to_datetime(["2000-01-01"])),
    ],
)
def test_what_is_no_number_is_refused_by_name(value: Any) -> None:
    with pytest.raises(UnitError, match=r"^x: "):
        read_quantity(value, "K", "x")


def test_single_precision_stays_single() -> None:
    assert read_quantity(np.zeros(3, ">f4"), "K", "x", stated="degC").dtype == np.float32
    assert read_quantity(np.zeros(3, "i2"), "K", "x").dtype == np.float64


@given(st.floats(-1e300, 1e300, allow_subnormal=False), st.integers(-300, 300))
def test_powers_of_ten_are_read_exactly(mantissa: Any, power: Any) -> None:
    for text in (f"{mantissa!r}*10^{power} K", f"{mantissa!r} x 10**{power} K"):
        expected = float(f"{mantissa:.17e}".split("e")[0] + f"e{int(f'{mantissa:.17e}'.split('e')[1]) + power}")
        if not np.isfinite(expected):
            continue
        assert to_magnitude(text, "K", "x") == pytest.approx(expected, rel=1e-15, abs=0)
