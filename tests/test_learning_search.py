"""The search for settings: starts from what there is, goes on where it stopped, refuses what it cannot search."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from learning_examples import parameters, training

from surrogate.config import SearchSettings
from surrogate.learning.studies.search import changed, search_settings, starting_point
from surrogate.parameters import EVOLUTION_PARAMETERS
from surrogate.settings import ResidualFnnSettings

SETTINGS = ResidualFnnSettings(width=8, depth=2, members=2, training=training(epochs=2))
RANGES = {"width": (4, 16), "learning_rate": (1e-3, 3e-2)}


@pytest.fixture(scope="module")
def latents() -> Any:
    table = parameters(24)
    times = np.tile(np.linspace(0.0, 4.5, 6), (24, 1))
    values = np.log10(table[:, :1])[:, None] * np.sin(times)[..., None] * np.array([1.0, -2.0])
    return xr.Dataset(
        {"latent": (("simulation", "time", "component"), values.astype(np.float32))},
        {
            "simulation": np.arange(24),
            "split": ("simulation", np.array([0] * 16 + [1] * 4 + [2] * 4)),
            "snapshot_count": ("simulation", np.full(24, 6)),
            "snapshot_time": (("simulation", "time"), times),
            **{name: ("simulation", table[:, column]) for column, name in enumerate(EVOLUTION_PARAMETERS.names)},
        },
    )


def test_a_stopped_search_goes_on_and_never_ends_worse_than_it_began(latents: Any, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    journal = tmp_path / "search/journal.log"
    first, _ = search_settings(latents, SETTINGS, SearchSettings(trials=2, ranges=RANGES), journal, None)
    assert len(first) == 2
    began = first[first.trial == 0].iloc[0]
    assert (began.width, began.learning_rate) == (8, pytest.approx(3e-3))
    whole, best = search_settings(latents, SETTINGS, SearchSettings(trials=4, ranges=RANGES), journal, None)
    assert sorted(whole.trial) == [0, 1, 2, 3]
    assert whole.loss.is_monotonic_increasing
    assert whole.loss[0] <= began.loss
    assert whole.learning_rate.nunique() == 4, "a resumed search drew the same points again"
    assert best == {"width": whole.width[0], "learning_rate": whole.learning_rate[0]}
    assert whole.set_index("trial").loss[0] == began.loss
    # Other runs are another search: nothing of this one counts.
    other, _ = search_settings(
        latents.isel(simulation=slice(2, None)), SETTINGS, SearchSettings(trials=1, ranges=RANGES), journal, None
    )
    assert len(other) == 1


def test_starting_point_is_moved_into_the_ranges() -> None:
    plan = SearchSettings(ranges={"width": (16, 64), "learning_rate": (1e-4, 1e-3)})
    assert starting_point(SETTINGS, plan) == {"width": 16, "learning_rate": 1e-3}


def test_unknown_settings_are_named(latents: Any, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    plan = SearchSettings(ranges={"colour": (1, 2)})
    with pytest.raises(ValueError, match="ResidualFnnSettings has no setting 'colour'"):
        search_settings(latents, SETTINGS, plan, tmp_path / "journal.log", None)
    with pytest.raises(ValueError, match="expected low < high"):
        SearchSettings(ranges={"width": (8, 8)})


def test_without_optuna_the_extra_is_named(latents: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"pip install 'surrogate\[search\]'"):
        search_settings(latents, SETTINGS, SearchSettings(), tmp_path / "journal.log", None)


def test_changed_settings_are_validated() -> None:
    with pytest.raises(ValueError, match="width"):
        changed(SETTINGS, {"width": 0})
