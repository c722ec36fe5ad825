"""What is read and written past the libraries is what the libraries read and write."""

import zlib

import h5py
import numpy as np
import pytest
import xarray as xr
import zarr
from corpus_samples import sample_run, write_runs
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from xarray.core import indexing

from surrogate.config import CorpusSettings
from surrogate.corpus import inflate
from surrogate.corpus.ingest import ingest
from surrogate.corpus.kernels import checksum_of, extremes
from surrogate.corpus.layout import decode, encode, pack_snapshot, temperature_encoding
from surrogate.corpus.readers import ReaderError, open_run
from surrogate.corpus.readers.chunks import ChunkReader
from surrogate.corpus.shards import LazyShards, ShardError, ShardWriter, StorageError, plain_reader
from surrogate.corpus.store import open_corpus
from surrogate.fields import FieldError, open_netcdf

FILTERS = [
    {},
    {"shuffle": True},
    {"compression": "gzip"},
    {"compression": "gzip", "shuffle": True},
    {"compression": "lzf", "shuffle": True},
    {"compression": "gzip", "fletcher32": True},
]


@given(st.data())
def test_chunks_are_read_as_the_library_reads_them(tmp_path_factory, data):
    shape = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple))
    chunks = data.draw(st.one_of(st.none(), st.tuples(*(st.integers(1, extent) for extent in shape))))
    filters = data.draw(st.sampled_from(FILTERS)) if chunks is not None else {}
    dtype = data.draw(st.sampled_from(["<f4", "<f8", ">f4", "<i4"]))
    start = data.draw(st.integers(0, shape[0] - 1))
    stop = data.draw(st.integers(start + 1, shape[0]))
    written = data.draw(st.integers(0, shape[0]))
    path = tmp_path_factory.mktemp("chunks") / "a.h5"
    with h5py.File(path, "w") as file:
        item = file.create_dataset("x", shape, dtype, chunks=chunks, fillvalue=7, **filters)
        item[:written] = np.random.default_rng(0).integers(0, 99, shape)[:written]
    for slow in (False, True):
        with pytest.MonkeyPatch.context() as patch, h5py.File(path) as file:
            if slow:
                patch.setattr(inflate, "deflate", None)
                patch.setattr("surrogate.corpus.readers.chunks.inflate_chunks", inflate.chunk_by_chunk)
            reader = ChunkReader(file["x"])
            usual = chunks is not None and len(shape) < 4 and dtype in ("<f4", "<f8")
            assert reader.direct == (usual and filters in FILTERS[:4])
            for low, high in ((start, stop), (0, shape[0]), (stop - 1, stop)):
                np.testing.assert_array_equal(reader.read(low, high), file["x"][low:high])


@given(st.lists(st.binary(min_size=6, max_size=6), min_size=1, max_size=5), st.data())
def test_streams_of_zlib_are_decompressed_one_by_one_and_all_at_once(parts, data):
    streams = [zlib.compress(part, data.draw(st.integers(0, 9))) for part in parts]
    gap = data.draw(st.integers(0, 3))
    block = np.frombuffer(bytes(gap) + bytes(gap).join(streams), np.uint8)
    lengths = np.array([len(stream) for stream in streams])
    offsets = np.cumsum(lengths + gap) - lengths
    sick = data.draw(st.integers(0, len(parts) - 1))
    broken = lengths.copy()
    broken[sick] -= data.draw(st.integers(1, lengths[sick]))
    beyond = offsets.copy()
    beyond[sick] = len(block)
    for way in (inflate.inflate_chunks, inflate.chunk_by_chunk):
        target = np.zeros((len(parts), 6), np.uint8)
        assert way(block, offsets, lengths, target) == -1
        assert [row.tobytes() for row in target] == parts
        assert way(block, offsets, broken, target) == sick
        assert way(block, beyond, lengths, target) == sick
        for size in (5, 7):
            assert way(block, offsets, lengths, np.zeros((len(parts), size), np.uint8)) == 0


def test_a_corrupt_chunk_is_named(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.random.default_rng(0).normal(size=(4, 50)), chunks=(2, 50), compression="gzip")
        place = file["x"].id.get_chunk_info(1).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 40 : place + 60] = bytes(20)
    path.write_bytes(content)
    with h5py.File(path) as file:
        reader = ChunkReader(file["x"])
        reader.read(0, 2)
        with pytest.raises(ReaderError, match=r"a\.h5: chunk \(2, 0\) of '/x' is truncated or corrupt"):
            reader.read(2, 4)


@settings(max_examples=20)
@given(st.integers(1, 12), st.integers(1, 7), st.sampled_from(["float32", "int16"]))
def test_shards_are_the_bytes_that_zarr_writes(tmp_path_factory, length, per_shard, encoding):
    folder = tmp_path_factory.mktemp("shards")
    per_shard = min(per_shard, length)
    entry = temperature_encoding(encoding, 5, 8, per_shard)
    names = ("dtype", "chunks", "shards", "compressors", "fill_value")
    array = zarr.create_array(folder / "zarr", shape=(1, length, 5, 8), **{name: entry[name] for name in names})
    values = encode(np.random.default_rng(length).uniform(250, 2000, (length, 5, 8)), encoding)
    array[0] = values
    writer = ShardWriter(folder / "ours" / "c" / "0", per_shard)
    for snapshot in values:
        writer.write(snapshot)
    writer.flush()
    theirs = sorted(path for path in (folder / "zarr" / "c").rglob("*") if path.is_file())
    assert len(theirs) == -(-length // per_shard)
    for path in theirs:
        assert (folder / "ours" / path.relative_to(folder / "zarr")).read_bytes() == path.read_bytes()


@settings(max_examples=20)
@given(st.data(), st.sampled_from(["float32", "int16"]))
def test_a_store_is_read_as_zarr_reads_it(tmp_path_factory, data, encoding):
    length = data.draw(st.integers(1, 9))
    per_shard = data.draw(st.integers(1, length))
    entry = temperature_encoding(encoding, 5, 8, per_shard)
    temperature = np.random.default_rng(length).uniform(250, 2000, (2, length, 5, 8)).astype(np.float32)
    temperature[1, data.draw(st.integers(0, length)) :] = np.nan  # a shorter run
    dataset = xr.Dataset({"temperature": (("simulation", "time", "radius", "angle"), temperature)})
    folder = tmp_path_factory.mktemp("store") / "a.zarr"
    dataset.to_zarr(folder, zarr_format=3, consolidated=False, encoding={"temperature": entry})
    lazy = LazyShards(plain_reader(folder))
    ours = xr.DataArray(xr.Variable(dataset.temperature.dims, indexing.LazilyIndexedArray(lazy)))
    expected = xr.open_zarr(folder, consolidated=False).temperature.astype(np.float32)
    forward = [st.slices(size).filter(lambda part: (part.step or 1) > 0) for size in (2, length, 5, 8)]
    axes = [
        st.one_of(st.integers(-size, size - 1), part) for size, part in zip((2, length, 5, 8), forward, strict=True)
    ]
    key = tuple(data.draw(axis) for axis in axes)
    np.testing.assert_array_equal(ours[key].values, expected[key].values)
    np.testing.assert_array_equal(ours.values, expected.values)


def test_a_corrupt_shard_is_named(tmp_path):
    paths = write_runs(tmp_path, range(4))
    ingest(paths, tmp_path / "corpus.zarr", CorpusSettings(validation_fraction=0.25, test_fraction=0.25))
    place = tmp_path / "corpus.zarr/temperature/c/2/0/0/0"
    content = place.read_bytes()
    corpus = open_corpus(tmp_path / "corpus.zarr")
    for broken in (content[:-7], content[:20], b"", content[:-10] + b"x" + content[-9:], b"x" * 999 + content[999:]):
        place.write_bytes(broken)
        with pytest.raises(ShardError, match=r"c/2/0/0/0: truncated or corrupt"):
            corpus.temperature[2].values  # noqa: B018
        corpus.temperature[1].values  # noqa: B018


@given(npst.arrays(np.float32, (4, 5), elements=st.floats(width=32)))
def test_extremes_and_checksum(snapshot):
    low, high = extremes(snapshot)
    if np.all(np.isfinite(snapshot)):
        assert (low, high) == (snapshot.min(), snapshot.max())
    else:
        assert not (np.isfinite(low) and np.isfinite(high))
    with pytest.MonkeyPatch.context() as patch:
        fast = checksum_of(snapshot)
        patch.setattr(inflate, "deflate", None)
        assert checksum_of(snapshot) == fast


@given(npst.arrays(np.float32, (4, 5), elements=st.floats(50, 4095, width=32)))
def test_a_packed_snapshot_is_what_encode_and_decode_say(snapshot):
    packed, unpacked = pack_snapshot(snapshot)
    np.testing.assert_array_equal(packed, encode(snapshot, "int16"))
    np.testing.assert_array_equal(unpacked, decode(packed, "int16"))
    assert np.abs(unpacked - snapshot).max() <= 1 / 32 + 1e-4


def test_a_run_is_opened_as_xarray_opens_it(tmp_path, monkeypatch):
    path = write_runs(tmp_path, [3])[0]
    monkeypatch.setattr("surrogate.corpus.readers.native.open_netcdf", None)  # the general way is not taken
    with open_run(path) as run, open_netcdf(path) as expected:
        xr.testing.assert_equal(run, expected)
        assert run.attrs == expected.attrs
        for name in ("temperature", "time", "radius", "angle", "mean_temperature"):
            assert run[name].attrs["units"] == expected[name].attrs["units"]
        for key in (3, -1, slice(2, 9, 3), slice(9, 2, -2), slice(5, 5), [7, 1], np.array([True] * 4 + [False] * 8)):
            np.testing.assert_array_equal(run.temperature[key], expected.temperature[key])
        np.testing.assert_array_equal(run.temperature[4, -1, 2:7], expected.temperature[4, -1, 2:7])


def test_a_run_that_is_not_plain_goes_the_general_way(tmp_path):
    run = sample_run(3)
    packing = {"dtype": "int16", "scale_factor": 0.1, "add_offset": 1500.0, "_FillValue": -32768}
    run.to_netcdf(tmp_path / "packed.nc", engine="h5netcdf", encoding={"temperature": packing})
    with open_run(tmp_path / "packed.nc") as packed:
        np.testing.assert_allclose(packed.temperature, run.temperature, atol=0.06)
    square = sample_run(3).isel(angle=slice(0, 12), drop=True)
    assert square.temperature.shape[1:] == (12, 12)
    square.transpose("time", "angle", "radius", ...).to_netcdf(tmp_path / "turned.nc", engine="h5netcdf")
    with pytest.raises(FieldError, match=r"turned\.nc: variable 'temperature' has dimensions"):
        open_run(tmp_path / "turned.nc")


class FullDisk:
    """Stands where the shard is being written."""

    @staticmethod
    def value(table):
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_no_fault_of_the_runs(tmp_path, monkeypatch):
    paths = write_runs(tmp_path, range(4))
    chosen = CorpusSettings(validation_fraction=0.25, test_fraction=0.25)
    with monkeypatch.context() as patch:
        patch.setattr("surrogate.corpus.shards.google_crc32c", FullDisk)
        with pytest.raises(StorageError, match=r"c/0/0/0/0: cannot be written: .*No space"):
            ingest(paths, tmp_path / "corpus.zarr", chosen)
    assert ingest(paths, tmp_path / "corpus.zarr", chosen).runs == 4
