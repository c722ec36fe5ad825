"""The paper's full configuration: how many jobs it is, and whether finished ones are found."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SNAKEMAKE = Path(sys.executable).parent / "snakemake"


def dry_run(folder: Path) -> Any:
    """Jobs by rule of a dry run of the Mars configuration."""
    command = [SNAKEMAKE, "--dry-run", "--quiet", "rules", "--snakefile", ROOT / "Snakefile", "--directory", folder]
    command += ["--workflow-profile", ROOT / "profiles/default", "--configfile", ROOT / "config/mars.yaml"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    text = done.stdout + done.stderr
    return {rule: int(count) for rule, count in re.findall(r"^(\w+)\s+(\d+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("present", [0, 83])
def test_ten_thousand_runs_are_a_hundred_jobs(present: Any, tmp_path: Path) -> None:
    results = tmp_path / "results/mars"
    (results / "shards").mkdir(parents=True)
    (results / "raw").mkdir()
    if present:
        (results / "design.csv").write_text("made\n")
        for number in range(10_525):
            (results / f"raw/run_{number:05d}.nc").touch()
    for shard in range(present):
        (results / f"shards/{shard:04d}.csv").write_text("done\n")
    jobs = dry_run(tmp_path)
    assert jobs.get("simulate", 0) == 83 - present  # 10,525 runs, 128 a job
    assert jobs["ingest_part"] == 22
    assert (jobs["ingest_plan"], jobs["ingest"], jobs["autoencoder"]) == (1, 1, 1)
    assert jobs["total"] < 200
