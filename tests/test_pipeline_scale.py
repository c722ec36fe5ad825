"""The paper's full configuration: how many jobs it is, and what it costs to find out."""

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SNAKEMAKE = Path(sys.executable).parent / "snakemake"


def dry_run(folder):
    """CPU seconds of a dry run of the Mars configuration, and its jobs by rule."""
    command = [SNAKEMAKE, "--dry-run", "--quiet", "rules", "--snakefile", ROOT / "Snakefile", "--directory", folder]
    command += ["--workflow-profile", ROOT / "profiles/default", "--configfile", ROOT / "config/mars.yaml"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout + done.stderr
    text = done.stdout + done.stderr
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+)\s+(\d+)$", text, re.MULTILINE)}
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, jobs


@pytest.mark.parametrize("present", [0, 83])
def test_ten_thousand_runs_are_a_hundred_jobs_that_are_found_within_seconds(present, tmp_path):
    results = tmp_path / "results/mars"
    (results / "shards").mkdir(parents=True)
    (results / "raw").mkdir()
    if present:
        (results / "design.csv").write_text("made\n")
        for number in range(10_525):
            (results / f"raw/run_{number:05d}.nc").touch()
    for shard in range(present):
        (results / f"shards/{shard:04d}.csv").write_text("done\n")
    seconds, jobs = dry_run(tmp_path)
    assert jobs.get("simulate", 0) == 83 - present  # 10,525 runs, 128 a job
    assert jobs["ingest_part"] == 22
    assert (jobs["ingest_plan"], jobs["ingest"], jobs["autoencoder"]) == (1, 1, 1)
    assert jobs["total"] < 200
    # CPU time: the clock of a busy machine says little.
    assert seconds < 5
