"""Inference, measured: flows of both kinds by both gradients, and how often posteriors hold the truth.

    python benchmarks/bench_inference.py demo --corpus results/default/corpus.zarr

Flows: the same target, about the same CPU time each, several seeds. Coverage: data from the surrogate, and from
unseen simulations of the corpus, with noise; the share of true parameters within central posterior intervals.
"""

import argparse
import time

import numpy as np

from surrogate import Surrogate, open_corpus, select_run, select_split
from surrogate.fields import parameters_of
from surrogate.inference import Observation, Observations, Posterior
from surrogate.inference.correction import propose
from surrogate.inference.flow import FlowTraining
from surrogate.inference.reference import Prediction, Reference

NARROW = Observations(
    (
        Observation("surface_heat_flux", 4.5, low="9 mW/m2", high="10 mW/m2", structural_error=0.0),
        Observation("mean_temperature", 4.5, low=1700.0, high=1750.0),
    )
)
ERRORS = {"total_surface_heat_flux": "0.5 mW/m2", "lithosphere_thickness": "15 km", "potential_temperature": "15 K"}
STEPS = {
    ("coupling", "path"): 600,
    ("coupling", "total"): 700,
    ("continuous", "path"): 330,
    ("continuous", "total"): 480,
}


def measured(values: list[float]) -> Observations:
    """Observations of given values with the errors of this benchmark."""
    pairs = zip(ERRORS.items(), values, strict=True)
    return Observations(
        tuple(Observation(name, 4.5, value=v, error=error, structural_error=0.0) for (name, error), v in pairs)
    )


def flows(forward: Prediction, seeds: int) -> None:
    """Print a row for each kind of flow and gradient."""
    reference = Reference.evaluate(forward, NARROW, 32768, 7)
    print("| flow | gradient | CPU, s | effective share | Pareto k | ln Z |\n|---|---|---|---|---|---|")
    for (kind, estimator), steps in STEPS.items():
        found = []
        for seed in range(seeds):
            start = time.process_time()
            training = FlowTraining(steps=steps, estimator=estimator)  # type: ignore[arg-type]
            points = propose(forward, NARROW, reference, 8192, seed, kind, training)
            answer = Posterior(forward, NARROW, points.points, seed)
            found.append((time.process_time() - start, points.efficiency, points.pareto, answer.log_evidence))
        mean, spread = np.mean(found, axis=0), np.std(found, axis=0)
        cells = " | ".join(f"{m:.3f} ± {s:.3f}" for m, s in zip(mean[1:], spread[1:], strict=True))
        print(f"| {kind} | {estimator} | {mean[0]:.0f} | {cells} |", flush=True)


def coverage(forward: Prediction, corpus: str | None, points: int) -> None:
    """Print how often true parameters lie within central intervals of the posterior."""
    surrogate, rng = forward.surrogate, np.random.default_rng(0)
    reference = Reference.evaluate(forward, measured([1.0] * len(ERRORS)), points, 5)
    errors = np.array([float(entry.error) for entry in measured([1.0] * len(ERRORS))])
    cases = {"the surrogate": []}
    for truth in rng.random((256, len(surrogate.space))):
        values, widths, _ = forward(truth[None], measured([1.0] * len(ERRORS)))
        scatter = np.hypot(widths[:, 0], errors)
        cases["the surrogate"].append((truth, values[:, 0] + scatter * rng.standard_normal(len(errors))))
    if corpus is not None:
        unseen = select_split(open_corpus(corpus), "test")
        cases["unseen simulations"] = []
        for number in range(unseen.sizes["simulation"]):
            run = select_run(unseen, number).load()
            own = parameters_of(run).as_array()
            seen = surrogate.observables().read(run["temperature"].values[-1:], own, run["time"].values[-1:])
            values = np.array([seen[name][0] for name in ERRORS])
            cases["unseen simulations"].append(
                (surrogate.space.scale(own), values + errors * rng.standard_normal(len(errors)))
            )
    print("\n| data from | data sets | 50 % hold | 90 % hold |\n|---|---|---|---|")
    for name, sets in cases.items():
        ranks = []
        for truth, data in sets:
            answer = Posterior(forward, measured(data.tolist()), reference, 0)
            below = reference.unit < truth
            ranks.append((answer.weights[..., None] * below).sum(axis=(0, 1)))
        inside = [(np.abs(np.array(ranks) - 0.5) < level / 2).mean() for level in (0.5, 0.9)]
        print(f"| {name} | {len(sets)} | {inside[0]:.1%} | {inside[1]:.1%} |", flush=True)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--corpus", help="store that the bundle was made from, for its unseen runs")
    parser.add_argument("--seeds", type=int, default=5, help="of the flows; 0 leaves them out")
    parser.add_argument("--points", type=int, default=32768, help="of the box, for the coverage")
    arguments = parser.parse_args()
    forward = Prediction(Surrogate.load(arguments.bundle))
    if arguments.seeds:
        flows(forward, arguments.seeds)
    coverage(forward, arguments.corpus, arguments.points)


if __name__ == "__main__":
    main()
