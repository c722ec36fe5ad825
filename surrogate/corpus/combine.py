"""Stores made by separate jobs of a cluster become one, without reading or compressing anything again."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.config import CorpusSettings
from surrogate.corpus.assembly import discard, finish_commit, staging_folder, write_commit
from surrogate.corpus.doctor import compare_runs, near_across_split
from surrogate.corpus.findings import SEVERE, Finding
from surrogate.corpus.ingest import IngestSummary, check_rejects, summarise, write_rejected
from surrogate.corpus.job import IngestError
from surrogate.corpus.split import assign_split
from surrogate.corpus.store import open_corpus, open_provenance, provenance_of
from surrogate.fields import SERIES, annulus_of, parameter_table


def part_settings(settings: CorpusSettings) -> CorpusSettings:
    """Return the settings with which a part is ingested: no split and no limit of rejects, which are the whole's."""
    return settings.model_copy(update={"validation_fraction": 0.0, "test_fraction": 0.0, "tolerated_rejects": 1.0})


def combine(
    parts: Sequence[str | os.PathLike[str]],
    store_path: str | os.PathLike[str],
    settings: CorpusSettings,
    rejected_path: str | os.PathLike[str] | None = None,
) -> IngestSummary:
    """Combine stores into one: runs in the order of their numbers, split and statistics made anew.

    Shards are linked where the file system can, else copied; the parts stay as they are.

    Parameters
    ----------
    parts : sequence of paths
        Stores that :func:`surrogate.corpus.ingest.ingest` made with :func:`part_settings`.
    store_path : path
        Replaced as a whole if it exists.
    settings : CorpusSettings
        Those of the whole: its split and its limit of rejects, which no part knows.
    rejected_path : path, optional
        CSV table of what all parts left out.

    Returns
    -------
    IngestSummary

    Raises
    ------
    IngestError
        If there are no parts, if grid, encoding, times or shards of two of them differ, if a run number stands twice,
        or if too many runs are rejected.
    """
    if not parts:
        raise IngestError("no parts to combine")
    started, store = time.monotonic(), Path(store_path)
    discard(store)
    content = part_settings(settings).model_dump(mode="json", exclude={"tolerated_rejects"})
    records: list[dict[str, Any]] = []
    findings: list[Finding] = []
    software: list[Any] = []
    first: xr.Dataset | None = None
    notes: dict[str, Any] = {}
    for part in map(Path, parts):
        corpus, notes = open_corpus(part), provenance_of(part)
        first = corpus if first is None else first
        _check_alike(part, corpus, first, notes, content)
        findings += [Finding(**entry) for entry in [*notes["rejected"], *notes["findings"]]]
        software += [entry for entry in notes["software"] if entry not in software]
        records += _records(part, corpus, notes)
    assert first is not None  # there is at least one part
    records.sort(key=lambda record: record["simulation"])
    for number, record in enumerate(records):
        record["candidate"] = number
        if number and record["simulation"] == records[number - 1]["simulation"]:
            raise IngestError(f"run {record['simulation']} stands in two parts, as {record['file']} in the second")
    findings += compare_runs(records, [], settings)
    findings = list(dict.fromkeys(findings))  # what a part said of its runs among themselves may come again
    out = {finding.file for finding in findings if finding.severity == SEVERE}
    accepted = [record for record in records if record["file"] not in out]
    write_rejected(rejected_path, [finding for finding in findings if finding.file in out])
    check_rejects(out, findings, len({record["file"] for record in records} | out), settings, rejected_path)
    split = assign_split([record["simulation"] for record in accepted], settings)
    findings += near_across_split(accepted, split)
    for record in accepted:
        _link(record["shards"], staging_folder(store) / "array" / "c" / str(record["candidate"]))
    chosen = settings.model_dump(mode="json", exclude={"tolerated_rejects"})
    whole = {
        "settings": {**notes["settings"], "corpus": chosen},
        "software": software,
        "runs": [record["run"] for record in accepted],
        "findings": [finding.as_dict() for finding in findings if finding.file not in out],
        "rejected": [finding.as_dict() for finding in findings if finding.file in out],
    }
    per_shard = first.temperature.encoding["shards"][1]
    write_commit(store, accepted, annulus_of(first), settings, per_shard, whole, None)
    finish_commit(store)
    return summarise(store, len(accepted), len(out), time.monotonic() - started)


def _check_alike(
    part: Path, corpus: xr.Dataset, first: xr.Dataset, notes: dict[str, Any], content: dict[str, Any]
) -> None:
    theirs = notes["settings"]["corpus"]
    differing = [name for name, value in content.items() if theirs.get(name) != value]
    if differing:
        raise IngestError(f"{part}: was made with other settings ({', '.join(differing)}); see part_settings")
    if annulus_of(corpus) != annulus_of(first):
        raise IngestError(f"{part}: its grid differs from that of the first part; corpus.radial_cells regrids")
    if corpus.temperature.encoding["shards"] != first.temperature.encoding["shards"]:
        raise IngestError(
            f"{part}: its shards hold {corpus.temperature.encoding['shards'][1]} snapshots, those of the first part "
            f"{first.temperature.encoding['shards'][1]}; corpus.times: resample makes all runs equally long"
        )


def _records(part: Path, corpus: xr.Dataset, notes: dict[str, Any]) -> list[dict[str, Any]]:
    moments = open_provenance(part)
    points = parameter_table(corpus)
    counts = corpus.snapshot_count.values
    records = []
    for row, run in enumerate(notes["runs"]):
        kept = slice(0, int(counts[row]))
        series = {name: corpus[name].values[row, kept] for name in SERIES if name in corpus}
        records.append(
            {
                "simulation": run["simulation"],
                "file": run["file"],
                "digest": run["digest"],
                "parameters": points[row].tolist(),
                "times": corpus.snapshot_time.values[row, kept].tolist(),
                "series": {name: values for name, values in series.items() if np.isfinite(values).any()},
                "statistics": {name: moments[name].values[row].tolist() for name in moments.data_vars},
                "run": run,
                "shards": part / "temperature" / "c" / str(row),
            }
        )
    return records


def _link(source: Path, destination: Path) -> None:
    for file in source.rglob("*"):
        if file.is_file():
            target = destination / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(file, target)
            except OSError:  # another file system, or one without links
                shutil.copy2(file, target)
