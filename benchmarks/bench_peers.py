"""Accuracy of other packages' surrogates on the split of a finished run, beside ours: EZyRB and AutoEmulate.

    pip install "surrogate[peers]"
    python benchmarks/bench_peers.py results/default --output peers.md

Every peer is fitted to the training runs in the way its own tutorial shows: snapshots compressed by its own POD (or
PCA), coefficients regressed on scaled parameters. Whole evolutions are one sample each where a method cannot take
thousands of samples (Gaussian processes, radial basis functions); the ANN sees snapshots with their time. All are
judged by `surrogate.diagnostics` like our own predictors, whose rows come from the run's own metrics.json. Each peer
has a process of its own with one thread and is stopped after --limit seconds of CPU; --runs fits it to so many training
runs only. Beside them stand our own autoencoder and FNN after a short training, for the time to equal accuracy.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from surrogate import diagnostics
from surrogate.corpus.store import open_corpus
from surrogate.fields import geometry_of, make_corpus, parameter_table, select_split
from surrogate.files import read_json
from surrogate.methods import title_of
from surrogate.parameters import EVOLUTION_PARAMETERS

RANK = 48
SNAPSHOTS = 8_000
"""Snapshots that the ANN is fitted to, at most: equally spaced times of all runs."""
HEADER = """\
| method | training runs | relative accuracy, % | lateral anomaly error | sum of singular values, % | CPU s |
|---|---|---|---|---|---|"""
Peer = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
SHORT = "ours, short training"


def scaled(corpus: xr.Dataset) -> np.ndarray:
    """Parameters between -1 and 1, the viscosity by its logarithm, shape (run, 5)."""
    table = parameter_table(corpus)
    columns = [entry.natural(table[:, number]) for number, entry in enumerate(EVOLUTION_PARAMETERS)]
    ends = [entry.natural(np.array([entry.low, entry.high])) for entry in EVOLUTION_PARAMETERS]
    return np.stack(
        [2 * (column - low) / (high - low) - 1 for column, (low, high) in zip(columns, ends, strict=True)], axis=1
    )


def reduced(approximation: object) -> Peer:
    """EZyRB's reduced order model on whole evolutions."""

    def fit(known: np.ndarray, fields: np.ndarray, asked: np.ndarray) -> np.ndarray:
        from ezyrb import POD, Database, ReducedOrderModel

        mean = fields.mean(axis=0)
        flat = (fields - mean).reshape(len(fields), -1)
        model = ReducedOrderModel(Database(known, flat), POD("svd", rank=RANK), approximation).fit()
        return mean + np.asarray(model.predict(asked)).reshape(len(asked), *fields.shape[1:])

    return fit


def ezyrb_network(known: np.ndarray, fields: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """EZyRB's POD + ANN on single snapshots, time as a sixth parameter; coefficients scaled to unit variance."""
    import torch
    from ezyrb import ANN, POD

    torch.manual_seed(0)
    every = np.linspace(-1, 1, fields.shape[1])
    some = np.linspace(0, len(every) - 1, min(len(every), SNAPSHOTS // len(fields))).round().astype(int)
    flat = fields[:, some].reshape(-1, fields[0, 0].size)
    mean = flat.mean(axis=0)
    np.random.seed(0)  # noqa: NPY002  # EZyRB draws from the global generator
    pod = POD("randomized_svd", rank=RANK, subspace_iteration=2).fit((flat - mean).T)
    coefficients = np.asarray(pod.transform((flat - mean).T)).T
    scale = coefficients[:, :1].std()

    def inputs(parameters: np.ndarray, steps: np.ndarray) -> np.ndarray:
        return np.column_stack([np.repeat(parameters, len(steps), axis=0), np.tile(steps, len(parameters))])

    network = ANN([128, 128, 128, 128], torch.nn.SiLU(), 1500, lr=2e-3, frequency_print=10_000)
    network.fit(inputs(known, every[some]), coefficients / scale)
    predicted = np.asarray(network.predict(inputs(asked, every))) * scale
    return (mean + np.asarray(pod.inverse_transform(predicted.T)).T).reshape(len(asked), *fields.shape[1:])


def autoemulate(known: np.ndarray, fields: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """AutoEmulate's choice between two Gaussian processes for the principal components of whole evolutions.

    The components are taken by scikit-learn: with AutoEmulate's own transform, whose emulators see all nodes, the fit
    had not ended after 38 minutes of CPU.
    """
    import torch
    from autoemulate import AutoEmulate
    from sklearn.decomposition import PCA

    components = PCA(RANK, random_state=0)
    coefficients = components.fit_transform(fields.reshape(len(fields), -1))
    scale = coefficients.std(axis=0)
    emulate = AutoEmulate(
        torch.tensor(known, dtype=torch.float32), torch.tensor(coefficients / scale, dtype=torch.float32),
        models=["GaussianProcessRBF", "GaussianProcessMatern32"], n_iter=3, n_splits=3, n_bootstraps=None,
        random_seed=0, show_progress_bar=False,
    )  # fmt: skip
    answer = emulate.best_result().model.predict(torch.tensor(asked, dtype=torch.float32))
    mean = answer if isinstance(answer, torch.Tensor) else answer.mean
    return components.inverse_transform(np.asarray(mean.detach()) * scale).reshape(len(asked), *fields.shape[1:])


def short_training(known: xr.Dataset, asked: xr.Dataset) -> np.ndarray:
    """Our autoencoder and FNN after a short training, on the runs that the peers have and the validation runs.

    One epoch and four; fields of the asked runs, shape (run, time, radius, angle).
    """
    from surrogate.learning.autoencoder import encode_corpus, train_autoencoder
    from surrogate.learning.fnn import FnnPredictor
    from surrogate.learning.studies.compression import fewer_epochs
    from surrogate.settings import PodAutoencoderSettings, ResidualFnnSettings

    settings = PodAutoencoderSettings(latents=RANK, modes=100, mirror=False, refinement=0)
    predictor = ResidualFnnSettings(members=4)
    with tempfile.TemporaryDirectory() as folder:
        autoencoder = train_autoencoder(known, fewer_epochs(settings, 1 / 60), f"{folder}/autoencoder", progress=None)
        latents = encode_corpus(autoencoder, known)
        network = FnnPredictor.train(latents, fewer_epochs(predictor, 0.08), f"{folder}/fnn", progress=None)
    predicted = network.predict(parameter_table(asked), asked.snapshot_time.values)
    return np.stack([autoencoder.decode(run) for run in predicted])


def peers() -> dict[str, Peer]:
    """The peers that are installed."""
    found: dict[str, Peer] = {}
    try:
        from ezyrb import GPR, RBF

        found |= {"EZyRB POD-RBF": reduced(RBF()), "EZyRB POD-GPR": reduced(GPR(optimization_restart=5))}
        found["EZyRB POD-ANN"] = ezyrb_network
    except ImportError as error:
        print(f"EZyRB left out: {error}")
    try:
        import autoemulate as _  # noqa: F401

        found["AutoEmulate PCA-GP"] = autoemulate
    except ImportError as error:
        print(f"AutoEmulate left out: {error}")
    return found


def judge(results: Path, name: str, runs: int | None) -> dict[str, float]:
    """Fit one peer; its measures on the unseen runs, the training runs it saw and the CPU seconds of fit and answer."""
    corpus = open_corpus(results / "corpus.zarr")
    train, test = (select_split(corpus, part) for part in ("train", "test"))
    if runs is not None and runs < train.sizes["simulation"]:
        train = train.isel(simulation=np.linspace(0, train.sizes["simulation"] - 1, runs).round().astype(int))
    # The peers need runs of equal length: a training run that ended early is left out.
    train = train.isel(simulation=np.flatnonzero(train.snapshot_count.values == train.sizes["time"])).load()
    test = test.load()
    if not train.sizes["simulation"] or int(test.snapshot_count.min()) < test.sizes["time"]:
        raise SystemExit("unseen runs must be equally long: set corpus.times to resample")
    if name == SHORT:
        validation = select_split(corpus, "validation").load()
        began = time.process_time()
        predicted = short_training(xr.concat([train, validation], "simulation"), test)
    else:
        inputs = scaled(train), train.temperature.values, scaled(test)
        began = time.process_time()
        predicted = peers()[name](*inputs).astype(np.float32)
    spent = time.process_time() - began
    prediction = make_corpus(
        predicted, test.snapshot_time.values, geometry_of(test), parameter_table(test), test.simulation.values,
        split=test.split.values,
    )  # fmt: skip
    entry = diagnostics.evaluate(test, {name: prediction})["methods"][name]
    return measures(entry) | {"runs": train.sizes["simulation"], "seconds": spent}


def measures(entry: dict) -> dict[str, float]:
    """The three measures of the table."""
    return {
        key: entry[key]["mean"] for key in ("relative_accuracy", "lateral_anomaly_error", "singular_value_sum_ratio")
    }


def row(name: str, entry: dict) -> str:
    """One row of the table."""
    numbers = [entry[key] for key in ("relative_accuracy", "lateral_anomaly_error", "singular_value_sum_ratio")]
    spent = "" if entry.get("seconds") is None else f"{entry['seconds']:.0f}"
    return "| {} | {} | {:.3f} | {:.3f} | {:.2f} | {} |".format(name, entry["runs"], *numbers, spent)


def apart(arguments: argparse.Namespace, name: str) -> str:
    """Judge a peer in its own process, with a limit of CPU time; a row of the table, or what went wrong."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [sys.executable, __file__, str(arguments.results), "--one", name, "--output", file.name]
        if arguments.runs:
            command += ["--runs", str(arguments.runs)]
        threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env=os.environ | threads,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (arguments.limit, arguments.limit)),
        )  # fmt: skip
        if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
            return f"| {name} | {arguments.runs or 'all'} | not ready after {arguments.limit} s of CPU | | | |"
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            return f"| {name} | {arguments.runs or 'all'} | failed: {reason[:160]} | | | |"
        return row(name, json.loads(Path(file.name).read_text(encoding="utf-8")))


def ours(results: Path) -> list[str]:
    """Rows of our own predictors and baselines; CPU seconds of FNN and LSTM are after those of the autoencoder."""
    train = int((open_corpus(results / "corpus.zarr").split.values == 0).sum())
    rows = []
    for name, entry in read_json(results / "metrics.json")["methods"].items():
        job = {"fnn": "fnn", "lstm": "lstm", "flow": "flow"}.get(name, name)
        told = results / "benchmarks" / f"{job}.tsv"
        spent = None
        if told.is_file():
            with told.open(encoding="utf-8") as lines:
                spent = float(next(csv.DictReader(lines, delimiter="\t"))["cpu_time"])
        title = f"ours: {title_of(name)}"
        rows.append(row(title, measures(entry) | {"runs": train, "seconds": spent}))
    return rows


def main() -> None:
    """Fit and judge every peer that is installed; print a Markdown table and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--only", nargs="*", help="names of peers")
    parser.add_argument("--runs", type=int, help="training runs, equally spaced; default all")
    parser.add_argument("--limit", type=int, default=600, help="CPU seconds for each peer")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        arguments.output.write_text(
            json.dumps(judge(arguments.results, arguments.one, arguments.runs)), encoding="utf-8"
        )
        return
    lines = [HEADER]
    print(HEADER)
    for name in arguments.only if arguments.only is not None else [*peers(), SHORT]:
        lines.append(apart(arguments, name))
        print(lines[-1], flush=True)
    own = ours(arguments.results)
    print(*own, sep="\n")
    lines += own
    if arguments.output:
        arguments.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
