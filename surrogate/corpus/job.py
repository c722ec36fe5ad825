"""The steps of one ingest: what is there already, look, stage, assemble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from surrogate.config import CorpusSettings
from surrogate.corpus.assembly import finish_commit, staging_folder, write_commit
from surrogate.corpus.doctor import near_across_split
from surrogate.corpus.findings import Finding
from surrogate.corpus.outcome import IngestError
from surrogate.corpus.parallel import Workers
from surrogate.corpus.plan import Plan, make_plan
from surrogate.corpus.split import assign_split
from surrogate.corpus.stage import journal_path, stage_run
from surrogate.corpus.store import open_corpus, open_provenance, provenance_of
from surrogate.corpus.survey import Survey, announce, identity, survey_all
from surrogate.fields import parameter_table
from surrogate.files import provenance, read_json

AHEAD = 6
"""Runs per worker that the system is told about before they are read."""

TASK_BYTES = 2**26
"""Runs are given to workers in parcels of so many bytes, of float32."""

Progress = Callable[[str, int, int], None]
"""Told a stage ("survey", "ingest"), how many runs are done and how many there are."""


@dataclass
class IngestJob:
    """The settings of one ingest, and its steps."""

    store: Path
    settings: CorpusSettings
    reader: str
    options: dict[str, Any]
    workers: Workers
    progress: Progress | None

    @property
    def staging(self) -> Path:
        """Folder of what is not finished."""
        return staging_folder(self.store)

    def _content(self) -> dict[str, Any]:
        """Return what the content of a store depends on; the tolerance of rejects is not part of it."""
        chosen = self.settings.model_dump(mode="json")
        del chosen["tolerated_rejects"]
        return {"corpus": chosen, "reader": self.reader, "options": self.options}

    def existing(self, names: Sequence[str], keep_unlisted: bool) -> dict[str, Any] | None:
        """Return what the store holds if it can grow, None if it must be made (anew)."""
        if not self.store.exists():
            return None
        try:
            corpus, moments = open_corpus(self.store), open_provenance(self.store)
            notes = provenance_of(self.store)
        except ValueError:  # CorpusError: broken; the raw runs are there to make it anew
            return None
        same = notes["settings"] == self._content()
        listed = set(names)
        gone = [entry["file"] for entry in notes["runs"] if entry["file"] not in listed]
        changed = [
            entry["file"]
            for entry in notes["runs"]
            if entry["file"] in listed
            and Path(entry["file"]).exists()
            and identity(entry["file"]) != {name: entry[name] for name in ("size", "modified")}
        ]
        if keep_unlisted:
            if not same or changed:
                what = f"file {changed[0]} has changed" if changed else "its settings differ"
                raise IngestError(f"{self.store}: cannot be extended, {what}; make a new store from all raw runs")
        elif not same or changed or gone:
            return None
        records = [
            {"simulation": run["simulation"], "file": run["file"], "digest": run["digest"], "parameters": point}
            for run, point in zip(notes["runs"], parameter_table(corpus).tolist(), strict=True)
        ]
        return {"corpus": corpus, "moments": moments, **notes, "records": records}

    def prepare(self, names: Sequence[str], old: dict[str, Any] | None) -> tuple[Survey, Plan | None]:
        """Look at every new file, and plan how those that can be opened are staged; no plan if there is none."""
        kept = self.staging / "survey.json"
        seen = survey_all(
            names,
            self.reader,
            self.options,
            self.workers,
            kept,
            lambda *counts: _tell(self.progress, "survey", *counts),
        )
        if not seen.readable:
            return seen, None
        plan = make_plan(self.store, self._content(), self.settings, seen, old)
        plan.write(self.store)
        return seen, plan

    def commit(
        self,
        plan: Plan,
        accepted: Sequence[dict[str, Any]],
        findings: Sequence[Finding],
        out: set[str],
        old: dict[str, Any] | None,
    ) -> None:
        """Assemble the store."""
        runs = [
            {
                **plan.runs[record["candidate"]],
                "checksum": record["checksum"],
                "digest": record["digest"],
            }
            for record in accepted
        ]
        everyone = [*(old["records"] if old else []), *accepted]
        fixed = old["corpus"].split.values if old else None
        split = assign_split([record["simulation"] for record in everyone], self.settings, fixed)
        near = near_across_split(everyone, split, known=len(everyone) - len(accepted))
        kept = [finding.as_dict() for finding in [*findings, *near] if finding.file not in out]
        software = provenance()
        notes = {
            "settings": self._content(),
            "software": [*(old["software"] if old else []), software],
            "runs": [*(old["runs"] if old else []), *runs],
            "findings": [*(old["findings"] if old else []), *kept],
            "rejected": [finding.as_dict() for finding in findings if finding.file in out],
        }
        pair = (old["corpus"], old["moments"]) if old else None
        write_commit(self.store, accepted, plan.target.annulus(), self.settings, plan.target.per_shard, notes, pair)
        finish_commit(self.store)


def stage_runs(
    plan: Plan, workers: Workers, progress: Progress | None, part: int = 0, parts: int = 1
) -> list[dict[str, Any]]:
    """Read, check and write every run of one part of a plan that is not in its journal yet; records by candidate."""
    total = len(plan.calls(part, parts))
    records, calls = [], []
    for call in plan.calls(part, parts):
        place = journal_path(plan.target.journal, call[0])
        if place.exists():
            records.append(_compact(read_json(place)))
        else:
            calls.append(call)
    _tell(progress, "ingest", len(records), total)
    coming = iter([source.file for _, _, source, _ in calls])
    for file in islice(coming, AHEAD * workers.number):
        announce(file)
    for record in workers.each(stage_run, calls, plan.size(len(calls)), TASK_BYTES // plan.size(1)):
        records.append(_compact(record))
        _tell(progress, "ingest", len(records), total)
        for file in islice(coming, 1):
            announce(file)
    return sorted(records, key=lambda record: record["candidate"])


def _tell(progress: Progress | None, stage: str, done: int, total: int) -> None:
    if progress is not None:
        progress(stage, done, total)


def _compact(record: dict[str, Any]) -> dict[str, Any]:
    """Turn the long lists of a record into arrays: a tenth of the memory, which counts with thousands of runs."""
    for holder in (record, record.get("series", {}), record.get("statistics", {})):
        for name, value in holder.items():
            if isinstance(value, list) and name not in ("findings", "parameters"):
                holder[name] = np.array(value, dtype=float)
    return record
