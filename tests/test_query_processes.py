"""A surrogate leaves its process as path and digest, and says why it cannot answer where it would hang."""

import copy
import multiprocessing
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from query_examples import POINT

from surrogate.query import BundleError, QueryError, Surrogate, pack, read_bundle
from surrogate.query.bundle.files import seal


def mean(surrogate: Any, time: Any, method: str = "fnn") -> Any:
    return float(surrogate.mean_temperature(**POINT, time=time, method=method).mean_temperature[0])


def tell(connection: Any, surrogate: Any, question: Any) -> None:
    """Answer in a child process; an error as its text."""
    try:
        connection.send(question(surrogate))
    except QueryError as error:
        connection.send(str(error))


def in_child(way: Any, surrogate: Any, question: Any) -> Any:
    """Ask in a process started that way; None if it does not answer."""
    context = multiprocessing.get_context(way)
    here, there = context.Pipe()
    process = context.Process(target=tell, args=(there, surrogate, question))
    process.start()
    answer = here.recv() if here.poll(300) else None
    if answer is None:
        process.kill()
    process.join()
    return answer


def at_two(surrogate: Any) -> Any:
    return mean(surrogate, 2.0)


def rolled_out(surrogate: Any) -> Any:
    return mean(surrogate, 2.0, "lstm")


def encoded(surrogate: Any) -> Any:
    return surrogate.encode(np.full(surrogate.geometry.shape, 1700.0))


def test_copies_are_the_same_bundle_and_give_the_same_answers(
    tiny: Surrogate, bundle_folder: Path, tmp_path: Path
) -> None:
    zipped = Surrogate.load(pack(bundle_folder, tmp_path / "tiny.zip"))
    for original in (tiny, zipped):
        original.largest_answer = 3.0
        for other in (pickle.loads(pickle.dumps(original)), copy.copy(original), copy.deepcopy(original)):
            assert other is not original
            assert other.bundle.digest == original.bundle.digest
            assert other.largest_answer == 3.0
            assert mean(other, 2.0) == mean(original, 2.0)
    tiny.largest_answer = 4.0
    assert len(pickle.dumps(tiny)) < 1000


def test_the_demo_is_pickled_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert b"demo" in pickle.dumps(Surrogate.load("demo"))
    assert os.fsencode(os.path.dirname(os.path.dirname(__file__))) not in pickle.dumps(Surrogate.load("demo"))


def test_another_bundle_at_the_same_path_is_refused(bundle_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(bundle_folder, tmp_path / "bundle")
    pickled = pickle.dumps(Surrogate.load(folder))
    content = {key: value for key, value in read_bundle(folder).items() if key not in ("files", "digest")}
    seal(folder, {**content, "name": "another"})
    with pytest.raises(BundleError, match="was replaced since this surrogate was pickled: expected digest"):
        pickle.loads(pickled)
    shutil.rmtree(folder)
    with pytest.raises(FileNotFoundError, match="no such bundle"):
        pickle.loads(pickled)


def test_a_spawned_process_answers(tiny: Surrogate) -> None:
    assert in_child("spawn", tiny, at_two) == mean(tiny, 2.0)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
@pytest.mark.parametrize("question", [rolled_out, encoded])
def test_a_forked_process_says_why_it_cannot_answer(tiny: Surrogate, question: Any) -> None:
    rolled_out(tiny)
    assert in_child("fork", tiny, at_two) == mean(tiny, 2.0)  # which needs no Keras
    assert "forked from one in which networks had already computed" in str(in_child("fork", tiny, question))


def test_workers_of_dask_answer(tiny: Surrogate) -> None:
    from dask.distributed import Client, LocalCluster

    start: Any = LocalCluster
    connect: Any = Client
    cluster = start(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, connect(cluster) as client:
        assert client.submit(at_two, tiny).result() == mean(tiny, 2.0)
