"""The FNN and the decoder as one graph for other programs: SavedModel or ONNX.

One input row is five parameters in SI units and a time in Gyr; one output row is a temperature field in K, wall rows
included. Scaling, calibration and walls are inside: nothing of this package is needed to run the graph.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np

from surrogate.files import atomic
from surrogate.parameters import PARAMETERS
from surrogate.query.arguments import QueryError
from surrogate.query.engine import FEATURES, Engine

Format = Literal["savedmodel", "onnx"]

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
    import keras

    if keras.backend.backend() != "tensorflow":
        raise QueryError(f"export: needs the Keras backend tensorflow, not {keras.backend.backend()}")
    converter = _needed("tf2onnx", "export") if form == "onnx" else None
    signature = [tensorflow.TensorSpec((None, FEATURES), tensorflow.float32, name="parameters_and_time")]
    function = tensorflow.function(graph(engine), input_signature=signature, autograph=False, jit_compile=False)
    with atomic(path) as temporary:
        if converter is not None:
            converter.convert.from_function(function, signature, opset=OPSET, output_path=str(temporary))
        else:
            module = tensorflow.Module()
            module.variables_ = [engine.fnn.network.variables, engine.autoencoder.decoder.variables]
            module.predict = function
            tensorflow.saved_model.save(module, str(temporary), signatures={"serving_default": function})
    return path


def _needed(name: str, extra: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise QueryError(f"export: needs the package {name}; pip install surrogate[{extra}]") from None


def graph(engine: Engine) -> Any:
    """Return a function of one batch, rows of five parameters (SI) and time (Gyr), to temperature, K."""
    from keras import ops

    predictor = engine.fnn
    scaler, latents, calibration = predictor.parameter_scaler, predictor.latent_scaler, predictor.calibration
    span = np.where(scaler.high > scaler.low, scaler.high - scaler.low, np.inf)
    centre = np.where(scaler.high > scaler.low, 0.5 * (scaler.high + scaler.low), 0.0)
    duration = max(scaler.last_time - scaler.first_time, 1e-12)
    # latent = mean + gain (centre + deviation output - mean). Mean and gain are linear between knots; their product
    # is not, and a table of it would be off by kelvins there.
    knots = calibration.times
    mean, gain = calibration.mean.astype(np.float32), calibration.gain.astype(np.float32)
    middle, deviation = latents.mean.astype(np.float32), latents.deviation.astype(np.float32)
    step = float(knots[-1] - knots[0]) / max(len(knots) - 1, 1) or 1.0

    def function(batch: Any) -> Any:
        columns = []
        for number, parameter in enumerate(PARAMETERS):
            value = batch[:, number]
            value = ops.log(value) / float(np.log(10.0)) if parameter.logarithmic else value
            columns.append((value - float(centre[number])) * float(2 / span[number]))
        time = batch[:, FEATURES - 1]
        columns.append((time - float(scaler.first_time)) * float(2 / duration) - 1)
        scaled = predictor.network(ops.stack(columns, axis=1), training=False)[:, 0, :]
        position = ops.clip((time - float(knots[0])) / step, 0.0, float(len(knots) - 1))
        lower = ops.cast(ops.minimum(ops.floor(position), float(max(len(knots) - 2, 0))), "int32")
        upper = ops.minimum(lower + 1, len(knots) - 1)
        share = (position - ops.cast(lower, "float32"))[:, None]

        def at(table: np.ndarray) -> Any:
            below, above = (ops.take(ops.convert_to_tensor(table), index, axis=0) for index in (lower, upper))
            return below + share * (above - below)

        expected = at(mean)
        return engine.decoded(expected + at(gain) * (scaled * deviation + middle - expected))

    return function
