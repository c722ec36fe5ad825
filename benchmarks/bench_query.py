"""Speed of answers: `python -m pytest benchmarks/bench_query.py --benchmark-only -s`; read the ratios, not the times.

The bundle is that of SURROGATE_BUNDLE (default: results/default/surrogate). The paper-sized questions use an untrained
network of the reference paper's shape on 302 x 394 nodes: speed does not depend on the weights.
"""

import os
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surrogate.query import Surrogate
from surrogate.query.engine import compile_graph

BUNDLE = Path(os.environ.get("SURROGATE_BUNDLE", "results/default/surrogate"))
pytestmark = pytest.mark.benchmark(min_rounds=5, warmup=True, warmup_iterations=1)


@pytest.fixture(scope="module")
def surrogate() -> Any:
    if not (BUNDLE / "bundle.json").exists():
        pytest.skip(f"{BUNDLE}: no bundle; run the pipeline first")
    return Surrogate.load(BUNDLE)


@pytest.fixture(scope="module")
def question(surrogate: Any) -> Any:
    return surrogate.space.draw(256, 0)


def bare(engine: Any) -> Any:
    """FNN and decoder in one compiled call, without anything around it."""
    engine.answer("fnn", engine.space.draw(1, 0), np.ones(1))  # reads the networks: not within the graph
    predictor = engine.predictor("fnn")
    return compile_graph(lambda batch: engine.decoded(predictor.graph(batch)), len(engine.space) + 1)


@pytest.mark.benchmark(group="one field at one time", min_rounds=50)
@pytest.mark.parametrize("way", ["bare network", "Surrogate.predict", "Keras predict"])
def test_one_field(benchmark: Any, surrogate: Any, question: Any, way: Any) -> None:
    engine, time = surrogate.engine, np.array([2.0])
    rows, answer = engine.features("fnn", question[:1], time), bare(engine)
    predictor, features = engine.predictor("fnn"), engine.features("fnn", question[:1], time)

    def keras_predict() -> Any:
        latents = predictor.latent_scaler.inverse(predictor.network.predict(features, verbose=0)[:, 0])
        return engine.autoencoder.scaler.join(*engine.autoencoder.decoder.predict(latents, verbose=0))

    ways = {
        "bare network": lambda: answer(rows),
        "Surrogate.predict": lambda: surrogate.predict(question[0], time=time),
        "Keras predict": keras_predict,
    }
    benchmark(ways[way])


@pytest.mark.benchmark(group="a history of 45 fields")
@pytest.mark.parametrize("method", ["fnn", "lstm", "ensemble"])
def test_history(benchmark: Any, surrogate: Any, question: Any, method: str) -> None:
    first, last = surrogate.time_range
    times = np.linspace(first, last, 45)
    sets = cycle(surrogate.space.draw(100, 0))  # never the same twice running: the last rollout of the LSTM is kept
    benchmark(lambda: surrogate.predict(next(sets), time=times, method=method))


@pytest.mark.benchmark(group="10,000 sets at one time")
@pytest.mark.parametrize("way", ["bare network", "fields", "profiles", "heat fluxes"])
def test_batch(benchmark: Any, surrogate: Any, way: Any) -> None:
    sets, time = surrogate.space.draw(10_000, 0), np.array([2.0])
    engine = surrogate.engine
    rows, answer = engine.features("fnn", sets, time), bare(engine)
    ways = {
        "bare network": lambda: [answer(rows[i : i + engine.chunk]) for i in range(0, len(rows), engine.chunk)],
        "fields": lambda: surrogate.predict(sets, time=time),
        "profiles": lambda: surrogate.profile(sets, time=time),
        "heat fluxes": lambda: surrogate.heat_flux(sets, time=time),
    }
    benchmark(ways[way])


@pytest.mark.benchmark(group="simulator against surrogate, one history")
@pytest.mark.parametrize("way", ["surrogate", "simulator"])
def test_against_the_simulator(benchmark: Any, surrogate: Any, question: Any, way: Any) -> None:
    from surrogate.parameters import Parameters
    from surrogate.settings import EvolutionSettings
    from surrogate.simulator import simulate

    rows, columns = surrogate.geometry.shape
    settings = EvolutionSettings(radial_cells=rows - 2, angular_cells=columns)
    point = Parameters.from_array(np.median(question, axis=0))
    if way == "simulator":
        benchmark.pedantic(simulate, (point, settings), rounds=1, iterations=1, warmup_rounds=1)
    else:
        benchmark(surrogate.predict, point)


@pytest.fixture(scope="module")
def reduced_order_models(surrogate: Any, question: Any) -> Any:
    """EZyRB's, of 48 modes: ANN on single fields, RBF on whole evolutions; a longer fit would not be faster."""
    ezyrb, torch = pytest.importorskip("ezyrb"), pytest.importorskip("torch")
    sets, times = question[:96], surrogate.default_times
    fields = surrogate.predict(sets).temperature.values
    known = surrogate.engine.predictor("fnn").parameter_scaler.features(sets, times)
    network = ezyrb.ANN([128] * 4, torch.nn.SiLU(), 1, frequency_print=10_000)
    some = slice(None, None, 4)
    models = {
        "EZyRB POD-ANN": (known[:, some].reshape(-1, 6), fields[:, some].reshape(-1, fields[0, 0].size), network),
        "EZyRB POD-RBF": (known[:, 0, :5], fields.reshape(len(fields), -1), ezyrb.RBF()),
    }
    return {
        name: ezyrb.ReducedOrderModel(ezyrb.Database(inputs, flat), ezyrb.POD("svd", rank=48), regression).fit()
        for name, (inputs, flat, regression) in models.items()
    }


@pytest.mark.parametrize("sets", [pytest.param(1, id="one history"), pytest.param(160, id="160 histories")])
@pytest.mark.parametrize("way", ["Surrogate.predict", "EZyRB POD-ANN", "EZyRB POD-RBF"])
def test_against_ezyrb(
    benchmark: Any, surrogate: Any, question: Any, reduced_order_models: Any, sets: Any, way: Any
) -> None:
    benchmark.group = f"{sets} histories of {len(surrogate.default_times)} fields, beside EZyRB"
    asked, scaler = question[:sets], surrogate.engine.predictor("fnn").parameter_scaler
    features = scaler.features(asked, surrogate.default_times)
    if way == "Surrogate.predict":
        benchmark(surrogate.predict, asked)
    else:
        inputs = features.reshape(-1, 6) if way == "EZyRB POD-ANN" else features[:, 0, :5]
        benchmark(reduced_order_models[way].predict, inputs)


@pytest.mark.benchmark(group="100,000 profiles at one time")
def test_many_profiles(benchmark: Any, surrogate: Any) -> None:
    benchmark.pedantic(
        surrogate.profile, (surrogate.space.draw(100_000, 0),), {"time": [2.0]}, rounds=3, warmup_rounds=1
    )


@pytest.mark.benchmark(group="a history of 45 fields of 302 x 394, parameters to fields")
@pytest.mark.parametrize("network", ["residual", "paper"])
@pytest.mark.parametrize("way", ["compiled", "Keras predict"])
def test_paper_sized(benchmark: Any, network: Any, way: Any) -> None:
    import keras

    from surrogate.learning.fnn import residual_network
    from surrogate.learning.networks.convolutional import ConvolutionalNetworks
    from surrogate.learning.networks.paper import paper_autoencoder, paper_fnn
    from surrogate.settings import ConvolutionalAutoencoderSettings, ResidualFnnSettings

    keras.utils.set_random_seed(0)
    if network == "paper":
        _, decoder = paper_autoencoder((302, 394))
        predictor = paper_fnn(6, decoder.input_shape[-1])
    else:
        decoder = ConvolutionalNetworks.untrained((302, 394), 0, ConvolutionalAutoencoderSettings()).decoder
        predictor = residual_network(6, decoder.input_shape[-1], ResidualFnnSettings())
    rows = np.random.default_rng(0).uniform(-1, 1, (45, 6)).astype(np.float32)
    answer = compile_graph(lambda batch: decoder(predictor(batch, training=False)[:, 0], training=False)[0], 6)
    if way == "compiled":
        benchmark(answer, rows)
    else:
        benchmark(lambda: decoder.predict(predictor.predict(rows, verbose=0)[:, 0], verbose=0))
