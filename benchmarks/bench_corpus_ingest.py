"""Speed and memory of whole ingests, beside what the same machine does when it only reads or only writes.

``python benchmarks/bench_corpus_ingest.py throughput`` compares CPU seconds (one process, files in the page cache);
``... clock [RUNS] [FOLDER] [OUTPUT]`` compares by the clock, with two workers, input in the page cache and not, which
wants a machine that does nothing else (files of the input stay in FOLDER for the next time; what is written goes to
OUTPUT, by default there too, and is removed);
``... memory [GIGABYTES] [FOLDER]`` ingests a corpus of so many GB of float32 at 1/16, 1/4 and the whole of its size,
each under a limit of memory that the kernel enforces, and then reads statistics and random batches from the store.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import h5py
import numpy as np
import zarr
from bench_corpus import PAPER, SNAPSHOTS, write_runs
from surrogate.corpus.ingest import ingest
from surrogate.corpus.layout import encode, temperature_encoding
from surrogate.corpus.shards import ShardWriter

from surrogate.annulus import Annulus
from surrogate.config import CorpusSettings
from surrogate.corpus.readers.containers import open_container
from surrogate.corpus.store import open_corpus, statistics

MEGABYTES = SNAPSHOTS * PAPER.shape[0] * PAPER.shape[1] * 4 / 1e6


def cpu(function, rounds=3):
    """Least CPU seconds of some rounds."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def read_by_the_library(path):
    with h5py.File(path) as file:
        file["temperature"][...]


def read_directly(path):
    with open_container(path) as container:
        for start in range(0, SNAPSHOTS, 16):
            container.read("temperature", "K", slice(start, start + 16))


def write_by_zarr(number, folder):
    zarr.open_array(folder / "array")[number] = HELD[0]


def write_directly(number, folder):
    writer = ShardWriter(folder / "shards" / str(number), SNAPSHOTS)
    for snapshot in HELD[0]:
        writer.write(snapshot)
    writer.flush()


HELD = []
"""One run, for the processes that only write."""


def hold(path):
    with h5py.File(path) as file:
        HELD[:] = [file["temperature"][...]]


def replicate(originals, folder, runs):
    """Runs of their own (other temperatures, other parameters), each from one of few."""
    paths = [folder / f"run_{number:05d}.nc" for number in range(runs)]
    folder.mkdir(exist_ok=True)
    for number, path in enumerate(paths):
        if not path.exists():
            shutil.copyfile(originals[number % len(originals)], path)
            with h5py.File(path, "r+") as file:
                file["temperature"][16:24] += np.float32(0.01 * (number + 1))
                file["activation_energy"][()] *= 1 + 1e-4 * (number + 1)
                file.attrs["number"] = number
    return paths


def forget(paths):
    """Drop files from the page cache."""
    os.sync()
    for path in paths:
        with open(path, "rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def clock(runs=120, folder=None, output=None, rounds=1):
    """Seconds per run by the clock with two workers: each task alone, and the whole ingest, of all runs.

    The two processes that only read or only write are up and warm before their clocks start. Of the ingest all
    seconds count, from the call to the return: Dask, the other process and its imports, the plan, the store. What was
    written before is on the disk when a clock starts, so that each has the same memory for what it writes itself.
    """
    with tempfile.TemporaryDirectory(dir=output or folder) as name:
        source, folder = Path(folder or name), Path(name)
        paths = replicate(write_runs(source / "raw", range(8)), source / "many", runs)
        print(f"{runs} runs, 2 workers, seconds per run by the clock", flush=True)
        with get_context("spawn").Pool(2, hold, (paths[0],)) as pool:

            def alone(function, calls):
                pool.starmap(function, calls, chunksize=1)

            def by_zarr():
                alone(write_by_zarr, [(number, folder) for number in range(runs)])

            def by_hdf5():
                alone(read_by_the_library, [(path,) for path in paths])

            def whole():
                ingest(paths, folder / "corpus.zarr", CorpusSettings(), workers=2)

            entry = temperature_encoding("float32", *PAPER.shape, SNAPSHOTS)
            kept = {key: entry[key] for key in ("dtype", "chunks", "shards", "compressors", "fill_value")}
            for state in ("warm", "cold") * rounds:
                seconds = {}
                for label, task in (("HDF5", by_hdf5), ("Zarr", by_zarr), ("ingest", whole)):
                    zarr.create_array(str(folder / "array"), shape=(runs, SNAPSHOTS, *PAPER.shape), **kept)
                    alone(Path.read_bytes, [(path,) for path in paths])
                    forget(paths if state == "cold" else [])
                    start = time.perf_counter()
                    task()
                    seconds[label] = (time.perf_counter() - start) / runs
                    for left in ("array", "corpus.zarr"):
                        shutil.rmtree(folder / left, ignore_errors=True)
                share = max(seconds["HDF5"], seconds["Zarr"]) / seconds["ingest"]
                print(
                    f"{state}: only read by HDF5 {seconds['HDF5']:.4f}, only written by Zarr {seconds['Zarr']:.4f}, "
                    f"whole ingest {seconds['ingest']:.4f}: {share:.0%} of the slower",
                    flush=True,
                )


def throughput(runs=32):
    """CPU seconds per run: reading alone, writing alone, and everything that an ingest does."""
    print(f"{runs} runs of {MEGABYTES:.1f} MB; CPU s per run, best of 3; share: of the speed of the slower one alone")
    row = "{:<32} {:>9} {:>9} {:>9} {:>9} {:>8} {:>7} {:>8}".format
    print(row("", "HDF5", "Zarr", "libdefl.", "shards", "ingest", "share", "of ours"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_runs(folder / "raw", range(runs))

        def by_the_library():
            for path in paths:
                read_by_the_library(path)

        def directly():
            for path in paths:
                read_directly(path)

        for label, settings, grid in (
            ("float32", CorpusSettings(), PAPER),
            ("int16", CorpusSettings(encoding="int16"), PAPER),
            ("float32, onto 152 x 196", CorpusSettings(radial_cells=150, angular_cells=196), Annulus.quarter(150, 196)),
        ):
            ingest(paths, folder / "corpus.zarr", settings)  # also compiles
            corpus = open_corpus(folder / "corpus.zarr")
            values = [encode(corpus.temperature[run].values, settings.encoding) for run in range(runs)]
            entry = temperature_encoding(settings.encoding, *grid.shape, SNAPSHOTS)
            array = zarr.create_array(
                str(folder / "array"),
                shape=(runs, SNAPSHOTS, *grid.shape),
                **{key: entry[key] for key in ("dtype", "chunks", "shards", "compressors", "fill_value")},
                overwrite=True,
            )

            def by_zarr(values=values, array=array):
                for number, part in enumerate(values):
                    array[number] = part

            def as_shards(values=values):
                for number, part in enumerate(values):
                    writer = ShardWriter(folder / "shards" / str(number), SNAPSHOTS)
                    for snapshot in part:
                        writer.write(snapshot)
                    writer.flush()

            def everything(settings=settings):
                shutil.rmtree(folder / "corpus.zarr")
                ingest(paths, folder / "corpus.zarr", settings)

            hdf5, stock, ours, shards, whole = (
                cpu(function) / runs for function in (by_the_library, by_zarr, directly, as_shards, everything)
            )
            numbers = (f"{seconds:.3f}" for seconds in (hdf5, stock, ours, shards, whole))
            print(row(label, *numbers, f"{max(hdf5, stock) / whole:.0%}", f"{max(ours, shards) / whole:.0%}"))


def memory(gigabytes=1.0, folder=None):
    """Peak memory of ingests of a sixteenth, a quarter and the whole of a corpus, and of reading from it."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        total = max(16, round(gigabytes * 1e3 / MEGABYTES))
        print(
            f"corpus of up to {total} runs, {total * MEGABYTES / 1e3:.1f} GB of float32; MB; limit of each process 1 GB"
        )
        write_runs(Path(name) / "raw", range(2))
        for runs in (total // 16, total // 4, total):
            command = [sys.executable, __file__, "_one", name, str(runs)]
            done = subprocess.run(command, capture_output=True, text=True)
            print(done.stdout.strip() if done.returncode == 0 else done.stderr[-2000:], flush=True)


def one(folder, runs):
    """Ingest so many runs, then read from the store, in this process."""
    folder = Path(folder)
    originals = sorted((folder / "raw").glob("*.nc"))
    paths = replicate(originals, folder / "many", runs)
    command = [sys.executable, __file__, "_ingest", str(folder / "corpus.zarr"), *map(str, paths)]
    ingested = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    command = [sys.executable, __file__, "_read", str(folder / "corpus.zarr")]
    read = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    shutil.rmtree(folder / "corpus.zarr")
    print(
        f"{runs:>5} runs, {runs * MEGABYTES / 1e3:6.2f} GB: ingest {ingested['peak']:.0f} "
        f"(imports {ingested['before']:.0f}), {ingested['seconds']:.0f} s; statistics and 2,000 random snapshots "
        f"{read['peak']:.0f} (imports {read['before']:.0f}), {read['milliseconds']:.1f} ms of CPU each, "
        f"mean {read['mean']:.2f} K"
    )


def peak():
    """Largest resident set of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def limited():
    """Hold the data of this process to 1 GB: an allocation beyond it fails."""
    resource.setrlimit(resource.RLIMIT_DATA, (10**9, 10**9))


def only_ingest(store, *paths):
    limited()
    before, start = peak(), time.monotonic()
    ingest(paths, store, CorpusSettings(tolerated_rejects=0.0))
    print(json.dumps({"before": before, "peak": peak(), "seconds": time.monotonic() - start}))


def only_read(store):
    limited()
    before = peak()
    corpus = open_corpus(store)
    mean = statistics(corpus)["temperature"]["mean"]
    generator = np.random.default_rng(0)
    start = time.process_time()
    for _ in range(2000):
        run, snapshot = generator.integers(corpus.sizes["simulation"]), generator.integers(SNAPSHOTS)
        corpus.temperature[run, snapshot].values  # noqa: B018
    milliseconds = (time.process_time() - start) / 2
    print(json.dumps({"before": before, "peak": peak(), "milliseconds": milliseconds, "mean": mean}))


TASKS = {
    "throughput": throughput,
    "clock": clock,
    "memory": memory,
    "_one": one,
    "_ingest": only_ingest,
    "_read": only_read,
}

if __name__ == "__main__":
    task, *arguments = sys.argv[1:] or [""]
    if task not in TASKS:
        sys.exit(__doc__)
    if task == "memory":
        memory(*map(float, arguments[:1]), *arguments[1:2])
    elif task == "clock":
        clock(*map(int, arguments[:1]), *arguments[1:3])
    elif task == "_one":
        one(arguments[0], int(arguments[1]))
    else:
        TASKS[task](*arguments)
