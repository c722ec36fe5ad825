"""Comparison with GAIA, on eight rows of its table (tests/data/gaia_sample.csv; MIT licence, A. Agarwal)."""

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest

from surrogate.minerals import olivine_conductivity
from surrogate.parameters import Parameters
from surrogate.planet import MARS
from surrogate.settings import EvolutionSettings, Physics
from surrogate.simulator import simulate
from surrogate.simulator.validation.gaia import (
    GAIA_EXAMPLES,
    GAIA_OBSERVABLES,
    PROFILE_RADII,
    compare_gaia,
    compare_gaia_examples,
    observables,
    read_gaia_table,
    summarise,
)

TABLE = Path(__file__).parent / "data" / "gaia_sample.csv"
COARSE = EvolutionSettings(radial_cells=24, angular_cells=32, radial_grading=3.0, snapshots=2)


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame]:
    return compare_gaia(TABLE, tmp_path_factory.mktemp("gaia"), rows=8, settings=COARSE)


def test_even_a_coarse_grid_is_near_gaia(comparison: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    _, summary = comparison
    summary = summary.set_index("observable")
    assert (summary.rows == 8).all()
    assert abs(summary.bias_percent["mean_temperature_a"]) < 4
    assert abs(summary.bias_percent["mean_temperature_b"]) < 4
    assert abs(summary.bias_percent["surface_heat_flux"]) < 25
    assert summary.rank_correlation["surface_heat_flux"] > 0.8


def test_pairs_hold_the_rows_of_the_table(comparison: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    pairs, _ = comparison
    table = read_gaia_table(TABLE)
    for name, column in GAIA_OBSERVABLES.items():
        np.testing.assert_allclose(pairs[f"{name}_gaia"], table.loc[pairs.row, column])
    np.testing.assert_allclose(pairs.crustal_enrichment, table.loc[pairs.row, "crust_enrichment"])


def test_summary_by_hand() -> None:
    pairs = pd.DataFrame({f"{name}_gaia": [1.0, 2.0, 4.0] for name in GAIA_OBSERVABLES})
    for name in GAIA_OBSERVABLES:
        pairs[f"{name}_ours"] = [2.0, 5.0, 3.0]
    first = summarise(pairs).iloc[0]
    assert first.bias == pytest.approx(1.0)
    assert first.bias_percent == pytest.approx(100 * 3 / 7)
    assert first.scatter == pytest.approx(2.0)
    assert first.rank_correlation == pytest.approx(0.5)


@pytest.mark.parametrize("law", ["olivine", "constant"])
def test_fluxes_are_gradients_times_the_conductivity_of_the_table(law: Literal["olivine", "constant"]) -> None:
    settings = COARSE.model_copy(update={"physics": Physics(conductivity=law), "end_time": 0.01})
    run = simulate(Parameters(1e21, 3e5, 6e-6, 10.0, 1700.0), settings)
    found = observables(run, settings)
    actual = float(run.surface_heat_flux[-1])
    conductivity = 4.0 if law == "constant" else olivine_conductivity(MARS.surface_temperature, 0.0)
    assert found["surface_heat_flux"] == pytest.approx(1e3 * actual / conductivity * 4.0)
    # The linear boundary layers of the start: 1450 K over 300 km, conducted with what the rock has.
    assert found["surface_heat_flux"] == pytest.approx(1e3 * 4.0 * 1450 / 300e3, rel=0.1)


def test_examples_are_compared_at_their_times_and_radii(tmp_path: Path) -> None:
    settings = EvolutionSettings(radial_cells=16, angular_cells=24, snapshots=10)
    table = compare_gaia_examples(tmp_path, settings=settings)
    assert len(table) == len(GAIA_EXAMPLES) * 3 * PROFILE_RADII.size
    np.testing.assert_allclose(table.ours - table.published, table.difference)
    assert abs(table.difference.mean()) < 60


def test_a_broken_table_is_named(tmp_path: Path) -> None:
    table = pd.read_csv(TABLE)
    table.drop(columns="crust_enrichment").to_csv(tmp_path / "short.csv", index=False)
    with pytest.raises(ValueError, match=r"short\.csv: columns crust_enrichment are missing"):
        read_gaia_table(tmp_path / "short.csv")
    table["mean_temperature_a_K"] = table["mean_temperature_a_K"].astype(object)
    table.loc[2, "mean_temperature_a_K"] = "warm"
    table.to_csv(tmp_path / "words.csv", index=False)
    with pytest.raises(ValueError, match="mean_temperature_a_K, row 2"):
        read_gaia_table(tmp_path / "words.csv")


def test_too_many_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"1 \.\. 8"):
        compare_gaia(TABLE, tmp_path, rows=9)
