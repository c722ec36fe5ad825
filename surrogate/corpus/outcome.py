"""What became of an ingest: its summary, the table of what was left out, the error when that was too much."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from surrogate.config import CorpusSettings
from surrogate.corpus.findings import SEVERE, Finding, findings_table
from surrogate.corpus.store import open_corpus, provenance_of
from surrogate.fields import SPLITS
from surrogate.files import atomic


class IngestError(ValueError):
    """An ingest that cannot give a corpus; the message says why."""


@dataclass(frozen=True)
class IngestSummary:
    """What an ingest did.

    Attributes
    ----------
    store : str
    runs, added, rejected, flagged : int
        Runs in the store, those of them that were added now, those left out, those kept with a warning.
    split : dict
        Runs of each split.
    snapshots : int
    shape : tuple of int
        (simulation, time, radius, angle).
    stored_bytes : int
        Of the shards.
    seconds : float
    """

    store: str
    runs: int
    added: int
    rejected: int
    flagged: int
    split: dict[str, int]
    snapshots: int
    shape: tuple[int, ...]
    stored_bytes: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the entries by name, JSON-able."""
        return {**asdict(self), "shape": list(self.shape)}


def write_rejected(path: str | os.PathLike[str] | None, findings: Sequence[Finding]) -> None:
    """Write the table of what was left out, if it has a name."""
    if path is not None:
        with atomic(path) as temporary:
            findings_table(findings).to_csv(temporary, index=False)


def check_rejects(out: set[str], findings: Sequence[Finding], total: int, settings: CorpusSettings, path: Any) -> None:
    """Raise if more of `total` runs are out than the settings tolerate, saying what is wrong with them."""
    if len(out) <= settings.tolerated_rejects * total:
        return
    kinds = pd.Series([finding.what for finding in findings if finding.severity == SEVERE]).value_counts()
    first = next(finding for finding in findings if finding.severity == SEVERE)
    raise IngestError(
        f"{len(out)} of {total} runs are rejected, corpus.tolerated_rejects allows {settings.tolerated_rejects:g} of "
        f"them: {', '.join(f'{what} ({count})' for what, count in kinds.items())}; first: {first.file}: "
        f"{first.message}" + (f"; all of them: {path}" if path is not None else "")
    )


def summarise(store: Path, added: int, rejected: int, seconds: float) -> IngestSummary:
    """Say what a store holds after an ingest."""
    corpus = open_corpus(store)
    flagged = {entry["simulation"] for entry in provenance_of(store)["findings"]}
    counts = np.bincount(corpus.split.values, minlength=len(SPLITS))
    shards = (store / "temperature" / "c").rglob("*")
    return IngestSummary(
        store=str(store),
        runs=corpus.sizes["simulation"],
        added=added,
        rejected=rejected,
        flagged=len(flagged),
        split={name: int(count) for name, count in zip(SPLITS, counts, strict=True)},
        snapshots=int(corpus.snapshot_count.sum()),
        shape=corpus.temperature.shape,
        stored_bytes=sum(entry.stat().st_size for entry in shards if entry.is_file()),
        seconds=round(seconds, 3),
    )
