"""The FNN and the decoder as one graph for other programs: SavedModel or ONNX.

One input row is the parameters in their units and a time in Gyr; one output row is a temperature field in K, wall rows
included. Scaling, calibration and walls are inside: nothing of this package is needed to run the graph.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from surrogate.files import atomic
from surrogate.query.engine import Engine
from surrogate.query.errors import QueryError

OPSET = 17
"""Version of the ONNX operators; every runtime since 2022 has it."""


def export(engine: Engine, path: str | os.PathLike[str], form: str) -> Path:
    """Write the graph; see :meth:`surrogate.query.Surrogate.export`."""
    path = Path(path)
    if form not in ("savedmodel", "onnx"):
        raise QueryError(f"format {form!r}: expected savedmodel or onnx")
    if form == "onnx" and path.suffix != ".onnx":
        raise QueryError(f"{path}: expected a name that ends with .onnx")
    tensorflow = _needed("tensorflow", "tensorflow")
    converter = _needed("tf2onnx", "export") if form == "onnx" else None
    function = graph(engine)
    import keras

    if keras.backend.backend() != "tensorflow":
        raise QueryError(f"export: needs the Keras backend tensorflow, not {keras.backend.backend()}")
    shape = (None, len(engine.space) + 1)
    signature = [tensorflow.TensorSpec(shape, tensorflow.float32, name="parameters_and_time")]
    function = tensorflow.function(function, input_signature=signature, autograph=False, jit_compile=False)
    with atomic(path) as temporary:
        if converter is not None:
            converter.convert.from_function(function, signature, opset=OPSET, output_path=str(temporary))
        else:
            module = tensorflow.Module()
            networks = (_differentiable(engine).network, engine.autoencoder.decoder)
            module.variables_ = [network.variables for network in networks]
            module.predict = function
            tensorflow.saved_model.save(module, str(temporary), signatures={"serving_default": function})
    return path


def _needed(name: str, extra: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise QueryError(f"export: needs the package {name}; pip install surrogate[{extra}]") from None


def graph(engine: Engine) -> Callable[[Any], Any]:
    """Return a function of one batch, rows of parameters (in their units) and time (Gyr), to temperature, K."""
    predictor, _ = _differentiable(engine), engine.autoencoder  # read before a graph is made
    from keras import ops

    scaler, logarithmic = predictor.parameter_scaler, [entry.logarithmic for entry in engine.space.parameters]
    varied = scaler.high > scaler.low
    low, high = np.append(scaler.low, scaler.first_time), np.append(scaler.high, scaler.last_time)
    factor = 2 / np.where(np.append(varied, True), np.maximum(high - low, 1e-12), np.inf)
    centre = np.where(np.append(varied, True), 0.5 * (low + high), 0.0)

    def function(batch: Any) -> Any:
        columns = []
        for number, is_logarithmic in enumerate([*logarithmic, False]):
            value = batch[:, number]
            value = ops.log(value) / float(np.log(10.0)) if is_logarithmic else value
            columns.append((value - float(centre[number])) * float(factor[number]))
        return engine.decoded(predictor.graph(ops.stack(columns, axis=1)))

    return function


def _differentiable(engine: Engine) -> Any:
    """Return the first predictor of the bundle that is one graph."""
    for name in engine.means:
        if hasattr(engine.predictor(name), "graph"):
            return engine.predictor(name)
    raise QueryError(f"export: none of {', '.join(engine.means)} is one graph")
