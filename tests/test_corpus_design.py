from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surrogate.config import DesignSettings, parse
from surrogate.corpus import DesignError, design_space, make_design, parameters_of_run, read_design, write_design
from surrogate.parameters import EVOLUTION_PARAMETERS, Parameter, ParameterSpace


@given(st.integers(1, 100), st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_within_ranges_and_extended_not_redrawn(runs: Any, seed: Any) -> None:
    small = make_design(DesignSettings(runs=runs, seed=seed))
    large = make_design(DesignSettings(runs=2 * runs, seed=seed))
    assert small.equals(large.iloc[:runs])
    for parameter in EVOLUTION_PARAMETERS:
        assert small[parameter.name].between(parameter.low, parameter.high).all()


def test_logarithmic_parameter_is_uniform_in_its_logarithm() -> None:
    design = make_design(DesignSettings(runs=512))
    exponent = np.log10(design.reference_viscosity)
    counts, _ = np.histogram(exponent, bins=8, range=(19, 22))
    assert counts.tolist() == [64] * 8  # a balanced (t, m, s) net has equal counts in dyadic intervals
    counts, _ = np.histogram(design.activation_energy, bins=8, range=(1e5, 5e5))
    assert counts.tolist() == [64] * 8


def test_seed_changes_the_points() -> None:
    assert not make_design(DesignSettings(runs=4, seed=1)).equals(make_design(DesignSettings(runs=4, seed=2)))


def test_floats_survive_the_table_exactly(tmp_path: Path) -> None:
    design = make_design(DesignSettings(runs=64))
    write_design(design, tmp_path / "design.csv")
    back = read_design(tmp_path / "design.csv")
    assert back.index.name == "simulation"
    assert np.array_equal(back.to_numpy(), design.to_numpy())
    assert parameters_of_run(back, 5).as_array().tolist() == design.loc[5].to_numpy().tolist()
    with pytest.raises(DesignError, match="run 64"):
        parameters_of_run(back, 64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda text: text.replace("energy,activation_volume", "energy,volume"),
            "missing columns .*_volume.*volume",
        ),
        (lambda text: text.replace("\n3,", "\n2,"), "run 2 stands twice"),
        (lambda text: text.replace("\n3,", "\n-3,"), "run numbers"),
        (lambda text: text[: text.index("\n0,") + 1], "no runs"),
        (lambda text: text[: text.rindex(",")] + ",warm\n", "'initial_temperature', run 3.*'warm'"),
        (lambda text: text[: text.rindex(",")] + ",-5\n", "'initial_temperature', run 3.*-5"),
        (lambda text: "", "not a CSV table"),
        (lambda text: text.replace("{", "{{", 1), "parameter 'reference_viscosity' is not JSON"),
    ],
)
def test_a_broken_table_is_named(tmp_path: Path, change: Any, message: str) -> None:
    path = tmp_path / "design.csv"
    write_design(make_design(DesignSettings(runs=4)), path)
    path.write_text(change(path.read_text()))
    with pytest.raises(DesignError, match=message) as caught:
        read_design(path)
    assert str(path) in str(caught.value)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        read_design(tmp_path / "nothing.csv")


def test_columns_follow_the_parameters() -> None:
    assert tuple(make_design(DesignSettings(runs=2)).columns) == EVOLUTION_PARAMETERS.names


def test_the_table_says_what_its_columns_are_and_pandas_reads_it(tmp_path: Path) -> None:
    space = ParameterSpace(
        [
            Parameter("rayleigh_number", low=1e4, high=1e7, logarithmic=True),
            Parameter("tilt", "degree", -30.0, 30.0, r"\phi", 'of the "lid", in degrees'),
        ]
    )
    space = space.with_ranges({"tilt": (-10.0, 10.0)})
    design = make_design(DesignSettings(runs=8), space)
    assert design.tilt.min() < 0
    assert design.tilt.abs().max() <= 10
    write_design(design, tmp_path / "design.csv")
    back = read_design(tmp_path / "design.csv")
    assert design_space(back) == space
    assert parameters_of_run(back, 3)["tilt"] == design.tilt[3]
    np.testing.assert_allclose(pd.read_csv(tmp_path / "design.csv", comment="#", index_col=0), design, rtol=1e-15)


def test_a_table_without_a_description_holds_the_parameters_of_the_simulator(tmp_path: Path) -> None:
    design = make_design(DesignSettings(runs=4))
    design.to_csv(tmp_path / "design.csv", index_label="simulation")
    assert design_space(read_design(tmp_path / "design.csv")) == EVOLUTION_PARAMETERS


def test_a_configuration_narrows_the_ranges_or_fixes_a_parameter() -> None:
    config = parse(
        {
            "design": {"runs": 8},
            "parameters": {
                "reference_viscosity": {"low": "1e20 Pa s", "high": 1e21},
                "activation_energy": {"low": "200 kJ/mol", "high": "0.2 MJ/mol"},
                "crustal_enrichment": {"logarithmic": True},
            },
        }
    )
    design = make_design(config.design, config.make_space())
    assert design.reference_viscosity.between(1e20, 1e21).all()
    assert design.activation_energy.tolist() == [2e5] * 8
    assert (design.crustal_enrichment < 50**0.5).sum() == 4  # even in its logarithm
    assert design_space(design)["initial_temperature"] == EVOLUTION_PARAMETERS["initial_temperature"]
