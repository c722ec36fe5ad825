from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras import ops

from surrogate.query import QueryError, Surrogate
from surrogate.query.export import graph


@pytest.fixture(scope="module")
def questions(tiny: Surrogate) -> Any:
    """Rows of the graph at times on and between the knots of the calibration, and what the package answers."""
    sets, times = (
        tiny.space.draw(4, 0).astype(np.float32).astype(float),
        np.array([0.0, 0.25, 1.7, 3.1, 4.5], np.float32),
    )
    rows = np.concatenate([np.repeat(sets, len(times), 0), np.tile(times, len(sets))[:, None]], axis=1)
    fields = tiny.predict(sets, time=times.astype(float)).temperature.values
    return rows.astype(np.float32), fields.reshape(-1, *fields.shape[2:])


# A temperature of 2,000 K has steps of 1.2e-4 K in single precision.
ROUND_OFF = 2e-3


def test_the_graph_gives_the_answer(tiny: Surrogate, questions: Any) -> None:
    rows, fields = questions
    np.testing.assert_allclose(graph(tiny.engine)(ops.convert_to_tensor(rows)), fields, atol=ROUND_OFF)


def test_the_calibration_is_not_linear_between_its_knots(tiny: Surrogate, questions: Any) -> None:
    """What an earlier export got wrong: a table of gain times mean; here the difference must be visible."""
    calibration = tiny.engine.predictor("fnn").calibration
    gain, mean = calibration.gain, calibration.mean
    middle = 0.25 * (gain[1:] + gain[:-1]) * (mean[1:] + mean[:-1])
    assert np.abs(middle - 0.5 * (gain[1:] * mean[1:] + gain[:-1] * mean[:-1])).max() > ROUND_OFF


def test_a_savedmodel_agrees(tiny: Surrogate, questions: Any, tmp_path: Path) -> None:
    tensorflow = pytest.importorskip("tensorflow")
    path = tiny.export(tmp_path / "graph")
    loaded = tensorflow.saved_model.load(str(path)).signatures["serving_default"]
    (found,) = loaded(tensorflow.constant(questions[0])).values()
    np.testing.assert_allclose(found, questions[1], atol=ROUND_OFF)


def test_an_onnx_file_agrees(tiny: Surrogate, questions: Any, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    session = runtime.InferenceSession(str(tiny.export(tmp_path / "graph.onnx", "onnx")))
    assert session.get_inputs()[0].name == "parameters_and_time"
    (found,) = session.run(None, {"parameters_and_time": questions[0]})
    np.testing.assert_allclose(found, questions[1], atol=ROUND_OFF)


def test_impossible_exports_are_refused(tiny: Surrogate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, form, message in (("x", "onnx", "ends with .onnx"), ("x", "tflite", "expected savedmodel or onnx")):
        with pytest.raises(QueryError, match=message):
            tiny.export(tmp_path / path, form)
    monkeypatch.setitem(__import__("sys").modules, "tf2onnx", None)
    with pytest.raises(QueryError, match=r"pip install surrogate\[export\]"):
        tiny.export(tmp_path / "x.onnx", "onnx")
    assert not list(tmp_path.iterdir())
