"""The steps of one ingest: what is there already, look, stage, assemble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.annulus import Annulus
from surrogate.config import CorpusSettings
from surrogate.corpus.assembly import discard, finish_commit, staging_folder, write_commit
from surrogate.corpus.doctor import near_across_split
from surrogate.corpus.findings import Finding
from surrogate.corpus.layout import shard_length, temperature_encoding
from surrogate.corpus.parallel import Workers
from surrogate.corpus.regrid import refined
from surrogate.corpus.split import assign_split
from surrogate.corpus.stage import Source, Target, identity, stage_run, survey
from surrogate.corpus.store import open_corpus, open_provenance, provenance_of
from surrogate.fields import annulus_of, parameter_table
from surrogate.files import fingerprint, provenance, read_json, write_json

Progress = Callable[[str, int, int], None]
"""Told a stage ("survey", "ingest"), how many runs are done and how many there are."""


class IngestError(ValueError):
    """An ingest that cannot give a corpus; the message says why."""


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

    def _told(self, stage: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(stage, done, total)

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

    def survey(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Look at every new file; sorted by run number, then by name."""
        calls = [(Source(name, self.reader, self.options),) for name in names]
        records = []
        for record in self.workers.each(survey, calls, size=200_000 * len(calls)):
            records.append(record)
            self._told("survey", len(records), len(calls))
        return sorted(records, key=lambda record: (record["simulation"] < 0, record["simulation"], record["file"]))

    def stage(
        self, readable: Sequence[dict[str, Any]], numbers: Sequence[int], old: dict[str, Any] | None
    ) -> list[dict[str, Any]]:
        """Read, check and write every run that is not in the journal yet."""
        import zarr

        target, length, per_shard = self._target(readable, old)
        rows, columns = target.annulus().shape
        plan = {
            "content": self._content(),
            "grid": [target.radius_faces, target.angle_faces],
            "times": target.times,
            "shard": per_shard,
            "files": [[record["file"], record["size"], record["modified"]] for record in readable],
            "numbers": list(numbers),
        }
        key = fingerprint(plan)
        if not (self.staging / "plan.json").exists() or read_json(self.staging / "plan.json")["key"] != key:
            discard(self.store)
            entry = temperature_encoding(self.settings.encoding, rows, columns, per_shard)
            zarr.create_array(
                str(self.staging / "array"),
                shape=(len(readable), length, rows, columns),
                dtype=entry["dtype"],
                chunks=entry["chunks"],
                shards=entry["shards"],
                compressors=entry["compressors"],
                fill_value=entry["fill_value"],
                overwrite=True,
            )
            write_json(self.staging / "plan.json", {"key": key})
        calls = [
            (candidate, number, Source(record["file"], record["reader"], self.options), target)
            for candidate, (record, number) in enumerate(zip(readable, numbers, strict=True))
        ]
        records = []
        for record in self.workers.each(stage_run, calls, size=4 * len(calls) * length * rows * columns):
            records.append(record)
            self._told("ingest", len(records), len(calls))
        return sorted(records, key=lambda record: record["candidate"])

    def _target(self, readable: Sequence[dict[str, Any]], old: dict[str, Any] | None) -> tuple[Target, int, int]:
        """Grid, times and layout of the store: those it has, or those of the first run and the settings."""
        settings = self.settings
        if old:
            corpus: xr.Dataset = old["corpus"]
            annulus = annulus_of(corpus)
            longest = int(np.argmax(corpus.snapshot_count.values))
            common = corpus.snapshot_time.values[longest] if settings.times == "resample" else None
        else:
            first = readable[0]
            own = Annulus(np.array(first["radius_faces"]), np.array(first["angle_faces"]))
            annulus = refined(own, settings.radial_cells, settings.angular_cells)
            common = None
            if settings.times == "resample":
                start = float(np.median([record["start"] for record in readable]))
                end = float(np.median([record["end"] for record in readable]))
                common = np.linspace(start, end, settings.snapshots)
        length = len(common) if common is not None else max(record["length"] for record in readable)
        per_shard = shard_length(length, *annulus.shape)
        if old:
            per_shard = old["corpus"].temperature.encoding["shards"][1]
        target = Target(
            settings,
            tuple(annulus.radius_faces.tolist()),
            tuple(annulus.angle_faces.tolist()),
            None if common is None else tuple(common.tolist()),
            str(self.staging / "array"),
            str(self.staging / "journal"),
        )
        return target, length, per_shard

    def commit(
        self,
        accepted: Sequence[dict[str, Any]],
        surveys: Sequence[dict[str, Any]],
        findings: Sequence[Finding],
        out: set[str],
        old: dict[str, Any] | None,
    ) -> None:
        """Assemble the store."""
        import zarr

        by_file = {record["file"]: record for record in surveys}
        runs = [
            {
                "simulation": record["simulation"],
                **{name: by_file[record["file"]][name] for name in ("file", "size", "modified", "reader")},
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
        array = zarr.open_array(str(self.staging / "array"), mode="r")
        pair = (old["corpus"], old["moments"]) if old else None
        annulus = annulus_of(old["corpus"]) if old else None
        if annulus is None:
            target, _, _ = self._target([record for record in surveys if "error" not in record], None)
            annulus = target.annulus()
        write_commit(self.store, accepted, annulus, self.settings, (array.shards or array.chunks)[1], notes, pair)
        finish_commit(self.store)
