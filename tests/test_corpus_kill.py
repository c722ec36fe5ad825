"""Killed anywhere and run again, an ingest gives the store, bit for bit, that an undisturbed one gives.

The process kills itself (SIGKILL) at the n-th change that it is about to make in the file system below the folder of
the store: a file opened for writing (which it leaves torn), a rename, a removal, a new folder. The codecs of zarrs
write shards without Python's knowledge: the call that has one written counts as its opening.
"""

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from corpus_samples import tree_digest, write_runs

from surrogate.config import CorpusSettings
from surrogate.corpus import ingest, ingest_part, open_corpus, plan_ingest
from surrogate.corpus.ingestion import convert
from surrogate.corpus.ingestion.plan import staging_folder

SMALL = CorpusSettings(validation_fraction=0.2, test_fraction=0.2)

CHANGES = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def in_one_go(paths: Any, store: Any) -> None:
    ingest(paths, store, SMALL)


def in_parts(paths: Any, store: Any) -> None:
    key = plan_ingest(paths, store, SMALL)
    for part in range(2):
        ingest_part(store, key, part, 2)
    ingest(paths, store, SMALL)


def _run_and_die(work: Any, paths: Any, store: Any, deaths: Any) -> Any:
    """Do `work` in a child that kills itself at its `deaths`-th change; return its exit status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left, folder, write = deaths, str(store.parent), vars(convert)["write_snapshots"]

    def change(torn: Any = None) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            if torn is not None:
                with open(torn, "wb") as stream:
                    stream.write(b"torn")
            os.kill(os.getpid(), signal.SIGKILL)

    def lethal(event: Any, arguments: Any) -> None:
        if event not in CHANGES or (event == "open" and not arguments[2] & WRITING):
            return
        relative = event != "open" and arguments[-1] != -1  # to a folder that is open: the removal of a tree
        if not relative and not str(arguments[0]).startswith(folder):
            return
        change(arguments[0] if event == "open" else None)

    def lethal_write(array: Any, run: Any, start: Any, stored: Any) -> None:
        place = staging_folder(store) / f"array/c/{run}/0/0/0"
        place.parent.mkdir(parents=True, exist_ok=True)
        change(place)
        write(array, run, start, stored)

    sys.addaudithook(lethal)
    vars(convert)["write_snapshots"] = lethal_write
    try:
        work(paths, store)
        os._exit(0)
    except BaseException:
        os._exit(1)


def check_kills(work: Any, paths: Any, store: Any, whole: Any, start: Any, first: Any, step: Any) -> Any:
    """Kill at every `step`-th change, run again, compare; return the number of changes that were reached."""
    deaths, status = first, -signal.SIGKILL
    while status != 0:
        shutil.rmtree(store.parent, ignore_errors=True)
        store.parent.mkdir()
        if start is not None:
            shutil.copytree(start, store)
        status = _run_and_die(work, paths, store, deaths)
        assert status in (0, -signal.SIGKILL), f"failed where it should have died, at change {deaths}"
        if store.exists() and start is None:
            open_corpus(store)  # under its final name only when whole
        work(paths, store)
        assert tree_digest(store) == whole, f"killed at change {deaths}"
        assert os.listdir(store.parent) == [store.name], f"killed at change {deaths}"
        deaths += step
    return deaths


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return write_runs(tmp_path_factory.mktemp("raw"), range(4))


@pytest.fixture(scope="module")
def references(raw: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("references")
    ingest(raw[:3], folder / "first.zarr", SMALL)
    shutil.copytree(folder / "first.zarr", folder / "grown.zarr")
    ingest(raw, folder / "grown.zarr", SMALL)
    ingest(raw, folder / "new.zarr", SMALL)
    return folder


WAYS = {"new": (in_one_go, "new", None), "append": (in_one_go, "grown", "first"), "parts": (in_parts, "new", None)}


@pytest.mark.parametrize(("way", "first", "step"), [("new", 30, 149), ("append", 15, 151), ("parts", 25, 173)])
def test_killed_and_run_again(raw: Any, references: Any, tmp_path: Path, way: Any, first: Any, step: Any) -> None:
    work, whole, start = WAYS[way]
    start = None if start is None else references / f"{start}.zarr"
    digest = tree_digest(references / f"{whole}.zarr")
    assert check_kills(work, raw, tmp_path / "work" / "corpus.zarr", digest, start, first, step) > 100


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_killed_at_every_change(raw: Any, references: Any, tmp_path: Path, way: Any) -> None:
    work, whole, start = WAYS[way]
    start = None if start is None else references / f"{start}.zarr"
    digest = tree_digest(references / f"{whole}.zarr")
    assert check_kills(work, raw, tmp_path / "work" / "corpus.zarr", digest, start, 1, 1) > 100
