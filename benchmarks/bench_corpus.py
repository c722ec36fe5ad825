"""Speed of the pieces of the corpus on the paper's grid (302 x 392 values a snapshot).

``pytest benchmarks/bench_corpus.py --benchmark-only``
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from surrogate.corpus.ingest import ingest
from surrogate.corpus.layout import encode, temperature_encoding
from surrogate.corpus.stage import Target, stage_run
from surrogate.corpus.survey import Source

from surrogate.annulus import Annulus
from surrogate.config import CorpusSettings, DesignSettings
from surrogate.corpus.design import make_design, parameters_of_run
from surrogate.corpus.regrid import Regridder
from surrogate.corpus.store import open_corpus
from surrogate.fields import make_run, open_netcdf, write_netcdf

SNAPSHOTS = 60
PAPER = Annulus.quarter(300, 392)
DEFAULT = Annulus.quarter(48, 64)


def synthetic_run(number, annulus=PAPER, snapshots=SNAPSHOTS):
    """A run with plumes, boundary layers and noise of 0.02 K, so that it does not compress better than a real one."""
    generator = np.random.default_rng(number)
    design = make_design(DesignSettings(runs=number + 1))
    time = np.linspace(0.075, 4.5, snapshots)
    z = ((annulus.radius - annulus.radius[0]) / annulus.thickness)[:, None]
    temperature = np.empty((snapshots, *annulus.shape), dtype=np.float32)
    waves = generator.uniform(2, 30, 12)
    phases = generator.uniform(0, 2 * np.pi, 12)
    for step, moment in enumerate(time):
        field = 250 + 1500 * np.exp(-moment / 9) * np.tanh(8 * (1 - z)) + 400 * np.exp(-12 * z)
        for wave, phase in zip(waves, phases, strict=True):
            field = field + 40 * np.sin(np.pi * z) * np.cos(wave * annulus.angle + phase + 5 * moment + 9 * z)
        temperature[step] = field + generator.normal(0, 0.02, field.shape)
    temperature[:, -1] = 250.0
    temperature[:, 0] = temperature[:, 0].mean(axis=-1, keepdims=True)
    return make_run(temperature, time, annulus, parameters_of_run(design, number), attributes={"number": number})


def write_runs(folder, numbers, annulus=PAPER):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"run_{number:05d}.nc" for number in numbers]
    for number, path in zip(numbers, paths, strict=True):
        if not path.exists():
            write_netcdf(synthetic_run(number, annulus), path)
    return paths


def make_array(folder, encoding, annulus=PAPER, runs=1):
    entry = temperature_encoding(encoding, *annulus.shape, SNAPSHOTS)
    return zarr.create_array(
        str(folder),
        shape=(runs, SNAPSHOTS, *annulus.shape),
        **{name: entry[name] for name in ("dtype", "chunks", "shards", "compressors", "fill_value")},
        overwrite=True,
    )


def target_for(folder, settings, annulus=PAPER):
    faces = (tuple(annulus.radius_faces.tolist()), tuple(annulus.angle_faces.tolist()))
    return Target(settings, *faces, None, SNAPSHOTS, str(folder / "array"), str(folder / "journal"))


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return write_runs(tmp_path_factory.mktemp("raw"), range(1))[0]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    ingest(write_runs(folder / "raw", range(16), DEFAULT), folder / "corpus.zarr")
    return folder / "corpus.zarr"


def read_only(path):
    with open_netcdf(path) as run:
        return run.temperature.values


def test_decompress_input(benchmark, raw):
    benchmark(read_only, raw)


@pytest.mark.parametrize("encoding", ["float32", "int16"])
def test_compress_output(benchmark, raw, tmp_path, encoding):
    values = encode(read_only(raw), encoding)
    array = make_array(tmp_path / "array", encoding)
    benchmark(array.__setitem__, 0, values)


@pytest.mark.parametrize("encoding", ["float32", "int16"])
def test_ingest_one_run(benchmark, raw, tmp_path, encoding):
    make_array(tmp_path / "array", encoding)
    target = target_for(tmp_path, CorpusSettings(encoding=encoding))

    def again():
        shutil.rmtree(tmp_path / "journal", ignore_errors=True)
        assert stage_run(0, 0, Source(str(raw)), target)["accepted"]

    benchmark(again)


def test_regrid_one_run(benchmark, raw):
    values = read_only(raw)
    regridder = Regridder(PAPER, Annulus.quarter(150, 196))
    benchmark.pedantic(regridder, (values,), rounds=3)


def test_random_snapshot(benchmark, store):
    corpus = open_corpus(store)
    generator = np.random.default_rng(0)

    def read():
        run, snapshot = generator.integers(16), generator.integers(SNAPSHOTS)
        return corpus.temperature[run, snapshot].values

    benchmark(read)


def test_whole_run(benchmark, store):
    corpus = open_corpus(store)
    benchmark(lambda: corpus.temperature[3].values)
