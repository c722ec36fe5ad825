"""What an ingest will do, decided before any temperature is read: which runs, their numbers, grid, times, shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from surrogate.config import CorpusSettings
from surrogate.corpus.assembly import discard, staging_folder
from surrogate.corpus.layout import shard_length
from surrogate.corpus.regrid import refined
from surrogate.corpus.stage import Target
from surrogate.corpus.survey import Source, Survey
from surrogate.fields import annulus_of
from surrogate.files import fingerprint, read_json, write_json


class PlanError(ValueError):
    """A plan that is gone or is not the one that was meant."""


@dataclass(frozen=True)
class Plan:
    """The work of one ingest, whoever does it.

    Attributes
    ----------
    key : str
        Fingerprint of all that the staged data depend on.
    target : Target
        Grid, times, settings and folders.
    length : int
        Snapshots of the longest run.
    runs : tuple of dict
        The runs to stage, in the order of their candidates: ``file``, ``size``, ``modified``, ``reader``,
        ``simulation`` (the number that the run gets).
    options : dict
        Of the reader.
    """

    key: str
    target: Target
    length: int
    runs: tuple[dict[str, Any], ...]
    options: dict[str, Any]

    def calls(self, part: int = 0, parts: int = 1) -> list[tuple[int, int, Source, Target]]:
        """Arguments of :func:`surrogate.corpus.stage.stage_run` for every `parts`-th run, from number `part` on."""
        return [
            (candidate, run["simulation"], Source(run["file"], run["reader"], self.options), self.target)
            for candidate, run in list(enumerate(self.runs))[part::parts]
        ]

    def size(self, runs: int) -> int:
        """Bytes of float32 that so many runs have at most."""
        rows, columns = self.target.annulus().shape
        return 4 * runs * self.length * rows * columns

    def write(self, store: Path) -> None:
        """Make the staging area of a store fit this plan; what was staged for the same one stays."""
        place = staging_folder(store) / "plan.json"
        if place.exists() and read_json(place)["key"] == self.key:
            return
        discard(store)
        target = asdict(self.target) | {"settings": self.target.settings.model_dump(mode="json")}
        write_json(place, {**self.__dict__, "target": target})


def read_plan(store: Path, key: str) -> Plan:
    """Read the plan of a store that is being made.

    Raises
    ------
    PlanError
        If there is none with this key.
    """
    place = staging_folder(store) / "plan.json"
    content: dict[str, Any] = read_json(place) if place.exists() else {}
    if content.get("key") != key:
        raise PlanError(f"{place}: not the plan {key} that this part belongs to; plan the ingest of {store} again")
    target = content["target"]
    for name in ("radius_faces", "angle_faces", "times"):
        target[name] = None if target[name] is None else tuple(target[name])
    target["settings"] = CorpusSettings(**target["settings"])
    return Plan(**{**content, "target": Target(**target), "runs": tuple(content["runs"])})


def make_plan(
    store: Path,
    content: Mapping[str, Any],
    settings: CorpusSettings,
    seen: Survey,
    old: Mapping[str, Any] | None,
) -> Plan:
    """Decide grid, times and shards of a store (those it has, or those of the first run and the settings), and numbers.

    Parameters
    ----------
    store : Path
    content : mapping
        What the content of the store depends on: ``corpus``, ``reader``, ``options``.
    settings : CorpusSettings
    seen : Survey
        At least one readable run.
    old : mapping, optional
        The store that grows: ``corpus``, ``runs``.
    """
    readable = seen.readable
    if old:
        corpus: xr.Dataset = old["corpus"]
        annulus = annulus_of(corpus)
        longest = int(np.argmax(corpus.snapshot_count.values))
        common = corpus.snapshot_time.values[longest] if settings.times == "resample" else None
    else:
        annulus = refined(seen.annulus(readable[0]), settings.radial_cells, settings.angular_cells)
        common = None
        if settings.times == "resample":
            start = float(np.median([record["start"] for record in readable]))
            end = float(np.median([record["end"] for record in readable]))
            common = np.linspace(start, end, settings.snapshots)
    length = len(common) if common is not None else max(record["length"] for record in readable)
    per_shard = shard_length(length, *annulus.shape)
    if old:
        per_shard = old["corpus"].temperature.encoding["shards"][1]
    staging = staging_folder(store)
    target = Target(
        settings,
        tuple(annulus.radius_faces.tolist()),
        tuple(annulus.angle_faces.tolist()),
        None if common is None else tuple(common.tolist()),
        per_shard,
        str(staging / "array"),
        str(staging / "journal"),
    )
    numbers = _numbers(readable, [entry["simulation"] for entry in old["runs"]] if old else [])
    names = ("file", "size", "modified", "reader")
    runs = tuple(
        {**{name: record[name] for name in names}, "simulation": number}
        for record, number in zip(readable, numbers, strict=True)
    )
    essence = {
        "content": content,
        "grid": [target.radius_faces, target.angle_faces],
        "times": target.times,
        "shard": per_shard,
        "runs": runs,
    }
    return Plan(fingerprint(essence), target, length, runs, dict(content["options"]))


def _numbers(readable: Sequence[dict[str, Any]], taken: Sequence[int]) -> list[int]:
    """Give every run a number of its own: what it says, or the next that is free."""
    used = set(taken)
    numbers = []
    for record in readable:
        number = record["simulation"]
        if number < 0 or number in used:
            number = max(used, default=-1) + 1
        used.add(number)
        numbers.append(number)
    return numbers
