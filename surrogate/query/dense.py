"""Small questions without Keras: networks of plain layers, as their ``.keras`` files describe them, in NumPy.

To import Keras, and to make a graph of its backend, takes many times as long as to answer a small question.
The layers are those of the default FNN and decoder. Any other layer, option or type of number is left to Keras.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from threadpoolctl import ThreadpoolController

from surrogate.files import read_json
from surrogate.learning.scaling import Calibration, FieldScaler, LatentScaler, ParameterScaler

Function = Callable[..., Any]

REDUCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "field": lambda field: field,
    "profile": lambda field: field.mean(axis=-1),
    "walls": lambda field: np.concatenate([field[:, :2], field[:, -2:]], axis=1),
    "series": lambda field: np.concatenate([*(field[:, row] for row in (0, 1, -2, -1)), field.mean(axis=-1)], axis=1),
}
"""What can be asked of decoded fields, shape (n, radius, angle); see :meth:`surrogate.query.engine.Engine.expand`."""


def predictor_function(folder: Path) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return what :meth:`surrogate.learning.fnn.FnnPredictor.graph` computes, from features to latents.

    None if the folder holds another predictor, or a network that only Keras can compute.
    """
    manifest, network = read_json(folder / "manifest.json"), read_network(folder / "network.keras")
    if manifest["kind"] != "fnn" or network is None:
        return None
    scaling = manifest["scaling"]
    parameters, latents = ParameterScaler.from_dict(scaling["parameters"]), LatentScaler.from_dict(scaling["latents"])
    calibration = Calibration.from_dict(scaling["calibration"])
    calibration = replace(calibration, times=parameters.transform_time(calibration.times))

    def predict(features: np.ndarray) -> np.ndarray:
        # All rows as the times of one history: that is one interpolation.
        found = calibration.apply(latents.inverse(network(features)[:, 0])[None], features[None, :, -1])
        return np.asarray(found[0])

    return predict


def decoder_function(folder: Path, what: str) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return what decodes latents to a key of :data:`REDUCTIONS`, K; None if only Keras can."""
    decoder, scaling = read_network(folder / "decoder.keras"), read_json(folder / "manifest.json")["scaling"]
    if decoder is None:
        return None
    scaler, reduction = FieldScaler.from_dict(scaling), REDUCTIONS[what]
    return lambda latents: reduction(scaler.join(*decoder(latents)))


class _OnlyKeras(Exception):
    """A layer or an option that is not known here."""


def read_network(path: Path) -> Function | None:
    """Read a ``.keras`` file of a network of plain layers.

    Parameters
    ----------
    path : Path

    Returns
    -------
    callable or None
        From one float32 array per input to the output, or to the list of them. None if there is anything in the file
        that is not known here.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            description = json.loads(archive.read("config.json"))
            with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
                network = _model(description["config"], weights)
    except (_OnlyKeras, zipfile.BadZipFile, OSError, LookupError, TypeError, ValueError):
        return None  # what is wrong with a damaged file, Keras says
    blas = ThreadpoolController()

    def compute(*arrays: np.ndarray) -> Any:
        with blas.limit(limits=1, user_api="blas"):  # several threads would mostly wait for each other
            return network(*arrays)

    return compute


def _model(config: dict[str, Any], group: Any) -> Function:
    """Build a functional model; `group` holds its weights."""
    weights = {part["vars"].attrs["name"]: part for part in group["layers"].values()}
    steps = []
    for layer in config["layers"]:
        if layer["class_name"] == "InputLayer":
            continue
        (call,) = layer["inbound_nodes"]  # a layer that is used twice fails here
        _require(not any(any(value) if isinstance(value, list) else value for value in call["kwargs"].values()))
        tensors, *options = call["args"]
        tensors = tensors if isinstance(tensors, list) else [tensors]
        sources = [_output(tensor["config"]["keras_history"]) for tensor in tensors]
        steps.append(((layer["name"], 0), sources, _function(layer, weights.get(layer["name"]), options)))
    inputs, outputs = (
        [_output(history) for history in ([ends] if isinstance(ends[0], str) else ends)]
        for ends in (config["input_layers"], config["output_layers"])
    )

    def compute(*arrays: np.ndarray) -> Any:
        values = dict(zip(inputs, arrays, strict=True))
        for name, sources, function in steps:
            values[name] = function(*(values[source] for source in sources))
        return values[outputs[0]] if len(outputs) == 1 else [values[name] for name in outputs]

    return compute


def _output(history: list[Any]) -> tuple[str, int]:
    layer, _, number = history  # the call does not matter: each layer is called once
    return layer, number


def _require(holds: bool) -> None:
    if not holds:
        raise _OnlyKeras


def _function(layer: dict[str, Any], group: Any, options: list[Any]) -> Function:
    """Build one layer."""
    kind, config = layer["registered_name"] or layer["class_name"], layer["config"]
    if kind == "Functional":
        return _model(config, group)
    policy = config.get("dtype")
    _require(policy is None or (policy["class_name"], policy["config"]["name"]) == ("DTypePolicy", "float32"))
    match kind:
        case "Dense":
            kernel, bias = _weights(group)
            activation = _ACTIVATIONS[config["activation"]]
            return lambda inputs: activation(inputs @ kernel + bias)
        case "surrogate>EnsembleDense":
            kernel, bias = _weights(group)
            activation = _ACTIVATIONS[config["activation"]]
            return lambda inputs: activation((inputs.swapaxes(0, 1) @ kernel).swapaxes(0, 1) + bias)
        case "Conv1D":
            plain = {"strides": [1], "dilation_rate": [1], "groups": 1, "padding": "valid", "activation": "linear"}
            _require(all(config[name] == value for name, value in plain.items()))
            _require(config["data_format"] == "channels_last")
            kernel, bias = _weights(group)
            return _convolution(kernel, bias)
        case "surrogate>ExtendColumns":
            return _extension(config["before"], config["after"], config["periodic"])
        case "surrogate>RowModes":
            _require(config["back"])  # only the decoder is needed here
            return _row_modes(*_weights(group, 3))
        case "surrogate>Correction":
            hidden = [_weights(group["hidden"][name]) for name in sorted(group["hidden"], key=_number)]
            _require(len(hidden) == config["depth"])
            return _correction(hidden, _weights(group["last"]))
        case "surrogate>Members":
            return lambda inputs: np.repeat(inputs[:, None], config["members"], axis=1)
        case "surrogate>TimeFeatures":
            turns = np.arange(1, config["frequencies"] + 1, dtype=np.float32) * np.float32(math.pi / 2)
            return lambda inputs: np.concatenate(
                [inputs, np.sin(inputs[:, -1:] * turns), np.cos(inputs[:, -1:] * turns)], axis=-1
            )
        case "surrogate>Consensus":
            return lambda inputs: inputs.mean(axis=-2, keepdims=True)
        case "Dropout":
            return lambda inputs: inputs
        case "Activation":
            return _ACTIVATIONS[config["activation"]]
        case "Add":
            return lambda *inputs: sum(inputs[1:], inputs[0])
        case "Concatenate":
            _require(config["axis"] == -1)
            return lambda *inputs: np.concatenate(inputs, axis=-1)
        case "Reshape":
            return lambda inputs: inputs.reshape(-1, *config["target_shape"])
        case "Pad":
            _require(config["mode"] == "constant")
            return lambda inputs: np.pad(inputs, config["pad_width"])
        case "GetItem":
            part = tuple(slice(*(axis["config"][end] for end in ("start", "stop", "step"))) for axis in options[0])
            return lambda inputs: inputs[part]
    raise _OnlyKeras


def _correction(hidden: list[list[np.ndarray]], last: list[np.ndarray]) -> Function:
    def compute(inputs: np.ndarray) -> np.ndarray:
        kernel, bias = hidden[0]
        signal = _silu(inputs @ kernel + bias)
        for kernel, bias in hidden[1:]:
            signal = signal + _silu(signal @ kernel + bias)
        kernel, bias = last
        return np.asarray(signal @ kernel + bias)

    return compute


def _convolution(kernel: np.ndarray, bias: np.ndarray) -> Function:
    width, channels = kernel.shape[0], kernel.shape[2]
    flat = kernel.reshape(-1, channels)

    def compute(inputs: np.ndarray) -> np.ndarray:
        count = inputs.shape[1] - width + 1
        seen = np.concatenate([inputs[:, first : first + count] for first in range(width)], axis=2)
        return np.asarray(seen @ flat + bias)

    return compute


def _extension(before: int, after: int, periodic: bool) -> Function:
    def compute(inputs: np.ndarray) -> np.ndarray:
        room = [(0, 0)] * (inputs.ndim - 2) + [(before, after), (0, 0)]
        return np.pad(inputs, room, mode="wrap" if periodic else "symmetric")

    return compute


def _row_modes(profile: np.ndarray, kernel: np.ndarray, stretch: np.ndarray) -> Function:
    def compute(coefficients: np.ndarray, walls: np.ndarray) -> np.ndarray:
        rows = (coefficients @ kernel).swapaxes(1, 2)
        mean = rows.mean(axis=-1, keepdims=True)
        return np.asarray((walls @ profile[:-1] + profile[-1])[:, :, None] + mean + stretch * (rows - mean))

    return compute


def _weights(group: Any, count: int = 2) -> list[np.ndarray]:
    """Weights of a layer, kernel and bias of most; anything else is an error."""
    found = [group["vars"][str(number)][()] for number in range(len(group["vars"]))]
    _require(len(found) == count and all(part.dtype == np.float32 for part in found))
    return found


def _number(name: str) -> int:
    """Place of a layer in a list: ``dense``, ``dense_1``, ..."""
    return int(name.partition("_")[2] or 0)


def _silu(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # x / (1 + infinity) is right
        return np.asarray(values / (1 + np.exp(-values)))


_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"linear": lambda values: values, "silu": _silu}
