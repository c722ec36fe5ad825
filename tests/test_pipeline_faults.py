"""What fails on this machine: killed processes, a full disk, damaged files. The same results come out in the end."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "slurm"))
from faults import Run, fingerprints, leftovers

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Any:
    run = Run(tmp_path_factory.mktemp("expected"))
    assert run.finish("corpus") == 0, run.text()[-4000:]
    return fingerprints(run.results)


def test_everything_is_killed(tmp_path: Path, expected: Any) -> None:
    run = Run(tmp_path)
    process = run.start("corpus")
    run.wait_until(run.raw, process)
    os.killpg(process.pid, signal.SIGKILL)  # as when the machine goes down
    process.wait()
    assert not (run.results / "corpus.json").exists()
    assert run.finish("corpus") == 1
    assert "--unlock" in run.text()
    assert run.finish("--unlock") == 0
    assert run.finish("corpus") == 0, run.text()[-4000:]
    assert fingerprints(run.results) == expected


def test_a_job_is_killed_and_the_others_go_on(tmp_path: Path, expected: Any) -> None:
    run = Run(tmp_path)
    process = run.start("corpus")
    run.wait_until(run.raw, process)
    found = subprocess.run(["pgrep", "-g", str(process.pid), "-f", "simulate.py"], capture_output=True, text=True)
    os.kill(int(found.stdout.split()[-1]), signal.SIGKILL)
    assert process.wait() == 1
    assert not (run.results / "corpus.json").exists()
    assert len(list((run.results / "shards").glob("*.csv"))) == 1  # the other shard was finished
    assert run.finish("corpus") == 0, run.text()[-4000:]
    assert fingerprints(run.results) == expected


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounts a small file system: needs root")
def test_a_full_disk(tmp_path: Path, expected: Any) -> None:
    run = Run(tmp_path)
    (tmp_path / "results").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path / "results")]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        assert run.finish("corpus") == 1
        text = run.text()
        assert "No space left on device" in text or "errno = 28" in text
        assert not (run.results / "corpus.json").exists()
        # A run that found no room is none that failed: its shard is not finished.
        assert len(list((run.results / "shards").glob("*.csv"))) < 2
        subprocess.run(["mount", "-o", "remount,size=200m", str(tmp_path / "results")], check=True)
        assert run.finish("corpus") == 0, run.text()[-4000:]
        assert fingerprints(run.results) == expected
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path / "results")], check=False)


def test_a_damaged_run_of_an_unfinished_shard_is_made_again(tmp_path: Path, expected: Any) -> None:
    run = Run(tmp_path)
    assert run.finish("corpus") == 0, run.text()[-4000:]
    damaged, kept = run.raw()[0], run.raw()[2]
    damaged.write_bytes(damaged.read_bytes()[:5000])
    modified = kept.stat().st_mtime
    # The shard is unfinished, and nothing was made from it yet.
    (run.results / "shards/0000.csv").unlink()
    (run.results / "corpus.json").unlink()
    assert run.finish("corpus") == 0, run.text()[-4000:]
    assert kept.stat().st_mtime == modified
    assert fingerprints(run.results) == expected
    assert not leftovers(run.results)


def test_a_machine_that_has_to_compile_first_makes_the_same_runs(tmp_path: Path, expected: Any) -> None:
    run = Run(tmp_path, environment={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "empty")})
    assert run.finish("corpus") == 0, run.text()[-4000:]
    assert re.search(r"compiled \d+ functions", run.text())
    assert fingerprints(run.results) == expected
