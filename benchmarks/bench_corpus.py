"""Speed and memory of the corpus: ingest against its limits, and feeding batches from the store.

``pytest benchmarks/bench_corpus.py --benchmark-only`` times the pieces on the paper's grid (302 x 392 values a
snapshot); ``python benchmarks/bench_corpus.py memory`` measures the peak memory of ingests of 1, 4 and 16 times as many
runs, each in a process of its own; ``python benchmarks/bench_corpus.py throughput`` compares CPU times.
"""

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import zarr

from surrogate.annulus import Annulus
from surrogate.config import CorpusSettings, DesignSettings
from surrogate.corpus.design import make_design, parameters_of_run
from surrogate.corpus.ingest import ingest
from surrogate.corpus.layout import encode, temperature_encoding
from surrogate.corpus.regrid import Regridder
from surrogate.corpus.stage import Target, stage_run
from surrogate.corpus.store import open_corpus
from surrogate.corpus.survey import Source
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


def throughput():
    """CPU seconds per run of reading alone, writing alone and the whole ingest of a run, and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_runs(folder / "raw", range(4))
        size = SNAPSHOTS * PAPER.shape[0] * PAPER.shape[1] * 4 / 1e6
        regrid = CorpusSettings(radial_cells=150, angular_cells=196)
        for label, settings, grid in (
            ("float32", CorpusSettings(), PAPER),
            ("int16", CorpusSettings(encoding="int16"), PAPER),
            ("float32, regridded to 152 x 196", regrid, Annulus.quarter(150, 196)),
        ):
            array = make_array(folder / "array", settings.encoding, grid, len(paths))
            target = target_for(folder, settings, grid)
            times = {"read": [], "write": [], "all": []}
            for round_ in range(3):
                shutil.rmtree(folder / "journal", ignore_errors=True)
                values = []
                start = time.process_time()
                values = [read_only(path) for path in paths]
                times["read"].append(time.process_time() - start)
                if grid is not PAPER:
                    values = [np.zeros((SNAPSHOTS, *grid.shape), np.float32) + 1000 for _ in paths]
                values = [encode(part, settings.encoding) for part in values]
                start = time.process_time()
                for number, part in enumerate(values):
                    array[number] = part
                times["write"].append(time.process_time() - start)
                start = time.process_time()
                for number, path in enumerate(paths):
                    assert stage_run(number, number, Source(str(path)), target)["accepted"], round_
                times["all"].append(time.process_time() - start)
            read, write, whole = (min(times[name]) / len(paths) for name in ("read", "write", "all"))
            print(
                f"{label}: read {read:.3f}, write {write:.3f}, ingest {whole:.3f} CPU s per run of {size:.1f} MB; "
                f"{max(read, write) / whole:.0%} of the speed of the slower one alone, {size / whole:.0f} MB/s per core"
            )


def memory(base=4):
    """Peak memory of ingests of 1, 4 and 16 times `base` runs, this process and its workers apart."""
    with tempfile.TemporaryDirectory() as name:
        write_runs(Path(name) / "raw", range(2))
        for factor in (1, 4, 16):
            for workers in (1, 2):
                command = [sys.executable, __file__, "_one", name, str(base * factor), str(workers)]
                print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip(), flush=True)


def one(folder, runs, workers):
    """One ingest of `runs` runs, in this process: the peak of memory and the time."""
    folder = Path(folder)
    originals = sorted((folder / "raw").glob("*.nc"))
    paths = []
    for number in range(runs):
        path = folder / "links" / f"run_{number:05d}.nc"
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            run = open_netcdf(originals[number % 2]).load()
            run["temperature"] += np.float32(number)  # each a run of its own
            write_netcdf(run.assign_attrs(number=number), path)
        paths.append(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.monotonic()
    settings = CorpusSettings(tolerated_rejects=0.0)
    summary = ingest(paths, folder / f"corpus_{runs}_{workers}.zarr", settings, workers=workers, memory_limit="3GB")
    seconds = time.monotonic() - start
    main = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    size = runs * SNAPSHOTS * PAPER.shape[0] * PAPER.shape[1] * 4 / 1e6
    print(
        f"{summary.runs} runs, {size / 1e3:.2f} GB, {workers} worker(s): peak of this process {main:.0f} MB "
        f"(before {before:.0f}), largest worker {child:.0f} MB, {seconds:.0f} s"
    )
    shutil.rmtree(folder / f"corpus_{runs}_{workers}.zarr")


if __name__ == "__main__":
    task = sys.argv[1] if len(sys.argv) > 1 else ""
    if task == "_one":
        one(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    elif task in ("memory", "throughput"):
        {"memory": memory, "throughput": throughput}[task]()
    else:
        sys.exit(__doc__)
