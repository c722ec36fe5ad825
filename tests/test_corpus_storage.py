"""What is written is what is read, with the codecs of zarrs and without; what is lost or broken is named."""

import os
import pickle
import signal
import tracemalloc
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import xarray as xr
import zarr
from corpus_samples import sample_run, tree_digest, write_runs
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from xarray.core import indexing

from surrogate.config import CorpusSettings
from surrogate.corpus import CorpusError, RunRecord, ingest, open_corpus, run_reader, storage
from surrogate.corpus.checks.run import RunCheck
from surrogate.corpus.storage import (
    PACKING,
    StorageError,
    StoredTemperature,
    create_array,
    decode,
    encode,
    open_array,
    temperature_encoding,
    write_snapshots,
)
from surrogate.geometry import Geometry

SMALL = CorpusSettings(validation_fraction=0.25, test_fraction=0.25)
CODECS = ["zarrs", None]


def with_codecs(patch: Any, codecs: Any) -> None:
    if codecs is None:
        patch.setattr(storage, "zarrs", None)
    else:
        pytest.importorskip("zarrs")


@settings(max_examples=20)
@given(st.integers(1, 12), st.integers(1, 7), st.sampled_from(["float32", "int16"]))
def test_shards_are_the_same_bytes_whichever_codecs_write_them(
    tmp_path_factory: pytest.TempPathFactory, length: Any, per_shard: Any, encoding: Any
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    per_shard = min(per_shard, length)
    values = encode(np.random.default_rng(length).uniform(250, 2000, (length, 5, 8)), encoding)
    found = []
    for codecs in CODECS:
        with pytest.MonkeyPatch.context() as patch:
            with_codecs(patch, codecs)
            place = folder / str(codecs)
            create_array(place, (1, length, 5, 8), encoding, per_shard)
            for start in range(0, length, per_shard):
                write_snapshots(open_array(place, "r+"), 0, start, values[start : start + per_shard])
            found.append(tree_digest(place))
            for other in (zarr.open_array(place), open_array(place)):
                np.testing.assert_array_equal(np.asarray(other[0:1])[0], values)
    assert found[0] == found[1]
    assert sum(name.startswith("c/") for name in found[0]) == -(-length // per_shard)


@settings(max_examples=20)
@given(st.data(), st.sampled_from(["float32", "int16"]), st.sampled_from(CODECS))
def test_a_store_is_read_as_xarray_reads_it(
    tmp_path_factory: pytest.TempPathFactory, data: Any, encoding: Any, codecs: Any
) -> None:
    length = data.draw(st.integers(1, 9))
    per_shard = data.draw(st.integers(1, length))
    entry = temperature_encoding(encoding, 5, 8, per_shard)
    temperature = np.random.default_rng(length).uniform(250, 2000, (2, length, 5, 8)).astype(np.float32)
    count = data.draw(st.integers(0, length))
    temperature[1, count:] = np.nan  # a shorter run
    dataset = xr.Dataset({"temperature": (("simulation", "time", "radius", "angle"), temperature)})
    folder = tmp_path_factory.mktemp("store") / "a.zarr"
    dataset.to_zarr(folder, zarr_format=3, consolidated=False, encoding={"temperature": entry})
    forward = [st.slices(size).filter(lambda part: (part.step or 1) > 0) for size in (2, length, 5, 8)]
    axes = [
        st.one_of(st.integers(-size, size - 1), part) for size, part in zip((2, length, 5, 8), forward, strict=True)
    ]
    key = tuple(data.draw(axis) for axis in axes)
    expected = xr.open_zarr(folder, consolidated=False).temperature.astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        with_codecs(patch, codecs)
        stored = StoredTemperature(folder / "temperature", *PACKING[encoding], (7, 8), (length, count))
        for lazy in (stored, pickle.loads(pickle.dumps(stored))):
            ours = xr.DataArray(xr.Variable(dataset.temperature.dims, indexing.LazilyIndexedArray(lazy)))
            np.testing.assert_array_equal(ours[key].values, expected[key].values)
            np.testing.assert_array_equal(ours.values, expected.values)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return write_runs(tmp_path_factory.mktemp("raw"), range(4))


@pytest.mark.parametrize("codecs", CODECS)
def test_a_corrupt_shard_is_named(raw: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codecs: Any) -> None:
    with_codecs(monkeypatch, codecs)
    monkeypatch.setattr(storage, "SHARD_BYTES", 4 * 12 * 16 * 5)  # three shards a run
    ingest(raw, tmp_path / "corpus.zarr", SMALL)
    place = tmp_path / "corpus.zarr/temperature/c/2/1/0/0"
    content = place.read_bytes()
    corpus = open_corpus(tmp_path / "corpus.zarr")
    read = run_reader(corpus)
    index, header = content[:-10] + b"x" + content[-9:], b"x" * 999 + content[999:]
    for broken in (content[:-7], content[:20], index, header, b""):
        place.write_bytes(broken)
        what = "(truncated or corrupt|empty)"
        for reading in (read, lambda run: corpus.temperature[run].values):
            with pytest.raises(CorpusError, match=rf"c/2/1/0/0: {what}.* run 2 \(row 2\).*snapshot 5 on"):
                reading(2)
            reading(1)
        corpus.temperature[2, :5].values  # noqa: B018
    with pytest.raises(CorpusError, match=r"c/2/1/0/0: (truncated or corrupt|empty).*snapshot 7 on"):
        corpus.temperature[2, 7:, 3].values  # noqa: B018


@pytest.mark.parametrize("codecs", CODECS)
def test_a_chunk_that_was_never_written_is_an_error(
    raw: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codecs: Any
) -> None:
    with_codecs(monkeypatch, codecs)
    for encoding in ("float32", "int16"):
        path = tmp_path / f"{encoding}.zarr"
        ingest(raw, path, SMALL.model_copy(update={"encoding": encoding}))
        array = zarr.open_array(path / "temperature", mode="r+")
        array[3, 7] = array.fill_value
        corpus = open_corpus(path)
        for reading in (run_reader(corpus), lambda run, corpus=corpus: corpus.temperature[run, 5:, 2:4, -1].values):
            with pytest.raises(CorpusError, match=r"c/3/0/0/0: .* without chunks.*run 3 \(row 3\).*snapshot 7 on"):
                reading(3)


def test_the_settings_of_zarr_stay_those_of_the_user(raw: Any, tmp_path: Path) -> None:
    before = zarr.config.to_dict() if hasattr(zarr.config, "to_dict") else dict(zarr.config.config)
    path = zarr.config.get("codec_pipeline.path")
    ingest(raw, tmp_path / "corpus.zarr", SMALL)
    run_reader(open_corpus(tmp_path / "corpus.zarr"))(0)
    after = zarr.config.to_dict() if hasattr(zarr.config, "to_dict") else dict(zarr.config.config)
    assert (after, zarr.config.get("codec_pipeline.path")) == (before, path)


def test_a_forked_process_goes_on_reading(raw: Any, tmp_path: Path) -> None:
    ingest(raw, tmp_path / "corpus.zarr", SMALL)
    read = run_reader(open_corpus(tmp_path / "corpus.zarr"))
    expected = read(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks of processes with threads
        child = os.fork()
    if not child:
        signal.alarm(120)  # a process that waits for ever is ended
        same = np.array_equal(read(1), expected) and np.array_equal(
            run_reader(open_corpus(tmp_path / "corpus.zarr"))(1), expected
        )
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_full_disk_is_no_fault_of_the_runs(raw: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk:
        store_path = "staging/array"

        def __setitem__(self, key: Any, values: Any) -> None:
            raise OSError(28, "No space left on device")

    def full(array: Any, run: Any, start: Any, stored: Any) -> None:
        write_snapshots(cast(Any, FullDisk()), run, start, stored)

    with monkeypatch.context() as patch:
        patch.setattr("surrogate.corpus.ingestion.convert.write_snapshots", full)
        with pytest.raises(StorageError, match=r"array/c/0: snapshots from 0 on cannot be written: .*No space"):
            ingest(raw, tmp_path / "corpus.zarr", SMALL)
    assert ingest(raw, tmp_path / "corpus.zarr", SMALL).runs == 4


@pytest.mark.parametrize("encoding", ["float32", "int16"])
def test_memory_does_not_grow_with_the_number_of_runs(tmp_path: Path, encoding: Any) -> None:
    """Of arrays, that is: NumPy tells tracemalloc of them, whatever the allocator does."""
    paths = write_runs(tmp_path, range(24), snapshots=60)
    chosen = SMALL.model_copy(update={"encoding": encoding})
    ingest(paths[:4], tmp_path / "warm.zarr", chosen)  # imports, caches
    peaks = []
    for count in (4, 24):
        tracemalloc.start()
        try:
            ingest(paths[:count], tmp_path / f"{count}.zarr", chosen)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    run = 4 * 60 * 12 * 16
    assert peaks[0] > run
    assert peaks[1] - peaks[0] < 10 * run  # of twenty runs more


@given(npst.arrays(np.float32, (3, 4, 5), elements=st.floats(1, 4095, width=32) | st.sampled_from([np.nan, np.inf])))
def test_one_value_that_is_not_finite_is_seen_in_any_encoding(temperature: Any) -> None:
    for encoding in ("float32", "int16"):
        check = RunCheck(0, "run", SMALL)
        finite = check.feed(decode(encode(temperature, encoding), *PACKING[encoding]))
        assert finite == np.isfinite(temperature).all()


def test_a_record_survives_json(tmp_path: Path) -> None:
    run = sample_run(3)
    check = RunCheck(3, "run.nc", SMALL)
    check.feed(run.temperature.values)
    check.report("short", "ends early", "warning")
    record = RunRecord(
        "run.nc",
        12,
        34,
        "native",
        3,
        np.array([1e21, 3e5]),
        times=np.array([0.0, 0.1]),
        shape=(12, 16),
        domain=Geometry.quarter(10, 16).domain,
        series={"mean_temperature": np.array([1700.0, np.nan])},
        moments=check.moments(),
        findings=tuple(check.findings),
    )
    back = RunRecord.from_json(record.to_json())
    assert back.to_json() == record.to_json()
    np.testing.assert_array_equal(back.series["mean_temperature"], record.series["mean_temperature"])
    assert back.moments
    assert record.moments
    np.testing.assert_array_equal(back.moments.profile_mean, record.moments.profile_mean)
    assert back.findings == record.findings
    assert back.accepted
