import shutil
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import GEOMETRY, made_up_corpus, made_up_run
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from surrogate.diagnostics import pod
from surrogate.diagnostics.pod import POD, eigen, exact, gram
from surrogate.fields import FieldError, valid_snapshots


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("remove_mean", [False, True])
@pytest.mark.parametrize("counts", [(8, 5, 8), (150, 120)])  # fewer snapshots than nodes (224), and more
def test_against_a_plain_singular_value_decomposition(
    weighted: bool, remove_mean: bool, counts: tuple[int, ...]
) -> None:
    corpus = made_up_corpus(counts)
    matrix = np.asarray(pod.snapshot_matrix(corpus), dtype=float)
    assert matrix.shape == (sum(counts), GEOMETRY.weight.size)
    plain = matrix - matrix.mean(axis=0) if remove_mean else matrix
    root = np.sqrt(GEOMETRY.weight.ravel()) if weighted else 1.0
    expected = np.linalg.svd(plain * root, compute_uv=False)
    found = pod.singular_values(corpus, remove_mean=remove_mean, weighted=weighted)
    significant = expected > expected[0] * 3e-5
    np.testing.assert_allclose(found[significant], expected[significant], rtol=1e-6)
    decomposition = pod.decompose(corpus, 6, remove_mean=remove_mean, weighted=weighted)
    np.testing.assert_allclose(decomposition["singular_value"], expected[:6], rtol=1e-8)
    np.testing.assert_allclose(decomposition["energy"], expected[:6] ** 2 / np.sum(expected**2), rtol=1e-8)


def test_against_scikit_learn() -> None:
    corpus = made_up_corpus((8, 8, 8))
    pca = PCA(5, svd_solver="full").fit(np.asarray(pod.snapshot_matrix(corpus), dtype=float))
    decomposition = pod.decompose(corpus, 5, weighted=False)
    np.testing.assert_allclose(decomposition["singular_value"], pca.singular_values_, rtol=1e-8)
    overlap = decomposition["pattern"].values.reshape(5, -1) @ pca.components_.T
    np.testing.assert_allclose(np.abs(overlap), np.eye(5), atol=1e-6)
    np.testing.assert_allclose(decomposition["mean"].values.ravel(), pca.mean_, rtol=1e-10)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    first=st.integers(2, 30),
    second=st.integers(1, 30),
    weighted=st.booleans(),
    remove_mean=st.booleans(),
)
def test_modes_are_orthonormal_and_rebuild_the_snapshots(
    seed: int, first: int, second: int, weighted: bool, remove_mean: bool
) -> None:
    corpus = made_up_corpus((first, second), seed=seed)
    decomposition = pod.decompose(corpus, weighted=weighted, remove_mean=remove_mean)
    count = decomposition.sizes["mode"]
    patterns = decomposition["pattern"].values.reshape(count, -1)
    weight = GEOMETRY.weight.ravel() if weighted else np.ones(patterns.shape[1])
    np.testing.assert_allclose(patterns * weight @ patterns.T, np.eye(count), atol=1e-5)
    coefficients = decomposition["coefficient"].values
    squares = decomposition["singular_value"].values ** 2
    np.testing.assert_allclose(coefficients @ coefficients.T, np.diag(squares), atol=1e-6 * squares[0])
    rebuilt = pod.reconstruct(decomposition).transpose("snapshot", "radius", "angle").values
    snapshots = corpus.temperature.values[valid_snapshots(corpus)]
    np.testing.assert_allclose(rebuilt, snapshots, atol=0.5)


def test_truncation_rule_bounds_the_error() -> None:
    corpus = made_up_corpus((20, 20))
    for tolerance in (0.3, 0.05):
        decomposition = pod.decompose(corpus, tolerance=tolerance)
        snapshots = corpus.temperature.values[valid_snapshots(corpus)]
        fluctuation = snapshots - decomposition["mean"].values
        rest = snapshots - pod.reconstruct(decomposition).transpose("snapshot", "radius", "angle").values
        error = np.sqrt(GEOMETRY.average(rest**2).sum() / GEOMETRY.average(fluctuation**2).sum())
        assert error <= tolerance
        fewer = pod.reconstruct(decomposition, decomposition.sizes["mode"] - 1)
        rest = snapshots - fewer.transpose("snapshot", "radius", "angle").values
        assert np.sqrt(GEOMETRY.average(rest**2).sum() / GEOMETRY.average(fluctuation**2).sum()) > tolerance


def test_out_of_core_agrees_and_reads_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = made_up_corpus((30, 25, 30))
    lazy = corpus.chunk({"simulation": 1, "time": 1})
    assert isinstance(pod.snapshot_matrix(lazy), dask.array.Array)
    read = []
    original = gram.Centred.read

    def watched(self: gram.Centred, start: int, stop: int, into: Any = None) -> Any:
        read.append(stop - start)
        return original(self, start, stop, into)

    monkeypatch.setattr(gram.Centred, "read", watched)
    row = 8 * GEOMETRY.weight.size
    decomposition = pod.decompose(lazy, 5, memory=40 * row)
    assert max(read) <= 10
    assert sum(read) > 3 * 85  # 85 rows do not fit: they are streamed past the ten that are held
    expected = pod.decompose(corpus, 5)
    np.testing.assert_allclose(decomposition["singular_value"], expected["singular_value"], rtol=1e-9)
    np.testing.assert_allclose(np.abs(decomposition["pattern"]), np.abs(expected["pattern"]), atol=1e-6)


def stored(folder: Path, matrix: np.ndarray) -> Any:
    """A lazy matrix in a store with one snapshot a chunk and ten chunks a file, like that of a corpus."""
    shape = (1, matrix.shape[1])
    store = zarr.create_array(folder, shape=matrix.shape, chunks=shape, shards=(10, shape[1]), dtype="float32")
    store[:] = matrix
    return dask.array.from_zarr(folder, chunks=(10, shape[1]))  # type: ignore[no-untyped-call]


@pytest.fixture
def odd_matrix() -> np.ndarray:
    """83 snapshots, so that no block, slab or file ends with the matrix."""
    rows = np.random.default_rng(4).standard_normal((83, 6)) @ np.random.default_rng(5).standard_normal((6, 224))
    return (1600 + 50 * rows).astype(np.float32)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("remove_mean", [False, True])
@pytest.mark.parametrize("rows", [7, 30, 200])  # held at once
@pytest.mark.parametrize("work", [0.0, 1e12])  # single and double precision
def test_blocks_that_do_not_divide_the_matrix(
    odd_matrix: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    weighted: bool,
    remove_mean: bool,
    rows: int,
    work: float,
) -> None:
    monkeypatch.setattr(gram, "DOUBLE_PRECISION_WORK", work)
    monkeypatch.setattr(gram, "COLUMN_BLOCK", 50)
    monkeypatch.setattr(gram, "TILE_BYTES", 0)  # tiles as wide as a third of their height
    monkeypatch.setattr(gram, "BLOCK_ROWS", 4)
    weight = np.linspace(0.0, 2.0, 224) if weighted else None
    plain = odd_matrix.astype(float) - odd_matrix.mean(axis=0, dtype=float) * remove_mean
    expected = np.linalg.svd(plain * (1.0 if weight is None else np.sqrt(weight)), compute_uv=False)
    for matrix in (odd_matrix, stored(tmp_path / "matrix.zarr", odd_matrix)):
        source = gram.prepare(matrix, weight, memory=(rows + 12) * 224 * (8 if work else 4))
        subspace = exact.exact(source, 6, remove_mean)
        refined, coefficients, patterns, mean = exact.refine(source, remove_mean, subspace)
        np.testing.assert_allclose(refined, expected[:6], rtol=1e-6)
        np.testing.assert_allclose(subspace.energy, np.sum(expected**2), rtol=2e-5)
        if remove_mean:  # rank 6
            np.testing.assert_allclose(coefficients.T @ patterns + mean, odd_matrix, atol=0.02)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_missing_chunks_are_refused(odd_matrix: np.ndarray, tmp_path: Path) -> None:
    lazy = stored(tmp_path / "matrix.zarr", odd_matrix)
    (tmp_path / "matrix.zarr/c/8/0").unlink()  # the last, partial one
    assert float(lazy[82, 0].compute()) == 0.0  # what Zarr makes of it
    source = gram.prepare(lazy, None, memory=1e6)
    with pytest.raises(FieldError, match=r"3 snapshots \(first: row 80 .* chunks of it are missing"):
        exact.exact(source, 6, True)
    holes = odd_matrix.copy()
    holes[5, 7] = np.nan
    with pytest.raises(FieldError, match=r"1 snapshots \(first: row 5 "):
        exact.exact(gram.prepare(holes, None, memory=1e6), 6, True)
    holes[5, 7] = np.inf
    with pytest.raises(FieldError, match="infinite"):
        exact.exact(gram.prepare(holes, None, memory=1e6), 6, False)


@pytest.mark.parametrize("loss", ["removed", "replaced"])
def test_a_store_that_changes_between_two_readings_is_refused(
    odd_matrix: np.ndarray, tmp_path: Path, loss: str
) -> None:
    # What once gave singular values of 0.1 K in place of 30,000 K: the second reading found fill values.
    lazy = stored(tmp_path / "matrix.zarr", odd_matrix)
    source = gram.prepare(lazy, None, memory=40 * 224 * 8)
    subspace = exact.exact(source, 6, True)
    shutil.rmtree(tmp_path / "matrix.zarr")
    if loss == "replaced":
        stored(tmp_path / "matrix.zarr", np.full_like(odd_matrix, 1600.0))
    with pytest.raises(FieldError, match="changed meanwhile" if loss == "replaced" else "chunks of it are missing"):
        exact.refine(source, True, subspace)


def test_too_little_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="allow more memory"):
        pod.singular_values(made_up_run(), memory=100)


@pytest.mark.parametrize("counts", [(40, 40), (150, 120)])
def test_single_precision_blocks_keep_the_small_singular_values(
    monkeypatch: pytest.MonkeyPatch, counts: tuple[int, ...]
) -> None:
    monkeypatch.setattr(gram, "DOUBLE_PRECISION_WORK", 0.0)
    corpus = made_up_corpus(counts)
    for remove_mean in (True, False):
        matrix = np.asarray(pod.snapshot_matrix(corpus), dtype=float)
        matrix = matrix - matrix.mean(axis=0) if remove_mean else matrix
        expected = np.linalg.svd(matrix, compute_uv=False)[:7]
        found = pod.decompose(corpus, 7, remove_mean=remove_mean, weighted=False)
        np.testing.assert_allclose(found["singular_value"], expected, rtol=1e-6)
        np.testing.assert_allclose(pod.singular_values(corpus, 7, remove_mean), expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(1300, 3000), (3000, 1300)])
@pytest.mark.parametrize("decay", [1.2, 2.0])  # the last value is 4e-3 or 1e-4 of the first
def test_single_precision_is_exact_to_1e_6_in_every_value(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], decay: float
) -> None:
    monkeypatch.setattr(gram, "DOUBLE_PRECISION_WORK", 0.0)
    rng = np.random.default_rng(1)
    snapshots, nodes = shape
    left = rng.standard_normal((snapshots, 300)) * 200.0 * np.arange(1, 301) ** -decay
    right = np.cos(np.outer(np.arange(1, 301), np.linspace(0, np.pi, nodes)))
    matrix = (1700 + left @ right / 5).astype(np.float32)
    plain = matrix.astype(float) - matrix.mean(axis=0, dtype=float)
    squares = np.linalg.eigvalsh(plain @ plain.T if snapshots < nodes else plain.T @ plain)[::-1]
    source = gram.prepare(matrix, None, memory=1e9)
    found = exact.refine(source, True, exact.exact(source, 100, True))
    assert source.dtype is (np.float64 if decay > 1.5 else np.float32)
    np.testing.assert_allclose(found.values, np.sqrt(squares[:100]), rtol=1e-6)
    np.testing.assert_allclose(found.patterns @ found.patterns.T, np.eye(100), atol=1e-5)
    # No 100 modes leave less: the best leave the values beyond them.
    rest = plain - found.coefficients.T @ found.patterns
    np.testing.assert_allclose(np.sum(rest**2), np.sum(squares[100:]), rtol=1e-3)


@pytest.mark.parametrize("decay", [0.5, 2.0])
def test_leading_eigenpairs_are_certified(monkeypatch: pytest.MonkeyPatch, decay: float) -> None:
    monkeypatch.setattr(eigen, "DENSE_SIZE", 100)
    rng = np.random.default_rng(0)
    vectors = np.linalg.qr(rng.standard_normal((800, 800)))[0]
    expected = np.arange(1.0, 801.0) ** -decay
    matrix = (vectors * expected) @ vectors.T
    values, found = eigen.leading_eigenpairs(matrix, 30)
    np.testing.assert_allclose(values, expected[:30], rtol=1e-6)
    np.testing.assert_allclose(found.T @ found, np.eye(30), atol=1e-9)
    residual = np.linalg.norm(matrix @ found - found * values, axis=0)
    assert np.all(residual <= 2e-6 * values)


def test_leading_eigenpairs_below_rounding_fall_back_to_a_dense_solution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eigen, "DENSE_SIZE", 100)
    factor = np.random.default_rng(0).standard_normal((400, 5))
    values, _ = eigen.leading_eigenpairs(factor @ factor.T, 12)
    np.testing.assert_allclose(values[:5], np.linalg.svd(factor, compute_uv=False) ** 2, rtol=1e-10)
    assert np.all(values[5:] < 1e-10)


def test_subspace_angles_of_known_spans() -> None:
    run = made_up_run(12)
    one = pod.decompose(run, 3)
    np.testing.assert_allclose(pod.subspace_angles(one, one, 3), 0.0, atol=1e-5)
    other = one.copy(deep=True)
    pattern = one["pattern"].values
    other["pattern"] = one["pattern"].copy(data=np.stack([pattern[0], pattern[2], pattern[1]]))
    np.testing.assert_allclose(pod.subspace_angles(one, other, 2), [0.0, 90.0], atol=1e-5)


def test_sum_ratio_of_a_damped_prediction() -> None:
    run = made_up_run(12)
    mean = run.temperature.mean("time")
    damped = run.assign(temperature=(mean + 0.5 * (run.temperature - mean)).transpose("time", "radius", "angle"))
    values = [pod.singular_values(entry, 10, True, True) for entry in (run, damped)]
    np.testing.assert_allclose(pod.sum_ratio(*values), 50.0, rtol=1e-6)
    paper = [pod.singular_values(entry, 10) for entry in (run, damped)]
    assert 50.0 < pod.sum_ratio(*paper) < 100.0


def test_estimator_agrees_with_scikit_learn_and_keeps_the_shape_of_snapshots() -> None:
    fields = np.random.default_rng(3).standard_normal((30, 6, 8)) * np.arange(1, 9)  # not temperatures: any sign
    estimator, reference = POD(modes=5), PCA(5, svd_solver="full")
    found, expected = estimator.fit_transform(fields), reference.fit_transform(fields.reshape(30, -1))
    np.testing.assert_allclose(estimator.singular_values_, reference.singular_values_, rtol=1e-8)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-6)
    np.testing.assert_allclose(estimator.explained_variance_ratio_, reference.explained_variance_ratio_, rtol=1e-8)
    rebuilt = estimator.inverse_transform(found)
    np.testing.assert_allclose(rebuilt, reference.inverse_transform(expected).reshape(fields.shape), atol=1e-6)
    assert estimator.components_.shape == (5, 6, 8)


def test_estimator_takes_weights_datasets_and_lazy_arrays() -> None:
    corpus = made_up_corpus((30, 25))
    decomposition = pod.decompose(corpus, 5)
    of_dataset = POD(5).fit(corpus)
    np.testing.assert_array_equal(of_dataset.singular_values_, decomposition["singular_value"])
    np.testing.assert_allclose(of_dataset.transform(corpus).T, decomposition["coefficient"], atol=1e-5)
    snapshots = corpus.temperature.values[valid_snapshots(corpus)]
    lazy = xr.DataArray(snapshots).chunk(dim_0=10)
    of_array = POD(5, weights=GEOMETRY.weight).fit(lazy)
    np.testing.assert_allclose(of_array.singular_values_, decomposition["singular_value"], rtol=1e-9)
    error = of_array.inverse_transform(of_array.transform(snapshots)) - snapshots
    left = np.sum(of_array.singular_values_**2) * (1 / of_array.explained_variance_ratio_.sum() - 1)
    np.testing.assert_allclose(GEOMETRY.average(error**2).sum(), left, rtol=1e-4)


def test_estimator_is_one_of_scikit_learn() -> None:
    waves = np.cos(np.outer(np.arange(20.0), np.linspace(0.0, 0.2, 30)))
    pipeline = make_pipeline(POD(modes=3), StandardScaler()).fit(waves)
    assert pipeline.transform(waves).shape == (20, 3)
    assert clone(POD(modes=3, tolerance=0.1)).get_params()["tolerance"] == 0.1
    assert len(POD(tolerance=0.05).fit(waves).singular_values_) < 6


def test_estimator_refuses_what_is_no_set_of_snapshots() -> None:
    fields = np.ones((4, 3, 2))
    with pytest.raises(ValueError, match="shape \\(4,\\)"):
        POD().fit(np.ones(4))
    with pytest.raises(ValueError, match="weights must be"):
        POD(weights=np.ones(6)).fit(fields)
    with pytest.raises(ValueError, match="at least one mode"):
        POD(modes=0).fit(fields)
    with pytest.raises(ValueError, match="fitted to snapshots of shape"):
        POD().fit(fields).transform(np.ones((4, 2, 3)))
    fields[1, 0, 0] = np.nan
    with pytest.raises(FieldError, match=r"values of 1 snapshots \(first: row 1 .* are not finite"):
        POD().fit(fields)
