"""POD against scikit-learn and against the matrix product that an exact decomposition cannot do without.

    pytest benchmarks/bench_pod.py --benchmark-group-by=param:shape --benchmark-columns=min --benchmark-sort=min

Compare within one run: the load of the machine changes all of them alike. Exact values are those of the factors that
the matrix is made of. `python benchmarks/bench_pod.py [rows [nodes [bytes [folder]]]]` measures 10,000 x 118,988 (or
rows x nodes) out of core, in a stated memory, and prints time, errors and peak memory; it needs 5 GB in the folder.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import dask.array
import numpy as np
import pytest
from sklearn.decomposition import PCA

from surrogate.diagnostics.pod import exact as svd
from surrogate.diagnostics.pod import gram

MODES = 100
SHAPES = {"10000x6144": (10_000, 6_144), "1000x118988": (1_000, 118_988)}


def factors(count: int, nodes: int, start: int = 0, rank: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Amplitudes (count, rank) that decay as k**-1.2, K, and smooth modes (rank, nodes)."""
    place = np.linspace(0.0, 1.0, nodes, dtype=np.float32)
    modes = np.cos(np.outer(np.arange(1, rank + 1), np.pi * place)).astype(np.float32)
    weights = np.stack([np.random.default_rng(start + row).standard_normal(rank) for row in range(count)])
    return (weights * 100.0 * np.arange(1, rank + 1) ** -1.2).astype(np.float32), modes


def snapshots(count: int, nodes: int, start: int = 0) -> np.ndarray:
    """Temperature-like rows: a mean profile and the modes of :func:`factors`, K, float32."""
    amplitudes, modes = factors(count, nodes, start)
    return amplitudes @ modes + (1700 + 300 * np.cos(3 * np.linspace(0.0, 1.0, nodes, dtype=np.float32)))


def true_values(count: int, nodes: int) -> np.ndarray:
    """Singular values of the centred snapshots, from their factors."""
    amplitudes, modes = (part.astype(float) for part in factors(count, nodes))
    triangle = np.linalg.qr(modes.T, mode="r")
    return np.linalg.svd((amplitudes - amplitudes.mean(axis=0)) @ triangle.T, compute_uv=False)[:MODES]


def exact(matrix, memory: float = 2e9) -> np.ndarray:
    source = gram.prepare(matrix, None, memory)
    return svd.refine(source, True, svd.exact(source, MODES, remove_mean=True)).values


def product(matrix) -> np.ndarray:
    return matrix.T @ matrix if matrix.shape[0] > matrix.shape[1] else matrix @ matrix.T


METHODS = {
    "product": product,
    "exact": exact,
    "sklearn_arpack": lambda matrix: PCA(MODES, svd_solver="arpack").fit(matrix).singular_values_,
    "sklearn_randomised": lambda matrix: (
        PCA(MODES, svd_solver="randomized", random_state=0).fit(matrix).singular_values_
    ),
}


@pytest.fixture(scope="module", params=SHAPES)
def shape(request):
    return snapshots(*SHAPES[request.param]), true_values(*SHAPES[request.param])


@pytest.mark.parametrize("method", METHODS)
def test_pod(benchmark, shape, method):
    matrix, truth = shape
    start = time.process_time()
    found = benchmark.pedantic(METHODS[method], args=(matrix,), rounds=1, warmup_rounds=0)
    benchmark.extra_info["cpu_seconds"] = time.process_time() - start
    if method != "product":
        benchmark.extra_info["largest_error"] = float(np.abs(found / truth - 1).max())
    print(f"\n{method} {matrix.shape}: {benchmark.extra_info}")


def out_of_core(count: int = 10_000, nodes: int = 118_988, memory: float = 2e9, folder: str | None = None) -> None:
    """Exact POD of a matrix in a Zarr store, one snapshot a chunk, in a stated memory."""
    import zarr

    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        store = zarr.create_array(
            Path(temporary) / "matrix.zarr",
            shape=(count, nodes), chunks=(1, nodes), shards=(100, nodes), dtype="float32",
        )  # fmt: skip
        for start in range(0, count, 500):
            store[start : start + 500] = snapshots(min(500, count - start), nodes, start)
        lazy = dask.array.from_zarr(Path(temporary) / "matrix.zarr", chunks=(100, nodes))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        clock, cpu = time.perf_counter(), time.process_time()
        values = exact(lazy, memory)
        spent = time.perf_counter() - clock, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    expected = true_values(count, nodes)
    error = np.abs(values / expected - 1)
    print(f"exact {count} x {nodes}: {spent[0]:.0f} s, CPU {spent[1]:.0f} s")
    print(f"singular values {values[0]:.6g} .. {values[-1]:.6g} K, true {expected[0]:.6g} .. {expected[-1]:.6g} K, "
          f"largest error {error.max():.1e}")  # fmt: skip
    print(
        f"memory: {memory / 1e9:.1f} GB allowed for rows, {8 * count**2 / 1e9:.1f} GB for the products; peak of the "
        f"process {peak / 1e6:.1f} GB ({before / 1e6:.1f} before); the matrix has {4e-9 * count * nodes:.1f} GB"
    )
    sample = snapshots(min(count, 2000), nodes)
    cpu = time.process_time()
    product(sample)
    spent_product = (time.process_time() - cpu) * (count / len(sample)) ** 2
    print(f"the product alone would take {spent_product:.0f} CPU s (scaled from {len(sample)} rows)")


if __name__ == "__main__":
    out_of_core(*(kind(text) for kind, text in zip((int, int, float, str), sys.argv[1:], strict=False)))
