"""A small corpus to break: how it is made, and what of it must come out the same whatever happened on the way."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
import yaml

from surrogate.corpus.store import open_corpus
from surrogate.fields import open_netcdf

ROOT = Path(__file__).parents[2]
SNAKEMAKE = Path(sys.executable).parent / "snakemake"

# Two jobs of four runs; the longest run takes some ten thousand steps: time to be hit.
CONFIGURATION = {
    "name": "faults",
    "design": {"runs": 8},
    "parameters": {"reference_viscosity": {"low": 1.0e20, "high": 3.0e20}},
    "resources": {"shard_size": 4},
    "simulator": {"radial_cells": 48, "angular_cells": 64, "snapshots": 12},
    "corpus": {"budget_tolerance": 0.05},
}  # fmt: skip

SITE = {
    "account": "project",
    "cpu_partition": "serial",
    "gpu_partition": "accelerated",
    "gpu_model": "fake",
    "cores": 2,
    "gpu_cores": 2,
    "memory_per_core": 1500,
    "memory": 6000,
    "minutes": 110,
    "jobs": 20,
}


class Run:
    """A run of the workflow in a folder of its own.

    Parameters
    ----------
    folder : path
    content : mapping
        The configuration.
    site : mapping, optional
        The cluster; without one the jobs run on this machine.
    environment : mapping, optional
        For Snakemake and its jobs.
    """

    def __init__(self, folder: Path, content: Any = CONFIGURATION, site: Any = None, environment: Any = None) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.configuration = self.folder / "configuration.yaml"
        self.configuration.write_text(yaml.safe_dump(content))
        self.results = self.folder / "results" / content["name"]
        self.environment = dict(environment or os.environ)
        self.log = self.folder / "snakemake.log"
        self.site = site
        if site is not None:
            (self.folder / "site.yaml").write_text(yaml.safe_dump(site))
            self.environment["SURROGATE_SITE"] = str(self.folder / "site.yaml")

    def command(self, *arguments: Any) -> list[str]:
        """Snakemake's command line."""
        words = [SNAKEMAKE, *arguments, "--snakefile", ROOT / "Snakefile", "--directory", self.folder]
        words += ["--configfile", self.configuration]
        if self.site is None:
            words += ["--cores", 2, "--workflow-profile", ROOT / "profiles/default"]
        else:
            # Shorter waits than on a cluster with a file system of its own.
            words += ["--profile", ROOT / "profiles/slurm", "--latency-wait", 5]
            words += ["--slurm-init-seconds-before-status-checks", 5]
        return list(map(str, words))

    def start(self, *arguments: Any) -> subprocess.Popen[bytes]:
        """Start it and return at once."""
        with open(self.log, "a") as log:
            return subprocess.Popen(
                self.command(*arguments), env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def finish(self, *arguments: Any, seconds: Any = 900) -> int:
        """Run to the end; the exit code."""
        return self.start(*arguments).wait(seconds)

    def text(self) -> str:
        """What Snakemake has said so far."""
        return self.log.read_text()

    def raw(self) -> list[Path]:
        """Raw runs that are there."""
        return sorted((self.results / "raw").glob("run_*.nc"))

    def wait_until(self, condition: Callable[[], bool], process: subprocess.Popen[bytes], seconds: Any = 300) -> None:
        """Poll while Snakemake runs."""
        end = time.monotonic() + seconds
        while not condition():
            assert process.poll() is None, self.text()[-4000:]
            assert time.monotonic() < end, self.text()[-4000:]
            time.sleep(0.2)


def fingerprints(results: Path) -> dict[str, str]:
    """Digest of what every raw run and the store hold; not of how long it took or when it was made."""
    found = {}
    for path in sorted((results / "raw").glob("run_*.nc")):
        with open_netcdf(path) as run:
            found[path.name] = _digest(run)
            assert run.attrs["status"] == "done"
    with open_corpus(results / "corpus.zarr") as corpus:
        found["corpus"] = _digest(corpus)
    tables = [pd.read_csv(path) for path in sorted((results / "shards").glob("*.csv"))]
    columns = ["simulation", "status", "steps", "snapshots", "end_time"]
    found["shards"] = pd.concat(tables)[columns].to_csv(index=False)
    return found


def _digest(dataset: xr.Dataset) -> str:
    digest = hashlib.sha256()
    for name in sorted(map(str, dataset.variables)):
        values = np.ascontiguousarray(dataset[name].values)
        digest.update(f"{name}{values.shape}".encode())
        digest.update(values.tobytes() if values.dtype.kind in "biufM" else repr(values.tolist()).encode())
    return digest.hexdigest()[:16]


def leftovers(results: Path) -> list[Path]:
    """States of runs in progress that no run needs any more; what a killed process was writing is hidden, and stays."""
    return list(results.rglob("*.checkpoint.npz"))
