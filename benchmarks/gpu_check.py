"""What a GPU is worth to the simulator, to training and to queries, in at most eight minutes, without a network.

    make gpu-check
    KERAS_BACKEND=jax python benchmarks/gpu_check.py --minutes 8 --output gpu_check.json

Each part runs in a process of its own and has its share of the time; rows are printed as they come, and what a part
has not finished when its time is over is missing. Without a GPU the same program runs on the CPU (`--tiny`: on
small grids, which CI does). The networks are untrained: their speed does not depend on the weights.

- *simulation*: flow solutions a second of a batch in JAX, from states that convect, against Numba on one core of the
  same machine (without Numba from initial states, and against stored times per step: the table says so); runs an hour
  with the mean number of steps of a run.
- *agreement*: the same runs by both engines from the start.
- *training*: samples a second of the paper's and of the default autoencoder.
- *queries*: parameters to fields, and to lateral means, fetched to the host.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

if __name__ == "__main__":  # before NumPy and Keras come; one core is one thread
    os.environ.setdefault("KERAS_BACKEND", "jax")
    os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"})
    sys.path.insert(0, str(Path(__file__).parents[1]))

GRIDS = {"64x96": 512, "128x192": 256, "302x394": 64}
"""Grids of the simulator, and runs side by side on a GPU."""

PAPER = (302, 394)
POINTS = 4
"""Parameter sets of a batch: what goes side by side takes different numbers of iterations."""

STEPS_OF_A_RUN = 9040.0, 0.60
"""Mean of 64 runs over the parameter ranges at 64 cells, and the power of the number of cells (docs/measurements)."""

STORED_MS_PER_STEP = {"64x96": 0.294, "128x192": 1.38, "302x394": 15.4}
"""Of Numba on one core of another machine (docs/measurements/simulator.md, version 1.2)."""

QUERIES = 10_000

Row = dict[str, Any]


def on_gpu() -> bool:
    import jax

    return jax.default_backend() != "cpu"


def numba_works() -> bool:
    """Whether there is Numba; if not, its decorator is replaced, so that the package can be imported."""
    try:
        import numba
    except ImportError:
        stub: Any = ModuleType("numba")
        stub.njit, stub.config = lambda **_: lambda function: function, SimpleNamespace(CACHE_DIR="")
        sys.modules["numba"] = stub
        return False
    return numba.njit.__module__ != __name__


def row(measure: str, value: float, unit: str, core: float | None = None, note: str = "") -> Row:
    """One line of the table; `core` is the same quantity on one CPU core."""
    return {"measure": measure, "value": float(value), "unit": unit, "one_core": core, "note": note}


class Enough(Exception):
    """The time is over."""


def simulation(grid: str, seconds: float, tiny: bool) -> Iterator[Row]:
    """Rates of both engines from the same states."""
    begun, compiled = time.perf_counter(), numba_works()
    from bench_simulator import advance, carried_over, developed, sample, shape_of

    from surrogate.settings import EvolutionSettings
    from surrogate.simulator import run_batch, run_key
    from surrogate.simulator.checkpoint import save_state
    from surrogate.simulator.jax_engine.batch import SOLUTIONS_BETWEEN_LOOKS

    rows, columns = shape_of(grid)
    width = GRIDS.get(grid, POINTS) if on_gpu() else POINTS
    common = {"radial_cells": rows, "angular_cells": columns, "snapshots": 2, "engine": "jax", "batch_width": width}
    settings = EvolutionSettings(**common, end_time=100.0)  # no run comes to its end
    states = [carried_over(developed(point, 8 if tiny else 32), grid) for point in sample(POINTS)] if compiled else []
    marks: list[float] = []

    def look(line: str) -> None:
        marks.append(time.perf_counter())
        late = marks[-1] - begun > 0.6 * seconds
        if (late and len(marks) > 2) or len(marks) > (3 if tiny else 50):
            raise Enough

    with tempfile.TemporaryDirectory() as folder:
        saved = [Path(folder) / f"{number}.npz" for number in range(POINTS)]
        for evolution, path in zip(states, saved, strict=False):
            evolution.settings, evolution.status, evolution.reason = settings, "running", ""
            evolution.key = run_key(evolution.parameters, settings)
            save_state(evolution, path)
        points = sample(POINTS)
        runs = [(number, points[number % POINTS]) for number in range(width)]
        try:
            for _ in run_batch(runs, settings, checkpoint=lambda number: saved[number % POINTS], progress=look):
                raise RuntimeError("a run of the batch has ended: the rate would be that of a part of it")
        except Enough:
            pass
    chunks = sorted(later - former for former, later in pairwise(marks))
    rate = SOLUTIONS_BETWEEN_LOOKS * width / chunks[len(chunks) // 2]
    yield row(f"simulation {grid}: compilation and first {SOLUTIONS_BETWEEN_LOOKS} flows", marks[0] - begun, "s")

    solved, spent, note = 0, 0.0, ""
    while compiled and (not solved or time.perf_counter() - begun < 0.9 * seconds) and solved < (40 if tiny else 400):
        for evolution in states:
            before, start = evolution.layer.stokes_solutions, time.process_time()
            advance(evolution, 20)
            spent += time.process_time() - start
            solved += evolution.layer.stokes_solutions - before
    core = solved / spent if spent else None
    if not compiled:
        note = "from initial states"
        if grid in STORED_MS_PER_STEP:
            core = 1e3 / (STORED_MS_PER_STEP[grid] * settings.advection_substeps)
            note += "; one core: stored, of another machine"
    yield row(f"simulation {grid}: flow solutions, {width} runs side by side", rate, "1/s", core, note)
    flows = STEPS_OF_A_RUN[0] * (shape_of(grid)[0] / 64) ** STEPS_OF_A_RUN[1] / settings.advection_substeps
    core = None if core is None else 3600 * core / flows
    yield row(f"simulation {grid}: runs of 4.5 Gyr", 3600 * rate / flows, "1/hour", core, note)


def agreement(seconds: float, tiny: bool) -> Iterator[Row]:
    """Largest differences of the same runs by both engines."""
    import numpy as np

    if not numba_works():
        raise ImportError("agreement needs Numba")
    from bench_simulator import sample

    from surrogate.settings import EvolutionSettings
    from surrogate.simulator import Evolution, run_batch

    cells = 12 if tiny else 32
    settings = EvolutionSettings(
        radial_cells=cells, angular_cells=3 * cells // 2, snapshots=2, end_time=0.1, engine="jax", batch_width=POINTS
    ).model_copy(update={"stokes_tolerance": 1e-6})  # else both are right to the tolerance, in their own ways
    runs = list(enumerate(sample(POINTS)))
    done = dict(run_batch(runs, settings))
    fields, steps = [], []
    for number, parameters in runs:
        single = Evolution(parameters, settings, number=number)
        single.run()
        fields.append(np.abs(single.snapshots[-1] - done[number].snapshots[-1]).max())
        steps.append(abs(single.steps - done[number].steps))
    what = f"agreement of {POINTS} runs to 0.1 Gyr, {cells} x {3 * cells // 2} cells: "
    yield row(what + "temperature", max(fields), "K")
    yield row(what + "number of steps", max(steps), "1")


def training(network: str, seconds: float, tiny: bool) -> Iterator[Row]:
    """Samples a second of an autoencoder, in both precisions."""
    import keras
    import numpy as np

    from surrogate.learning.batches import ArrayBatches
    from surrogate.learning.networks.paper import paper_autoencoder
    from surrogate.learning.networks.pod import ModeLoss, PodNetworks
    from surrogate.learning.pod import Reduction
    from surrogate.learning.training import arithmetic, fit
    from surrogate.settings import PaperAutoencoderSettings, PodAutoencoderSettings

    shape = (24, 32) if tiny else PAPER
    generator = np.random.default_rng(0)
    for precision in ("float32", "mixed_bfloat16"):
        if network == "paper":
            settings: Any = PaperAutoencoderSettings(network="paper")
            count = 2048 if on_gpu() else 32
        else:
            settings, count = PodAutoencoderSettings(), 65_536 if on_gpu() else 4096
        train = settings.training.model_copy(update={"precision": precision, "epochs": 4, "patience": 4})
        if tiny:
            train, count = train.model_copy(update={"batch_size": 16, "epochs": 2}), 32
        with arithmetic(train):
            if network == "paper":
                encoder, decoder = paper_autoencoder(shape)
                model = keras.Model(encoder.inputs, decoder(encoder.outputs[0])[0])
                targets = generator.normal(size=(count, *shape)).astype(np.float32)
                inputs, loss = (targets, np.zeros((count, 0), np.float32)), "mse"
            else:
                reduction = Reduction.zeros(shape[0] * shape[1], 1, settings.modes)
                model = PodNetworks(shape, 1, settings, reduction).between
                targets = generator.normal(size=(count, settings.modes)).astype(np.float32)
                inputs, loss = (targets, generator.normal(size=(count, 1)).astype(np.float32)), ModeLoss(np.ones(200))
            batches = ArrayBatches(inputs, targets, batch_size=train.batch_size, seed=0)
            some = ArrayBatches(tuple(part[:16] for part in inputs), targets[:16], batch_size=16)
            with tempfile.TemporaryDirectory() as folder:
                losses, _ = fit(
                    model, loss, batches, some, train, Path(folder), name="check", label="check", progress=None
                )
        grid = f"{shape[0]} x {shape[1]}"
        yield row(
            f"training the {network} autoencoder, {grid}, {precision}", count / losses.seconds[1:].min(), "samples/s"
        )


def queries(seconds: float, tiny: bool) -> Iterator[Row]:
    """Seconds for many parameter sets at one time, by the compiled default FNN and decoder."""
    import numpy as np

    from surrogate.learning.fnn import residual_network
    from surrogate.learning.networks.pod import PodNetworks
    from surrogate.learning.pod import Reduction
    from surrogate.query.engine import NODES_AT_ONCE, compile_graph, reduced
    from surrogate.settings import PodAutoencoderSettings, ResidualFnnSettings

    count, settings = 100 if tiny else QUERIES, PodAutoencoderSettings()
    rows = np.random.default_rng(0).uniform(-1, 1, (count, 6)).astype(np.float32)
    network = residual_network(6, settings.latents, ResidualFnnSettings())
    for shape in ((12, 16),) if tiny else ((66, 96), PAPER):
        chunk = NODES_AT_ONCE // (shape[0] * shape[1])
        reduction = Reduction.zeros(shape[0] * shape[1], 0, settings.modes)
        decoder = PodNetworks(shape, 0, settings, reduction).decoder
        for what, name in (("field", "fields"), ("profile", "lateral means")):

            def function(batch: Any, decoder: Any = decoder, what: str = what) -> Any:
                latents = network(batch, training=False)[:, 0]
                return reduced(decoder(latents, training=False)[0], what)

            answer = compile_graph(function, 6)
            spent = []
            for _ in range(3):  # the first compiles, for whole chunks and for what is left
                start = time.perf_counter()
                for first in range(0, count, chunk):
                    answer(rows[first : first + chunk])
                spent.append(time.perf_counter() - start)
            yield row(f"queries: {count} {name} of {shape[0]} x {shape[1]}", min(spent[1:]), "s")


PARTS: dict[str, tuple[Any, tuple[str, ...], float]] = {
    "simulation 12x16": (simulation, ("12x16",), 80),
    "simulation 64x96": (simulation, ("64x96",), 110),  # the first, which compiles for Numba
    "agreement": (agreement, (), 50),
    "training paper": (training, ("paper",), 70),
    "training default": (training, ("default",), 50),
    "queries": (queries, (), 50),
    "simulation 128x192": (simulation, ("128x192",), 70),
    "simulation 302x394": (simulation, ("302x394",), 100),
}
"""Parts: what measures, its arguments, and its share of the time."""

TINY = ("simulation 12x16", "agreement", "training paper", "training default", "queries")
"""Parts of a tiny check; all others but the first are parts of a whole one, too."""


def machine() -> Row:
    """Say what was measured on; in a process of its own, which gives the GPU back."""
    program = (
        "import jax, json, numpy; device = jax.devices()[0]\n"
        "print(json.dumps({'device': device.device_kind, 'platform': device.platform, 'jax': jax.__version__}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"device": "none: JAX does not start"}
    return {**found, "processor": platform.processor() or platform.machine(), "python": platform.python_version()}


def run_part(name: str, seconds: float, tiny: bool) -> Iterator[Row]:
    """Run a part in a process and give its rows as they come; a note where it did not finish."""
    command = [sys.executable, __file__, "--part", name, "--seconds", f"{seconds:.0f}", *(["--tiny"] if tiny else [])]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        late = threading.Event()
        timer = threading.Timer(seconds, lambda: (late.set(), process.kill()))
        timer.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("{"):
                    yield json.loads(line)
            code = process.wait()
        finally:
            timer.cancel()
            process.kill()
        if late.is_set():
            yield {"measure": name, "note": f"stopped after {seconds:.0f} s"}
        elif code:
            errors.seek(0)
            last = (errors.read().strip().splitlines() or [f"exit code {code}"])[-1]
            yield {"measure": name, "note": f"failed: {last}"}


def line_of(entry: Row) -> str:
    if "value" not in entry:
        return f"| {entry['measure']} | | | | {entry['note']} |"
    core = entry["one_core"]
    ratio = "" if core is None else f"{entry['value'] / core:.3g}"
    beside = "" if core is None else f"{core:.4g}"
    return f"| {entry['measure']} | {entry['value']:.4g} {entry['unit']} | {beside} | {ratio} | {entry['note']} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8.0, help="for everything")
    parser.add_argument("--tiny", action="store_true", help="small grids and networks: whether it works, not how fast")
    parser.add_argument("--parts", nargs="+", choices=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--output", type=Path, default=Path("gpu_check.json"))
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        measure, given, _ = PARTS[arguments.part]
        for entry in measure(*given, arguments.seconds, arguments.tiny):
            print(json.dumps(entry), flush=True)
        return 0
    end = time.monotonic() + 60 * arguments.minutes
    rows: list[Row] = []
    report = {"machine": machine(), "tiny": arguments.tiny, "rows": rows}
    print(", ".join(f"{name} {value}" for name, value in report["machine"].items()), "\n")
    print("| measure | here | one core | ratio | |\n|---|---|---|---|---|", flush=True)
    names = arguments.parts or (TINY if arguments.tiny else [name for name in PARTS if name != TINY[0]])
    left = sum(PARTS[name][2] for name in names)
    for name in names:
        share = PARTS[name][2] / left * (end - time.monotonic() - 2)
        left -= PARTS[name][2]
        for entry in run_part(name, max(share, 1.0), arguments.tiny):
            rows.append(entry)
            print(line_of(entry), flush=True)
            arguments.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if all("value" in entry for entry in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
