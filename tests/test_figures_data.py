"""Every figure shows the data that it was given: the numbers in its artists against the diagnostics."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from made_up import GEOMETRY, disturbed, made_up_corpus
from matplotlib.collections import PathCollection, QuadMesh

from surrogate.diagnostics import accuracy, accuracy_of_runs, pod
from surrogate.diagnostics.physics import core_mantle_boundary_heat_flux, surface_heat_flux
from surrogate.fields import FieldError, make_corpus, select_run, select_split, valid_snapshots
from surrogate.figures import errors, examples, modes, pairs, training
from surrogate.figures.animation import frames
from surrogate.figures.concept import concept
from surrogate.figures.field import draw_field
from surrogate.figures.selection import median_and_worst
from surrogate.figures.style import colour_of, new_figure, temperature_norm
from surrogate.geometry import Geometry
from surrogate.parameters import Parameter, ParameterSpace


@pytest.fixture(scope="module")
def corpus() -> xr.Dataset:
    return made_up_corpus((12, 12, 12, 12, 12, 7, 12), split=[0, 0, 1, 2, 2, 2, 2])


@pytest.fixture(scope="module")
def truth(corpus: xr.Dataset) -> xr.Dataset:
    return select_split(corpus, "test")


@pytest.fixture(scope="module")
def predictions(truth: xr.Dataset) -> dict[str, xr.Dataset]:
    return {"fnn": disturbed(truth, 15.0, 1), "lstm": disturbed(truth, 25.0, 2)}


def run_of(
    truth: xr.Dataset, predictions: dict[str, xr.Dataset], position: int
) -> tuple[xr.Dataset, dict[str, xr.Dataset]]:
    """One run and what is predicted of it."""
    return select_run(truth, position), {name: select_run(entry, position) for name, entry in predictions.items()}


def meshes_in(figure: Any) -> list[Any]:
    return [mesh for axes in figure.axes for mesh in axes.collections if isinstance(mesh, QuadMesh)]


def fields_in(figure: Any) -> Any:
    """Fields drawn, in order, without the columns that continue them to the side walls."""
    meshes = meshes_in(figure)
    shape = (GEOMETRY.shape[0], GEOMETRY.shape[1] + 2)
    return [mesh.get_array().reshape(shape)[:, 1:-1] for mesh in meshes if mesh.get_array().size == np.prod(shape)]


def points_in(axes: Any) -> Any:
    return [c for c in axes.collections if isinstance(c, PathCollection)]


def test_field_is_drawn_where_it_lies(truth: xr.Dataset) -> None:
    field = truth.temperature[0, 3].values
    axes = new_figure(85, 85).subplots()
    mesh: Any = draw_field(axes, field, GEOMETRY, temperature_norm(field))
    x, y = np.moveaxis(mesh.get_coordinates(), -1, 0)
    np.testing.assert_allclose(np.hypot(x, y), np.broadcast_to(GEOMETRY.vertical[:, None], x.shape))
    np.testing.assert_allclose(np.arctan2(y, x)[:, 1:-1], np.broadcast_to(GEOMETRY.lateral, field.shape), atol=1e-12)
    np.testing.assert_allclose(np.arctan2(y, x)[0, [0, -1]], [0, np.pi / 2], atol=1e-12)
    with pytest.raises(ValueError, match="expected that of the grid"):
        draw_field(axes, field[1:-1], GEOMETRY, temperature_norm(field))


def test_examples_show_truth_prediction_and_difference(truth: xr.Dataset, predictions: dict[str, xr.Dataset]) -> None:
    run, predicted = run_of(truth, predictions, 0)
    times = [1.0, 4.5]
    drawn = fields_in(examples.examples(run, predicted, times))
    indices = examples.nearest_snapshots(run, times)
    assert indices == [2, 11]
    for line, index in enumerate(indices):
        true = run.temperature.values[index]
        for column, method in enumerate(predicted):
            values = predicted[method].temperature.values[index]
            np.testing.assert_allclose(drawn[5 * line + 1 + column], values)
            np.testing.assert_allclose(drawn[5 * line + 3 + column], values - true, atol=1e-3)
        np.testing.assert_allclose(drawn[5 * line], true)


def test_panels_of_a_figure_share_their_scales(truth: xr.Dataset, predictions: dict[str, xr.Dataset]) -> None:
    run, predicted = run_of(truth, predictions, 0)
    figure: Any = examples.examples(run, predicted, [1.0, 4.5])
    meshes = meshes_in(figure)
    fields = [mesh for mesh in meshes if mesh.get_array().size == GEOMETRY.shape[0] * (GEOMETRY.shape[1] + 2)]
    scales = {(mesh.norm.vmin, mesh.norm.vmax) for mesh in fields}
    assert len(scales) == 2
    assert any(low == -high for low, high in scales)


def test_a_run_that_ended_leaves_its_places_empty(truth: xr.Dataset, predictions: dict[str, xr.Dataset]) -> None:
    run, predicted = run_of(truth, predictions, 2)
    assert run.sizes["time"] == 7
    figure: Any = examples.examples(run, predicted, [1.0, 4.5])
    assert len(fields_in(figure)) == 5
    assert any("run ended" in text.get_text() for axes in figure.axes for text in axes.texts)
    assert len(fields_in(examples.evolution(run, predicted["fnn"], "fnn", [1.0, 4.5]))) == 3


def test_examples_are_the_median_and_the_least_accurate(truth: xr.Dataset) -> None:
    sizes = np.array([10.0, 40.0, 20.0, 30.0])
    errors_in = sizes[:, None, None, None] * np.ones_like(truth.temperature.values)
    prediction = truth.assign(temperature=truth.temperature.copy(data=truth.temperature.values + errors_in))
    chosen = examples.example_runs(truth, {"fnn": prediction}, 2)
    assert [position for position, _ in chosen] == [3, 1]
    assert chosen[0][1].startswith(f"Run {int(truth.simulation[3])}: the median")
    lasting = examples.example_runs(truth, {"fnn": prediction}, 5, until=4.5)
    assert 2 not in [position for position, _ in lasting]  # that run is shorter


def test_evolution_draws_profiles(truth: xr.Dataset, predictions: dict[str, xr.Dataset]) -> None:
    run, predicted = run_of(truth, predictions, 0)
    figure: Any = examples.evolution(run, predicted["lstm"], "lstm", [2.0])
    index = examples.nearest_snapshots(run, [2.0])[0]
    profile, difference = figure.axes[3].lines, figure.axes[4].lines[0]
    np.testing.assert_allclose(profile[0].get_xdata(), run.temperature.values[index].mean(axis=-1), rtol=1e-6)
    expected = (predicted["lstm"].temperature - run.temperature).values[index].mean(axis=-1)
    np.testing.assert_allclose(difference.get_xdata(), expected, atol=1e-3)
    np.testing.assert_allclose(difference.get_ydata(), GEOMETRY.depth / 1e3)


def test_reconstruction(truth: xr.Dataset, predictions: dict[str, xr.Dataset]) -> None:
    run, predicted = run_of(truth, predictions, 0)
    drawn = fields_in(examples.reconstruction(run, predicted["fnn"], [1.0, 2.0], latents=20))
    np.testing.assert_allclose(drawn[4], drawn[2] - drawn[0])


def test_coverage_places_every_run_once(corpus: xr.Dataset) -> None:
    figure: Any = pairs.coverage(corpus)
    table = pairs.drawn_parameters(corpus)
    assert table[:, 0].max() < 22.1  # log10 of the viscosity
    train, (validation, test) = points_in(figure.axes[5])[0], points_in(figure.axes[1])
    np.testing.assert_allclose(train.get_offsets(), table[:2, [0, 1]])
    np.testing.assert_allclose(validation.get_offsets(), table[2:3, [1, 0]])
    np.testing.assert_allclose(test.get_offsets(), table[3:, [1, 0]])


def test_coverage_of_a_large_corpus_counts_every_training_run() -> None:
    split = np.r_[np.zeros(1000), np.ones(30), np.full(30, 2)]
    corpus = made_up_corpus((1,) * len(split), Geometry.quarter(3, 2), split=split)
    figure: Any = pairs.coverage(corpus)
    mesh: Any = next(mesh for mesh in figure.axes[5].collections if isinstance(mesh, QuadMesh))
    assert mesh.get_array().sum() == 1000
    assert mesh.get_array().size == 10 * 10
    assert mesh.norm.vmax >= mesh.get_array().max()


def test_accuracy_pairs_of_perfect_predictions_have_a_scale(truth: xr.Dataset) -> None:
    figure: Any = pairs.accuracy_pairs(truth, {"fnn": truth, "lstm": truth})
    norm = points_in(figure.axes[5])[0].norm
    assert norm.vmax > norm.vmin


def test_accuracy_pairs_colour_runs_by_their_mean(truth: xr.Dataset, predictions: dict[str, xr.Dataset]) -> None:
    figure: Any = pairs.accuracy_pairs(truth, predictions)
    for place, method in ((5, "fnn"), (1, "lstm")):
        (points,) = points_in(figure.axes[place])
        expected = np.nanmean(accuracy.relative_accuracy(truth, predictions[method]).values, axis=1)
        np.testing.assert_allclose(np.sort(points.get_array()), np.sort(expected))
    alone: Any = pairs.accuracy_pairs(truth, {"fnn": predictions["fnn"]})
    assert points_in(alone.axes[5])
    assert not points_in(alone.axes[1])
    with pytest.raises(ValueError, match="one method or more"):
        pairs.accuracy_pairs(truth, {})


def test_error_time_has_a_point_per_snapshot(truth: xr.Dataset, predictions: dict[str, xr.Dataset]) -> None:
    figure: Any = errors.error_time(truth, predictions)
    real = valid_snapshots(truth)
    for axes, prediction in zip(figure.axes, predictions.values(), strict=True):
        offsets = points_in(axes)[0].get_offsets()
        np.testing.assert_allclose(offsets[:, 0], truth.snapshot_time.values[real])
        np.testing.assert_allclose(offsets[:, 1], accuracy.mean_square_error(truth, prediction).values[real])
        assert axes.get_yscale() == "log"


def test_heat_flux_parity(truth: xr.Dataset, predictions: dict[str, xr.Dataset]) -> None:
    figure: Any = errors.heat_flux(truth, predictions, conductivity="constant")
    real = valid_snapshots(truth)
    flux = 1e3 * surface_heat_flux(predictions["lstm"], conductivity="constant").values[real]
    np.testing.assert_allclose(points_in(figure.axes[1])[0].get_offsets()[:, 1], flux)
    flux = 1e3 * core_mantle_boundary_heat_flux(truth, conductivity="constant").values[real]
    np.testing.assert_allclose(points_in(figure.axes[2])[0].get_offsets()[:, 0], flux)


def test_error_maps(truth: xr.Dataset, predictions: dict[str, xr.Dataset]) -> None:
    drawn = fields_in(errors.error_maps(truth, predictions))
    np.testing.assert_allclose(drawn[1], accuracy.error_map(truth, predictions["lstm"]), rtol=1e-6)


def test_spectra(truth: xr.Dataset, predictions: dict[str, xr.Dataset]) -> None:
    figure: Any = errors.spectra(truth, predictions)
    expected = accuracy.spectral_error(truth, predictions["fnn"])
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), expected["prediction"][1:])
    np.testing.assert_allclose(figure.axes[1].lines[0].get_ydata(), expected["error"][1:])


def test_singular_values_are_the_median_of_the_runs(truth: xr.Dataset, predictions: dict[str, xr.Dataset]) -> None:
    figure: Any = modes.singular_value_spectra(truth, predictions, count=4)
    runs = [select_run(truth, number).temperature.values.astype(float) for number in range(4)]
    values = [np.linalg.svd(run.reshape(len(run), -1), compute_uv=False)[:4] for run in runs]
    simulated = figure.axes[0].lines[0]
    np.testing.assert_allclose(simulated.get_ydata(), np.median(values, axis=0), rtol=1e-6)
    assert [line.get_color() for line in figure.axes[0].lines[1:]] == [colour_of(name) for name in predictions]


def test_pod_modes_are_drawn_with_the_sign_of_the_simulation(
    truth: xr.Dataset, predictions: dict[str, xr.Dataset]
) -> None:
    drawn = fields_in(modes.pod_modes(truth, predictions, count=3))
    assert len(drawn) == 9
    for line, dataset in enumerate([truth, *predictions.values()]):
        pattern = pod.decompose(dataset, 3)["pattern"].values
        for column in range(3):
            np.testing.assert_allclose(np.abs(drawn[3 * line + column]), np.abs(pattern[column]), atol=1e-6)
    assert np.sum(drawn[0] * drawn[3] * GEOMETRY.weight) > 0.9


def test_losses_and_their_best_epoch() -> None:
    epoch = np.arange(1, 11)
    table = pd.DataFrame({"epoch": epoch, "loss": 1.0 / epoch, "validation_loss": (epoch - 7.0) ** 2 + 1.0})
    figure: Any = training.losses({"autoencoder": table})
    train, validation, best = figure.axes[0].lines
    np.testing.assert_allclose(train.get_ydata(), table["loss"])
    np.testing.assert_allclose(validation.get_ydata(), table["validation_loss"])
    assert (best.get_xdata()[0], best.get_ydata()[0]) == (7, 1.0)
    with pytest.raises(ValueError, match=r"losses of lstm: the table lacks \['validation_loss'\]"):
        training.losses({"lstm": table[["epoch", "loss"]]})


def test_compression_curve_draws_every_method_of_every_run() -> None:
    table = pd.DataFrame(
        {
            "run": ["this run"] * 4 + ["other"] * 2,
            "method": ["autoencoder", "fnn"] * 2 + ["fnn"] * 2,
            "latents": [2, 2, 8, 8, 2, 8],
            "compression": [100.0, 100.0, 25.0, 25.0, 110.0, 27.0],
            "relative_accuracy": [99.0, 98.0, 99.9, 98.5, 97.0, 97.5],
            "lateral_anomaly_error": [0.5, 0.9, 0.1, 0.8, 1.0, 0.9],
        }
    )
    figure: Any = training.compression_curve(table)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert list(lines) == ["autoencoder", "FNN", "FNN, other"]
    np.testing.assert_allclose(lines["autoencoder"].get_xydata(), [[25.0, 99.9], [100.0, 99.0]])
    np.testing.assert_allclose(figure.axes[1].lines[2].get_ydata(), [0.9, 1.0])
    assert lines["FNN"].get_color() == lines["FNN, other"].get_color()
    assert lines["FNN"].get_linestyle() != lines["FNN, other"].get_linestyle()
    with pytest.raises(ValueError, match="the table lacks"):
        training.compression_curve(table.drop(columns="latents"))


def test_extremes_draws_the_median_and_the_worst_run_of_each_predictor(
    truth: xr.Dataset, predictions: dict[str, xr.Dataset]
) -> None:
    times = [1.0, 2.0, 4.5]
    drawn = fields_in(examples.extremes(truth, predictions, times))
    assert len(drawn) == 2 * 2 * 6
    ends = np.nanmax(truth["snapshot_time"].values, axis=1)
    for place, entry in enumerate(predictions.values()):
        means = accuracy_of_runs(truth, entry)
        (_, _), (worst, kind) = median_and_worst(
            truth["simulation"].values.tolist(), means.tolist(), ends.tolist(), 4.5
        )
        whole = ends >= 4.5 - 0.3
        assert means[worst] == (means[whole] if whole.any() else means).min()
        assert kind == f"worst run {int(truth['simulation'][worst])}"
        row = drawn[12 * place + 6 : 12 * place + 12]
        last = int(truth["snapshot_count"][worst]) - 1
        np.testing.assert_allclose(row[3], truth.temperature.values[worst, last])
        np.testing.assert_allclose(row[4], entry.temperature.values[worst, last])
        np.testing.assert_allclose(row[5], row[4] - row[3], atol=1e-9)


def test_the_epoch_marked_is_of_the_last_stage() -> None:
    values = {"epoch": [1, 2, 3, 4], "loss": [1.0] * 4, "validation_loss": [0.5, 0.1, 0.4, 0.2], "stage": [1, 1, 2, 2]}
    figure: Any = training.losses({"lstm": pd.DataFrame(values)})
    marks = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [line.get_xydata().tolist() for line in marks] == [[[4.0, 0.2]]]


def test_learning_curve_is_sorted_by_runs() -> None:
    table = pd.DataFrame({"method": ["fnn"] * 3, "runs": [64, 16, 32], "mean_square_error": [1.0, 3.0, 2.0]})
    table = table.assign(relative_accuracy=[99.0, 97.0, 98.0], lateral_anomaly_error=[0.7, 0.9, 0.8])
    figure: Any = training.learning_curve(table, published=table.assign(runs=[1000, 2000, 3000]))
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), [3.0, 2.0, 1.0])
    assert "other corpus" in figure.axes[0].lines[1].get_label()
    np.testing.assert_allclose(figure.axes[1].lines[0].get_ydata(), [97.0, 98.0, 99.0])
    assert len(figure.axes[2].lines) == 1


def test_concept_draws_the_last_snapshot(truth: xr.Dataset) -> None:
    run = select_run(truth, 0)
    np.testing.assert_allclose(fields_in(concept(run))[0], run.temperature.values[-1])


def test_frames_change_and_keep_their_size(truth: xr.Dataset, predictions: dict[str, xr.Dataset]) -> None:
    run, predicted = run_of(truth, predictions, 0)
    run, predicted = run.isel(time=slice(0, 3)), {name: part.isel(time=slice(0, 3)) for name, part in predicted.items()}
    pictures = frames(run, predicted, dots_per_inch=50)
    assert len(pictures) == 3
    assert len({picture.shape for picture in pictures}) == 1
    assert np.abs(pictures[0].astype(int) - pictures[2]).sum() > 0


def test_prediction_of_other_runs_is_refused(truth: xr.Dataset, predictions: dict[str, xr.Dataset]) -> None:
    other = predictions["fnn"].assign_coords(simulation=predictions["fnn"].simulation + 1)
    with pytest.raises(FieldError, match="runs"):
        errors.error_time(truth, {"fnn": other})


@pytest.mark.parametrize("count", [1, 2, 7])
def test_pairs_take_any_number_of_parameters(count: int) -> None:
    names = ["rayleigh_number", "yield_stress", "a", "b", "c", "d", "e"][:count]
    space = ParameterSpace(
        [Parameter(name, low=1.0, high=9.0, symbol="Ra" if name[0] == "r" else "") for name in names]
    )
    base = made_up_corpus((4,) * 9, split=[0, 0, 0, 0, 1, 2, 2, 2, 2])
    times, values = base["snapshot_time"].values, space.draw(9, seed=2)
    split = base["split"].values
    corpus = make_corpus(base["temperature"].values, times, GEOMETRY, values, split=split, space=space)
    assert len(pairs.coverage(corpus).axes) == count**2
    truth = select_split(corpus, "test")
    figure: Any = pairs.accuracy_pairs(truth, {"fnn": disturbed(truth, 5.0), "lstm": disturbed(truth, 9.0)})
    assert figure.axes[count * (count - 1)].get_xlabel() == "$Ra$"
    below = [axes.get_xlabel() for axes in figure.axes[count * (count - 1) : count**2]]
    assert ("yield\nstress" in below) == (count > 5)  # long names do not run into each other
    assert len(figure.axes) == count**2 + (count > 1)  # nothing is coloured where there is no pair
    assert figure.axes[0].get_ylabel() == "accuracy [%]"  # the axis of the diagonal is no parameter's
    words = [text.get_text() for axes in concept(select_run(corpus, 0)).axes for text in axes.texts]
    assert any("solver" in word for word in words)
    assert not any("nabla" in word for word in words)


def test_concept_shows_equations_of_the_simulator_alone(truth: xr.Dataset) -> None:
    texts = [text.get_text() for axes in concept(select_run(truth, 0)).axes for text in axes.texts]
    assert any("nabla" in text for text in texts)


def test_scales_say_what_they_hold(truth: xr.Dataset, predictions: dict[str, xr.Dataset]) -> None:
    run, predicted = run_of(truth, predictions, 0)
    labels = [axes.get_xlabel() for axes in examples.examples(run, predicted, [1.0, 4.5]).axes]
    assert "temperature [K], stretched scale" in labels
    assert "prediction - simulation [K]" in labels
