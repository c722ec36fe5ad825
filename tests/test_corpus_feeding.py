"""What was stored reaches the networks, or an error says which run does not: never NaN."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import xarray as xr
from corpus_samples import write_runs

from surrogate.config import CorpusSettings
from surrogate.corpus import CorpusError, ingest, open_corpus, run_reader
from surrogate.corpus.storage import StoredTemperature
from surrogate.fields import iterate_runs, select_split
from surrogate.learning.batches import SnapshotBatches
from surrogate.learning.scaling import FieldScaler
from surrogate.learning.training import fit
from surrogate.settings import TrainingSettings

SETTINGS = CorpusSettings(validation_fraction=0.2, test_fraction=0.2)
RUN = 4 * 12 * 12 * 16 / 1e9
"""Gigabytes of a run of 12 snapshots."""


def make_store(folder: Path, **changes: Any) -> Any:
    runs = [*write_runs(folder, range(9)), *write_runs(folder, [9], snapshots=10)]
    ingest(runs, folder / "corpus.zarr", SETTINGS.model_copy(update=changes))
    return folder / "corpus.zarr"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return make_store(tmp_path_factory.mktemp("whole"))


def read_all(corpus: Any) -> Any:
    return list(map(run_reader(corpus), range(corpus.sizes["simulation"])))


@pytest.mark.parametrize("encoding", ["float32", "int16"])
def test_runs_of_a_store_are_read_past_dask_and_others_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: Any
) -> None:
    store = make_store(tmp_path, encoding=encoding)
    corpus = open_corpus(store)
    train = select_split(corpus, "train")
    changed = train.assign(temperature=train.temperature + 1)
    other = corpus.isel(simulation=slice(7, 10))
    renamed = corpus.assign_coords(simulation=corpus.simulation.values[::-1].copy())
    expected = [[run.temperature.values for run in iterate_runs(part)] for part in (corpus, train, changed, other)]
    found = [read_all(part) for part in (changed, other, other.load())]
    for ours, theirs in zip(found, [*expected[2:], expected[3]], strict=True):
        for one, another in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, another)
    np.testing.assert_array_equal(read_all(renamed)[1], expected[0][1])  # never by a number that means another run
    monkeypatch.setattr(StoredTemperature, "__getitem__", None)
    for part, theirs in zip((corpus, train), expected, strict=False):
        for one, another in zip(read_all(part), theirs, strict=True):
            np.testing.assert_array_equal(one, another)


def test_a_lost_shard_is_an_error_and_ingesting_again_mends_it(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    corpus = open_corpus(store)
    place = store / "temperature/c/3/0/0/0"
    content = place.read_bytes()
    direct = run_reader(corpus)
    place.unlink()
    for read in (direct, lambda run: corpus.temperature[run].values):
        read(2)
        with pytest.raises(CorpusError, match=r"c/3/0/0/0: no such file; snapshots of run 3 .*variable 'temperature'"):
            read(3)
    with pytest.raises(CorpusError, match=r"corpus\.zarr: 1 of 10 runs are missing.*run 3 \(row 3\), variable 'temp"):
        open_corpus(store)
    ingest(sorted(tmp_path.glob("*.nc")), store, SETTINGS)
    assert place.read_bytes() == content


def test_training_names_the_run_whose_shard_is_lost(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    corpus = open_corpus(store)
    scaler = FieldScaler.fit(corpus)
    train = SnapshotBatches(corpus, scaler, batch_size=8, seed=1, memory=4.5 * RUN)
    judged = SnapshotBatches(corpus, scaler, batch_size=8, memory=4.5 * RUN)
    (image, walls), _ = train[0]
    inputs = [keras.Input(image.shape[1:]), keras.Input(walls.shape[1:])]
    model = keras.Model(inputs, keras.layers.Dense(16)(inputs[0]))
    last = train._plan(0)[0][-1][-1]  # is read in the middle of the first epoch
    (store / f"temperature/c/{last}/0/0/0").unlink()
    with pytest.raises(CorpusError, match=rf"corpus\.zarr.*snapshots of run {last} .*variable 'temperature'"):
        fit(
            model,
            "mse",
            train,
            judged,
            TrainingSettings(epochs=2),
            tmp_path / "fit",
            name="a",
            label="a",
            progress=None,
        )
    with pytest.raises(CorpusError, match=rf"corpus\.zarr: 1 of 10 runs .*run {last} .*variable 'temperature'"):
        FieldScaler.fit(corpus)


def test_nan_in_any_other_store_names_store_run_and_variable(whole: Any, tmp_path: Path) -> None:
    corpus = open_corpus(whole).load()
    corpus.temperature[6, 4:9, 2, 3] = np.nan
    corpus.temperature.encoding = {"chunks": (1, 6, 12, 16)}
    corpus.to_zarr(tmp_path / "rewritten.zarr", consolidated=False)
    rewritten = open_corpus(tmp_path / "rewritten.zarr")
    assert run_reader(rewritten)(5).shape == (12, 12, 16)
    message = r"rewritten\.zarr: run 6: variable 'temperature' is not finite in snapshots \[4, 5, 6, 7, 8\], of 12"
    with pytest.raises(CorpusError, match=message):
        FieldScaler.fit(rewritten)


def test_the_next_epoch_is_read_ahead_and_batches_stay_those_of_seed_and_epoch(whole: Any) -> None:
    corpus = open_corpus(whole)
    scaler = FieldScaler.fit(corpus)
    keywords: dict[str, Any] = {"batch_size": 8, "seed": 3, "memory": 6.5 * RUN}
    ahead = SnapshotBatches(corpus, scaler, **keywords)
    assert ahead.runs_held == 3
    memory = set()
    for epoch in range(3):
        ahead.epoch = epoch
        fresh = SnapshotBatches(xr.open_zarr(whole, chunks=None), scaler, **keywords)  # resumed, and read another way
        fresh.epoch = epoch
        for index in range(len(ahead)):
            for one, other in zip(ahead[index][0], fresh[index][0], strict=True):
                np.testing.assert_array_equal(one, other)
            assert ahead._held
            assert ahead._coming
            memory |= {id(group.memory) for group in (ahead._held, ahead._coming)}
        assert ahead._coming
        assert ahead._coming.runs in ahead._plan(epoch)[0] + ahead._plan(epoch + 1)[0][:1]
    assert ahead._coming
    assert ahead._coming.runs == ahead._plan(3)[0][0]
    assert len(memory) == 2  # the same pages from the first group to the last
    ahead.epoch = 7  # not what was read ahead
    fresh.epoch = 7
    np.testing.assert_array_equal(ahead[2][1], fresh[2][1])
    with pytest.raises(IndexError):
        ahead[len(ahead)]
