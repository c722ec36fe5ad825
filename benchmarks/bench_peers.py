"""Accuracy of other packages' surrogates on the split of a finished run, beside ours: EZyRB and AutoEmulate.

    pip install "surrogate[peers]"
    python benchmarks/bench_peers.py results/default

Every peer is fitted to the training runs in the way its own tutorial shows: snapshots compressed by its own POD (or
PCA), coefficients regressed on scaled parameters. Whole evolutions are one sample each where a method cannot take
thousands of samples (Gaussian processes, radial basis functions); the ANN sees every snapshot with its time. All are
judged by `surrogate.diagnostics` like our own predictors, whose rows come from the run's own metrics.json.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from surrogate import diagnostics
from surrogate.corpus.store import open_corpus
from surrogate.fields import annulus_of, make_corpus, parameter_table, select_split
from surrogate.files import read_json
from surrogate.parameters import PARAMETERS

RANK = 48
Peer = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def scaled(corpus: xr.Dataset) -> np.ndarray:
    """Parameters between -1 and 1, the viscosity by its logarithm, shape (run, 5)."""
    table = parameter_table(corpus)
    columns = [entry.transform(table[:, number]) for number, entry in enumerate(PARAMETERS)]
    ends = [entry.transform(np.array([entry.low, entry.high])) for entry in PARAMETERS]
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
    steps = np.linspace(-1, 1, fields.shape[1])
    flat = fields.reshape(-1, fields[0, 0].size)
    mean = flat.mean(axis=0)
    pod = POD("svd", rank=RANK).fit((flat - mean).T)
    coefficients = np.asarray(pod.transform((flat - mean).T)).T
    scale = coefficients[:, :1].std()

    def inputs(parameters: np.ndarray) -> np.ndarray:
        return np.column_stack([np.repeat(parameters, len(steps), axis=0), np.tile(steps, len(parameters))])

    network = ANN([128, 128, 128, 128], torch.nn.SiLU(), 1500, lr=2e-3, frequency_print=10_000)
    network.fit(inputs(known), coefficients / scale)
    predicted = np.asarray(network.predict(inputs(asked))) * scale
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


def main(results: Path) -> None:
    """Fit and judge every peer; print a Markdown table."""
    corpus = open_corpus(results / "corpus.zarr")
    train, test = (select_split(corpus, name).load() for name in ("train", "test"))
    if int(train.snapshot_count.min()) < train.sizes["time"]:
        raise SystemExit("the peers need runs of equal length: set corpus.times to resample")
    fields = train.temperature.values
    print("| method | relative accuracy, % | lateral anomaly error | sum of singular values, % | CPU s |")
    print("|---|---|---|---|---|")
    for name, peer in peers().items():
        began = time.process_time()
        predicted = peer(scaled(train), fields, scaled(test)).astype(np.float32)
        spent = time.process_time() - began
        prediction = make_corpus(
            predicted, test.snapshot_time.values, annulus_of(test), parameter_table(test), test.simulation.values,
            split=test.split.values,
        )  # fmt: skip
        print(row(name, diagnostics.evaluate(test, {name: prediction})["methods"][name], f"{spent:.0f}"), flush=True)
    for name, entry in read_json(results / "metrics.json")["methods"].items():
        print(row(f"ours: {diagnostics.title_of(name)}", entry, ""))


def row(name: str, entry: dict, spent: str) -> str:
    """One row of the table."""
    values = [entry[key]["mean"] for key in ("relative_accuracy", "lateral_anomaly_error", "singular_value_sum_ratio")]
    return "| {} | {:.3f} | {:.3f} | {:.2f} | {} |".format(name, *values, spent)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
