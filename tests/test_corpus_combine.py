import numpy as np
import pandas as pd
import pytest
from corpus_samples import sample_run, write_runs

from surrogate.annulus import Annulus
from surrogate.config import CorpusSettings
from surrogate.corpus.combine import combine, part_settings
from surrogate.corpus.ingest import ingest
from surrogate.corpus.job import IngestError
from surrogate.corpus.store import open_corpus, provenance_of, statistics
from surrogate.fields import write_netcdf

SMALL = CorpusSettings(validation_fraction=0.2, test_fraction=0.2)


def test_parts_make_the_store_that_one_ingest_makes(tmp_path):
    paths = write_runs(tmp_path, range(8))
    broken = tmp_path / "run_00008.nc"
    broken.write_bytes(paths[0].read_bytes()[:3000])
    twin = tmp_path / "run_00009.nc"
    write_netcdf(sample_run(1).assign_attrs(number=9), twin)
    paths += [broken, twin]
    for number, chosen in enumerate((paths[4:], paths[:4])):
        ingest(chosen, tmp_path / f"part{number}.zarr", part_settings(SMALL))
    parts = [tmp_path / "part0.zarr", tmp_path / "part1.zarr"]
    summary = combine(parts, tmp_path / "combined.zarr", SMALL, tmp_path / "rejected.csv")
    whole = ingest(paths, tmp_path / "whole.zarr", SMALL)
    assert (summary.runs, summary.rejected, summary.split) == (8, 2, whole.split)
    assert set(pd.read_csv(tmp_path / "rejected.csv").what) == {"unreadable", "duplicate"}
    one, other = open_corpus(tmp_path / "combined.zarr"), open_corpus(tmp_path / "whole.zarr")
    np.testing.assert_array_equal(one.temperature.values, other.temperature.values)
    for name in ("simulation", "split", "snapshot_time", "reference_viscosity", "mean_temperature"):
        np.testing.assert_array_equal(one[name].values, other[name].values)
    assert statistics(one) == statistics(other)
    left, right = provenance_of(tmp_path / "combined.zarr"), provenance_of(tmp_path / "whole.zarr")
    assert left["runs"] == right["runs"]
    assert left["settings"] == right["settings"]
    assert combine(parts, tmp_path / "combined.zarr", SMALL).runs == 8  # again, in place of itself
    assert open_corpus(parts[0]).sizes["simulation"] == 5  # the parts stay


def test_parts_that_do_not_fit_are_named(tmp_path):
    settings = part_settings(SMALL)
    ingest(write_runs(tmp_path / "a", range(4)), tmp_path / "a.zarr", settings)
    ingest(write_runs(tmp_path / "b", range(4, 8), annulus=Annulus.quarter(12, 16)), tmp_path / "b.zarr", settings)
    ingest(write_runs(tmp_path / "c", range(4, 8), snapshots=14), tmp_path / "c.zarr", settings)
    ingest(write_runs(tmp_path / "d", [3, 9], end=4.4), tmp_path / "d.zarr", settings)
    ingest(write_runs(tmp_path / "e", range(4, 8)), tmp_path / "e.zarr", SMALL)
    for name, message in (
        ("b", r"b\.zarr: its grid differs"),
        ("c", r"c\.zarr: its shards hold 14"),
        ("d", "run 3 stands in two parts"),
        ("e", r"e\.zarr: was made with other settings .validation_fraction, test_fraction"),
    ):
        with pytest.raises(IngestError, match=message):
            combine([tmp_path / "a.zarr", tmp_path / f"{name}.zarr"], tmp_path / "all.zarr", SMALL)
    with pytest.raises(IngestError, match="no parts"):
        combine([], tmp_path / "all.zarr", SMALL)
    assert not (tmp_path / "all.zarr").exists()
