"""The Slurm profile on a cluster of one node: where jobs run, and what comes out when something fails.

Run by `make test-slurm`, as root on Debian or Ubuntu. docs/cluster.md has the table of these faults.
"""

import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent / "slurm"))
import one_node
from faults import CONFIGURATION, ROOT, SITE, Run, fingerprints, leftovers

pytestmark = pytest.mark.slurm


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Any:
    """A cluster that runs; left running if it did before."""
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="needs the extra slurm")
    running = one_node.running()
    try:
        one_node.up()
    except one_node.ClusterError as error:
        pytest.skip(str(error))
    yield
    if not running:
        one_node.down()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Fingerprints of the corpus to break, made here without a fault."""
    run = Run(tmp_path_factory.mktemp("expected"))
    assert run.finish("corpus") == 0, run.text()[-4000:]
    return fingerprints(run.results)


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """The same corpus, to be made on the cluster."""
    return Run(tmp_path, site=SITE, environment=one_node.environment())


def accounts(begin: Any) -> Any:
    """What the accounting says of jobs since `begin`: rule, partition, state, what was allocated, nodes."""
    text = one_node.ask("sacct", "-X", "-P", "-n", "-S", begin, "-o", "comment,partition,state,alloctres,nodelist")
    rows = [line.split("|") for line in text.splitlines() if line.startswith("rule_")]
    return [(comment.removeprefix("rule_").partition("_wildcards")[0], *rest) for comment, *rest in rows]


def now() -> Any:
    time.sleep(1.1)  # sacct counts whole seconds
    return time.strftime("%Y-%m-%dT%H:%M:%S")


def running_jobs() -> Any:
    """Number, node and name of the jobs that simulate now."""
    text = one_node.ask("squeue", "-h", "-t", "R", "-o", "%i %N %j %k")
    return [line.split()[:3] for line in text.splitlines() if "rule_simulate" in line]


def hit(run: Any, process: Any) -> Any:
    """Wait until both shards are at work and a run is finished."""
    run.wait_until(lambda: len(running_jobs()) == 2 and run.raw(), process)
    return running_jobs()


def test_training_runs_on_the_gpu_node_and_nothing_else_does(tmp_path: Path) -> None:
    tiny = yaml.safe_load((ROOT / "config/tiny.yaml").read_text())
    run = Run(tmp_path, tiny, SITE, one_node.environment())
    begin = now()
    assert run.finish(seconds=1800) == 0, run.text()[-4000:]
    assert (run.results / "surrogate/bundle.json").exists()
    rows = accounts(begin)
    assert {state for _, _, state, _, _ in rows} == {"COMPLETED"}
    rules = {rule for rule, *_ in rows}
    training = {"autoencoder", "fnn", "lstm"}
    assert training | {"simulate", "ingest", "encode", "predict", "evaluate", "bundle"} <= rules
    for rule, partition, _, allocated, nodes in rows:
        if rule in training | {"flow"}:
            assert (partition, nodes) == ("accelerated", "g1"), rule
            assert "gres/gpu=1" in allocated, rule
        else:
            assert partition == "serial", rule
            assert "gpu" not in allocated, rule
    assert all("cpu=2" in allocated for rule, _, _, allocated, _ in rows if rule in {"simulate", *training})
    # And nothing is left to do.
    assert run.finish("--dry-run") == 0
    assert "Nothing to be done" in run.text()


@pytest.mark.parametrize("power", ["on", "off"])
def test_a_lost_node(power: Any, run: Any, expected: Any) -> None:
    begin = now()
    process = run.start("corpus")
    (_, node, _), *_ = hit(run, process)
    one_node.kill_node(node, jobs=power == "off")
    try:
        assert process.wait(900) == 0, run.text()[-4000:]
    finally:
        one_node.start_node(node)
    states = {state for _, _, state, _, _ in accounts(begin)}
    # With its network gone and its power on, the node may end its job before Slurm takes it for lost.
    assert "NODE_FAIL" in states or power == "on"
    assert fingerprints(run.results) == expected
    assert not leftovers(run.results)


def test_a_cancelled_job(run: Any, expected: Any) -> None:
    begin = now()
    process = run.start("corpus")
    (number, _, _), *_ = hit(run, process)
    one_node.ask("scancel", number)
    assert process.wait(600) == 0, run.text()[-4000:]
    assert any(state.startswith("CANCELLED") for _, _, state, _, _ in accounts(begin))
    assert fingerprints(run.results) == expected
    assert not leftovers(run.results)


def test_too_little_memory(tmp_path: Path, expected: Any) -> None:
    # A job with two cores starts with 400 MB: less than two simulations take; the fourth attempt has 1600.
    site = {**SITE, "memory_per_core": 200}
    run = Run(tmp_path, site=site, environment=one_node.environment())
    begin = now()
    code = run.finish("corpus")
    states = [(rule, state) for rule, _, state, _, _ in accounts(begin)]
    assert {state for _, state in states} & {"FAILED", "OUT_OF_MEMORY"}
    assert code == 0, run.text()[-4000:]
    assert fingerprints(run.results) == expected


def test_too_little_time(tmp_path: Path) -> None:
    # One of the runs takes about a minute, the least that Slurm knows; each attempt goes on where the last stopped.
    # Three are the fewest that can be split.
    content = {**CONFIGURATION, "design": {**CONFIGURATION["design"], "runs": 3}}
    content["simulator"] = {"radial_cells": 96, "angular_cells": 128, "snapshots": 12}
    begin = now()
    run = Run(tmp_path / "run", content, SITE, one_node.environment())
    assert run.finish("corpus", "--set-resources", "simulate:runtime=attempt") == 0, run.text()[-4000:]
    assert ("simulate", "TIMEOUT") in [(rule, state) for rule, _, state, _, _ in accounts(begin)]
    whole = Run(tmp_path / "whole", content)
    assert whole.finish("corpus") == 0, whole.text()[-4000:]
    assert fingerprints(run.results) == fingerprints(whole.results)


def test_snakemake_is_killed_and_its_jobs_with_it(run: Any, expected: Any) -> None:
    process = run.start("corpus")
    (_, _, name), *_ = hit(run, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert running_jobs()  # Slurm knows nothing of it
    assert run.finish("corpus") == 1
    assert "--unlock" in run.text()
    one_node.ask("scancel", "--name", name)
    assert run.finish("--unlock") == 0
    assert run.finish("corpus") == 0, run.text()[-4000:]
    assert fingerprints(run.results) == expected


def test_snakemake_is_killed_and_its_jobs_go_on_beside_new_ones(run: Any, expected: Any) -> None:
    # Not as the page says to do it: two jobs make the same runs. Whole files replace whole, equal files.
    process = run.start("corpus")
    hit(run, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert run.finish("--unlock") == 0
    assert run.finish("corpus") == 0, run.text()[-4000:]
    one_node.wait_for("the old jobs", lambda: not running_jobs(), 300)
    assert fingerprints(run.results) == expected


def test_ctrl_c_takes_the_jobs_along(run: Any) -> None:
    process = run.start("corpus")
    hit(run, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 1
    one_node.wait_for("an empty queue", lambda: not one_node.ask("squeue", "-h").strip(), 60)
