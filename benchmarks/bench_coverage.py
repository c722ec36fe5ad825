"""Share of the truth within calibrated intervals on unseen runs, as a Markdown table with standard errors.

    python benchmarks/bench_coverage.py results/default/surrogate --corpus results/default/corpus.zarr
    python benchmarks/bench_coverage.py results/default/surrogate --runs "/data/further/*.nc"

The runs are the test runs of a corpus, or files of further runs. The intervals are those in the bundle; with --again
they are calibrated anew from the corpus, as the rule `bundle` would. A standard error of a share is that over the draw
of the runs (bootstrap of whole runs), of a share p of n whole histories sqrt(p (1 - p) / n).
"""

from __future__ import annotations

import argparse
import glob

import xarray as xr

from surrogate import Surrogate
from surrogate.corpus import open_corpus
from surrogate.fields import open_netcdf, select_split, stack_runs
from surrogate.methods import title_of
from surrogate.query.intervals.calibration import calibrate, coverage, whole_coverage
from surrogate.query.intervals.residuals import SNAPSHOTS, collect, collect_unseen
from surrogate.query.series import SeriesReader

NAMES = {
    "temperature": "temperature field",
    "profile": "profile",
    "mean_temperature": "mean temperature",
    "surface_heat_flux": "surface heat flux",
    "core_mantle_boundary_heat_flux": "core-mantle boundary heat flux",
}


def further(pattern: str) -> xr.Dataset:
    """Runs from files, thinned to the snapshots that are compared."""
    runs = []
    for path in sorted(glob.glob(pattern)):
        with open_netcdf(path) as run:
            runs.append(run.isel(time=slice(None, None, max(1, run.sizes["time"] // SNAPSHOTS))).load())
    if not runs:
        raise SystemExit(f"{pattern}: no such files")
    return stack_runs(runs)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--corpus", help="store that the bundle was made from")
    parser.add_argument("--runs", help="pattern of NetCDF files of runs; default the test runs of the corpus")
    parser.add_argument("--methods", nargs="*", help="default: all of the bundle")
    parser.add_argument("--again", action="store_true", help="calibrate anew from the corpus")
    arguments = parser.parse_args()
    if arguments.corpus is None and (arguments.again or arguments.runs is None):
        parser.error("--corpus is needed for its test runs and for --again")
    surrogate = Surrogate.load(arguments.bundle)
    corpus = None if arguments.corpus is None else open_corpus(arguments.corpus)
    if arguments.runs:
        unseen = further(arguments.runs)
    elif corpus is not None:
        unseen = select_split(corpus, "test")
    nearness, reader = (
        surrogate.bundle.nearness,
        SeriesReader(surrogate.geometry, surrogate.planet, surrogate.conductivity, surrogate.space),
    )
    levels = (0.5, 0.9, 0.95)
    print(f"{unseen.sizes['simulation']} unseen runs\n")
    print(
        "| |" + "".join(f" {level:.0%} |" for level in levels) + "".join(f" whole, {level:.0%} |" for level in levels)
    )
    print("|---|" + "---|" * 2 * len(levels))
    for method in arguments.methods or surrogate.methods:
        calibration = surrogate.bundle.calibration(method)
        if arguments.again and corpus is not None:
            residuals = collect(surrogate.engine, corpus, method, reader)
            calibration = calibration if residuals is None else calibrate(residuals, nearness)
        errors = collect_unseen(surrogate.engine, unseen, method, reader)
        shares, deviations = coverage(calibration, errors, nearness, levels)
        whole = whole_coverage(calibration, errors, nearness, levels)
        for name, title in NAMES.items():
            cells = [f"{100 * shares[name][f'{x:g}']:.1f} ± {100 * deviations[name][f'{x:g}']:.1f}" for x in levels]
            cells += [f"{100 * whole[name][f'{x:g}']:.0f}" for x in levels]
            label = title_of(method)
            print(f"| {label}, {title} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
