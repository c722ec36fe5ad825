"""The rules of the ingest: one job for a small corpus, many for a large one, the same store."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
from corpus_samples import write_runs
from test_pipeline import snakemake

from surrogate.corpus import provenance_of


def configuration(folder: Path, files: Any, size: Any) -> Any:
    path = folder / f"sharded_{size}.yaml"
    source = {"kind": "files", "files": files, "reader": "native"}
    path.write_text(json.dumps({"name": "sharded", "source": source, "resources": {"ingest_size": size}}))
    return path


def planned(folder: Path, path: Path) -> Any:
    """How many jobs of each rule a dry run would start."""
    code, text = snakemake(folder, "corpus", "--dry-run", "--quiet", "rules", configuration=path)
    assert code == 0, text
    return {rule: int(count) for rule, count in re.findall(r"^(\w+)\s+(\d+)$", text, re.MULTILINE)}


def test_parts_staged_by_jobs_become_the_store_that_one_ingest_makes(tmp_path: Path) -> None:
    names = [str(path.relative_to(tmp_path)) for path in write_runs(tmp_path, range(8))]
    (tmp_path / "run_00008.nc").write_text("broken")
    sharded = configuration(tmp_path, "run_*.nc", 3)
    jobs = {"list_runs": 1, "ingest_plan": 1, "ingest_part": 3, "ingest": 1, "corpus": 1, "total": 7}
    assert planned(tmp_path, sharded) == jobs
    code, text = snakemake(tmp_path, "corpus", configuration=sharded)
    assert code == 0, text[-3000:]
    results = tmp_path / "results/sharded"
    assert pd.read_csv(results / "rejected.csv").what.tolist() == ["unreadable"]
    left = {path.name for path in results.iterdir()} - {"logs", "benchmarks"}
    assert left == {"corpus.zarr", "corpus.json", "rejected.csv", "source_files.csv"}
    # The last job found every run staged that could be opened.
    assert "ingest: 8 of 8" in (results / "logs/ingest.log").read_text().splitlines()[-1]
    logs = [(results / f"logs/ingest_part_{part:04d}.log").read_text() for part in range(3)]
    assert sum(int(log.splitlines()[-1].split()[0]) for log in logs) == 8
    assert [run.file for run in provenance_of(results / "corpus.zarr").runs] == names
    code, text = snakemake(tmp_path, "corpus", configuration=sharded)
    assert "Nothing to be done" in text


def test_ten_thousand_runs_make_a_small_graph(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(10_525):
        (raw / f"run_{number:05d}.nc").touch()
    found = planned(tmp_path, configuration(tmp_path, "raw/*.nc", 250))
    assert found == {"list_runs": 1, "ingest_plan": 1, "ingest_part": 43, "ingest": 1, "corpus": 1, "total": 47}
    found = planned(tmp_path, configuration(tmp_path, "raw/*.nc", 20_000))
    assert found == {"list_runs": 1, "ingest": 1, "corpus": 1, "total": 3}
