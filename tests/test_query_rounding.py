import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from query_examples import POINT

from surrogate.query import BundleError, Surrogate, pack_rounded
from surrogate.query.bundle.files import SHIPPED
from surrogate.query.bundle.round import ROUNDED_SIZE, round_to_bits

elements = st.floats(-(2.0**60), 2.0**60, width=32, allow_subnormal=False)
numbers = arrays(np.float32, st.integers(1, 20), elements=elements)


@given(numbers, st.integers(4, 24))
def test_rounding_keeps_so_many_bits(values: Any, bits: int) -> None:
    rounded = round_to_bits(values, bits)
    assert rounded.dtype == np.float32
    assert np.all(np.abs(rounded - values) <= 2.0**-bits * np.abs(values))
    np.testing.assert_array_equal(round_to_bits(rounded, bits), rounded)
    # Counted in the bits themselves: the mantissa ends with zeros.
    assert not np.any(rounded.view(np.uint32) & ((1 << (24 - bits)) - 1))


@pytest.fixture(scope="module")
def rounded(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return pack_rounded(bundle_folder, tmp_path_factory.mktemp("rounded") / "small.zip", 7, "small")


def read(group: Any, path: str, found: dict[str, Any]) -> None:
    for name, entry in group.items():
        if isinstance(entry, h5py.Group):
            read(entry, f"{path}/{name}", found)
        else:
            found[f"{path}/{name}"] = entry[()]


def weights(folder: Path) -> Any:
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*.keras")):
        with zipfile.ZipFile(path) as archive, h5py.File(archive.open("model.weights.h5")) as stored:
            read(stored, str(path.relative_to(folder)), found)
    return found


def test_a_rounded_bundle_is_smaller_and_answers_almost_the_same(
    bundle_folder: Path, rounded: Path, tiny: Surrogate
) -> None:
    small = Surrogate.load(rounded)
    assert small.bundle.description["name"] == "small"
    assert small.bundle.description["rounded"]["significant_bits"] == 7
    assert any("rounded to 7 significant bits" in line for line in small.inspect()["limits"])
    assert small.verify()["passed"]  # the example is that of the rounded weights
    for method in ("fnn", "lstm"):
        exact = tiny.predict(**POINT, time=[1, 4], method=method).temperature
        difference = float(np.abs(small.predict(**POINT, time=[1, 4], method=method).temperature - exact).max())
        assert difference < 10
    before, after = weights(bundle_folder), weights(small.bundle.folder)
    assert before.keys() == after.keys()
    for name, values in before.items():
        assert after[name].dtype == values.dtype
        expected = round_to_bits(values, 7) if values.size >= ROUNDED_SIZE else values
        np.testing.assert_array_equal(after[name], expected)


def test_rounding_is_repeatable(bundle_folder: Path, rounded: Path, tmp_path: Path) -> None:
    again = pack_rounded(bundle_folder, tmp_path / "again.zip", 7, "small")
    assert again.read_bytes() == rounded.read_bytes()


def test_impossible_bits_are_refused(bundle_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="expected 4 to 24"):
        pack_rounded(bundle_folder, tmp_path / "x.zip", 3)
    assert not (tmp_path / "x.zip").exists()


def test_the_demo_comes_with_the_package_and_answers() -> None:
    demo = Surrogate.load("demo")
    assert SHIPPED["demo"].stat().st_size < 7e6
    assert demo.bundle.description["name"] == "demo"
    assert demo.verify()["passed"]
    card = demo.check(
        reference_viscosity=1e21,
        activation_energy=3e5,
        activation_volume=7e-6,
        crustal_enrichment=25,
        initial_temperature=1700,
    )
    assert card["passed"]["surface_temperature_deviation"]
    for method in ("fnn", "lstm", "ensemble"):
        answer = demo.heat_flux(**POINT, time=[0.5, 4.5], method=method, interval=0.9)
        early, late = answer.surface_heat_flux.values
        assert 0.005 < late < early < 0.1  # W/m2; the planet cools
        assert np.all(answer.surface_heat_flux_half_width > 0)
