"""An ingest beside what a user would write without this package, and the pieces that it is made of.

``python benchmarks/bench_corpus_ingest.py whole [RUNS] [FOLDER] [default|paper] [ROUNDS]`` makes RUNS synthetic runs
(50 x 64, or the paper's 302 x 392; 60 snapshots) and brings them into a store with two workers: by
`surrogate.corpus.ingest`, and by ``xarray.open_mfdataset(...).to_zarr(...)`` on a Dask cluster of as many processes.
Each goes in a process of its own, in turn, ROUNDS times (3); by the clock, from the call to the return, with the start
of the cluster and without; peak memory is the largest sum over the process and its children. The ingest checks, hashes
and splits beside; the other does not.

``... pieces [paper]`` takes CPU time of the pieces; ``... memory [GIGABYTES]`` ingests a sixteenth, a quarter and the
whole of so much float32, each under a limit of memory that the kernel enforces.
"""

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import h5py
import numpy as np
import xarray as xr
import zarr

from surrogate.config import CorpusSettings, DesignSettings
from surrogate.corpus import ingest, make_design, open_corpus, open_run, parameters_of_run, run_reader, statistics
from surrogate.corpus.checks.run import RunCheck
from surrogate.corpus.storage import create_array, encode, open_array, write_snapshots
from surrogate.fields import make_run, write_netcdf
from surrogate.geometry import Geometry
from surrogate.parameters import EVOLUTION_PARAMETERS

SNAPSHOTS = 60
PAPER = Geometry.quarter(300, 392)
DEFAULT = Geometry.quarter(48, 64)
WORKERS = 2


def synthetic_run(number, geometry=PAPER, snapshots=SNAPSHOTS):
    """A run with plumes, boundary layers and noise of 0.02 K, so that it does not compress better than a real one."""
    generator = np.random.default_rng(number)
    design = make_design(DesignSettings(runs=number + 1))
    time_axis = np.linspace(0.075, 4.5, snapshots)
    z = ((geometry.vertical - geometry.vertical[0]) / geometry.thickness)[:, None]
    temperature = np.empty((snapshots, *geometry.shape), dtype=np.float32)
    waves = generator.uniform(2, 30, 12)
    phases = generator.uniform(0, 2 * np.pi, 12)
    for step, moment in enumerate(time_axis):
        field = 250 + 1500 * np.exp(-moment / 9) * np.tanh(8 * (1 - z)) + 400 * np.exp(-12 * z)
        for wave, phase in zip(waves, phases, strict=True):
            field = field + 40 * np.sin(np.pi * z) * np.cos(wave * geometry.lateral + phase + 5 * moment + 9 * z)
        temperature[step] = field + generator.normal(0, 0.02, field.shape)
    temperature[:, -1] = 250.0
    temperature[:, 0] = temperature[:, 0].mean(axis=-1, keepdims=True)
    return make_run(temperature, time_axis, geometry, parameters_of_run(design, number), attributes={"number": number})


def write_runs(folder, runs, geometry, originals=4):
    """Runs of their own (other temperatures, other parameters), each from one of few."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"run_{number:05d}.nc" for number in range(runs)]
    for number, path in enumerate(paths):
        if path.exists():
            continue
        if number < originals:
            write_netcdf(synthetic_run(number, geometry), path)
            continue
        shutil.copyfile(paths[number % originals], path)
        with h5py.File(path, "r+") as file:
            file["temperature"][16:24] += np.float32(0.01 * (number + 1))
            file["activation_energy"][()] *= 1 + 1e-4 * (number + 1)
            file.attrs["number"] = number
    return paths


def watch_memory(peak):
    """Keep the largest sum, MB, of what this process and its children hold (proportional set size)."""
    import psutil

    me = psutil.Process()
    while True:
        total = 0
        for process in [me, *me.children(recursive=True)]:
            try:
                total += process.memory_full_info().pss
            except psutil.Error:
                continue
        peak[0] = max(peak[0], total / 1e6)
        time.sleep(0.05)


def by_surrogate(files, store):
    """All of it: look, plan, read, check, hash, write, split."""
    start = time.perf_counter()
    ingest(files, store, CorpusSettings(tolerated_rejects=0.0), workers=WORKERS)
    return time.perf_counter() - start, 0.0


def by_xarray(files, store):
    """What a user would write: open all of them on the cluster, stack them, write."""
    from distributed import Client, LocalCluster

    begun = time.perf_counter()
    with LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        start = time.perf_counter()
        many = xr.open_mfdataset(
            files,
            engine="h5netcdf",
            combine="nested",
            concat_dim="simulation",
            data_vars="all",
            coords=list(EVOLUTION_PARAMETERS.names),
            compat="override",  # compares nothing: the fastest that there is
            join="override",
            combine_attrs="override",
            parallel=True,
            chunks={"time": -1},
        )
        many.temperature.encoding = {}
        shards = (1, *many.temperature.shape[1:])
        entry = {"chunks": (1, 1, *shards[2:]), "shards": shards, "compressors": zarr.codecs.BloscCodec(cname="lz4")}
        many.to_zarr(store, zarr_format=3, consolidated=False, encoding={"temperature": entry})
        return time.perf_counter() - start, start - begun


WAYS = {"surrogate": by_surrogate, "xarray": by_xarray}


def one_way(way, store, *files):
    """Bring the files into a store in one way, in this process."""
    peak = [0.0]
    threading.Thread(target=watch_memory, args=(peak,), daemon=True).start()
    seconds, cluster = WAYS[way](list(files), store)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = time.process_time() + children.ru_utime + children.ru_stime
    print(json.dumps({"seconds": seconds, "cluster": cluster, "cpu": cpu, "peak": peak[0]}))


def run_apart(*arguments):
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def whole(runs=128, folder=None, grid="default", rounds=3):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(folder or name)
        paths = write_runs(folder / f"raw_{grid}", runs, PAPER if grid == "paper" else DEFAULT)
        found = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way in WAYS:
                store = Path(name) / f"{way}.zarr"
                shutil.rmtree(store, ignore_errors=True)
                found[way].append(run_apart("_one_way", way, str(store), *map(str, paths)))
        ours = open_corpus(Path(name) / "surrogate.zarr")
        theirs = xr.open_zarr(Path(name) / "xarray.zarr", consolidated=False)
        for run in (0, runs // 2, runs - 1):
            np.testing.assert_array_equal(ours.temperature[run].values, theirs.temperature[run].values)
    print(f"{runs} runs of the grid {grid}, {WORKERS} workers; best of {rounds} by the clock, largest peak")
    best = {way: min(entries, key=lambda entry: entry["seconds"]) for way, entries in found.items()}
    for way, entry in best.items():
        peak = max(entry["peak"] for entry in found[way])
        with_start = entry["seconds"] + entry["cluster"]
        print(
            f"{way:<10} {entry['seconds']:7.2f} s ({with_start:.2f} s with the start of the cluster), "
            f"CPU {entry['cpu']:.1f} s, peak {peak:.0f} MB; all: {[round(one['seconds'], 2) for one in found[way]]}"
        )
    ratio = best["surrogate"]["seconds"] / best["xarray"]["seconds"]
    memory_ratio = max(e["peak"] for e in found["surrogate"]) / max(e["peak"] for e in found["xarray"])
    print(f"surrogate / xarray: x {ratio:.2f} by the clock (its own cluster counted, xarray's not), ", end="")
    print(f"x {memory_ratio:.2f} of the memory")


def milliseconds(function, rounds=8):
    """Least CPU time of some rounds, ms."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def pieces(grid="default"):
    geometry = PAPER if grid == "paper" else DEFAULT
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_runs(folder / "raw", 8, geometry)
        ingest(paths, folder / "corpus.zarr")
        corpus = open_corpus(folder / "corpus.zarr")
        read, stock = run_reader(corpus), zarr.open_array(folder / "corpus.zarr/temperature")
        values = read(0)
        create_array(folder / "array", (1, *values.shape), "float32", SNAPSHOTS)
        array = open_array(folder / "array", "r+")

        def read_raw():
            with open_run(paths[0], "native") as run:
                return run.temperature.values

        def check():
            found = RunCheck(0, "run", CorpusSettings())
            found.feed(values)
            return found.moments()

        def library():
            with h5py.File(paths[0]) as file:
                return file["temperature"][...]

        print(f"{grid} grid, {SNAPSHOTS} snapshots, CPU ms a run")
        for label, function in {
            "read the raw run (reader)": read_raw,
            "read the raw run (h5py alone)": library,
            "checks, digest and moments": check,
            "pack as int16": lambda: encode(values, "int16"),
            "write": lambda: write_snapshots(array, 0, 0, values),
            "read a run for training": lambda: read(1),
            "read a run through Dask": lambda: corpus.temperature[1].values,
            "read a run by zarr-python alone": lambda: stock[1],
            "read one snapshot": lambda: corpus.temperature[1, 7].values,
        }.items():
            print(f"  {label:<32} {milliseconds(function):8.2f}")


def memory(gigabytes=1.0):
    """Peak memory of ingests of a sixteenth, a quarter and the whole of a corpus, and of reading from it."""
    with tempfile.TemporaryDirectory() as name:
        size = SNAPSHOTS * PAPER.shape[0] * PAPER.shape[1] * 4 / 1e9
        total = max(16, round(gigabytes / size))
        print(f"up to {total} runs, {total * size:.1f} GB of float32; MB; limit of each process 1 GB")
        for runs in (total // 16, total // 4, total):
            paths = write_runs(Path(name) / "raw", runs, PAPER, originals=2)
            store = Path(name) / f"{runs}.zarr"
            one = run_apart("_limited_ingest", str(store), *map(str, paths))
            two = run_apart("_limited_read", str(store))
            print(f"{runs:>5} runs: ingest {one['peak']:.0f} (imports {one['before']:.0f}); reading {two['peak']:.0f}")
            shutil.rmtree(store)


def own_peak():
    """Largest resident set of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def limited_ingest(store, *paths):
    resource.setrlimit(resource.RLIMIT_DATA, (10**9, 10**9))
    before = own_peak()
    ingest(paths, store, CorpusSettings(tolerated_rejects=0.0))
    print(json.dumps({"before": before, "peak": own_peak()}))


def limited_read(store):
    resource.setrlimit(resource.RLIMIT_DATA, (10**9, 10**9))
    corpus = open_corpus(store)
    generator = np.random.default_rng(0)
    for _ in range(500):
        run, snapshot = generator.integers(corpus.sizes["simulation"]), generator.integers(SNAPSHOTS)
        corpus.temperature[run, snapshot].values  # noqa: B018
    print(json.dumps({"peak": own_peak(), "mean": statistics(corpus)["temperature"]["mean"]}))


if __name__ == "__main__":
    task, *arguments = sys.argv[1:] or [""]
    if task == "whole":
        whole(*map(int, arguments[:1]), *arguments[1:3], *map(int, arguments[3:]))
    elif task == "pieces":
        pieces(*arguments)
    elif task == "memory":
        memory(*map(float, arguments))
    elif task in ("_one_way", "_limited_ingest", "_limited_read"):
        {"_one_way": one_way, "_limited_ingest": limited_ingest, "_limited_read": limited_read}[task](*arguments)
    else:
        sys.exit(__doc__)
