"""Which parameters a corpus has: named by the configuration, or taken from what its runs state."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from corpus_samples import sample_run

from surrogate.config import CorpusSettings, ParameterSettings
from surrogate.corpus import examine, ingest, inspect_file, inspection_text, open_corpus, show_store, store_text
from surrogate.corpus.records import RunRecord
from surrogate.corpus.space import SpaceError, agree
from surrogate.fields import parameter_table, space_of
from surrogate.parameters import EVOLUTION_PARAMETERS, Parameter, Parameters, ParameterSpace

SMALL = CorpusSettings(validation_fraction=0.2, test_fraction=0.2, tolerated_rejects=0.5)


def record(number: int, unread: Any = None, **stated: Any) -> RunRecord:
    """A run that states parameters: numbers, or a number and its unit."""
    pairs = {name: value if isinstance(value, tuple) else (value, "") for name, value in stated.items()}
    space = ParameterSpace([Parameter(name, unit) for name, (_, unit) in pairs.items()])
    values = np.array([value for value, _ in pairs.values()], dtype=float)
    return RunRecord(f"run_{number}", simulation=number, parameters=values, space=space, unread=unread or {})


def about(**settings: Any) -> ParameterSettings:
    return ParameterSettings(**settings)


def write(folder: Path, rows: Any, heads: str = "run,rayleigh_number,yield stress [MPa],remark") -> tuple[Any, Any]:
    """Runs as plain arrays, and a table of their parameters."""
    files = []
    for number in range(len(rows)):
        run = sample_run(number)
        files.append(folder / f"run_{number}.npz")
        arrays = {name: run[name].values for name in ("temperature", "time", "radius", "angle")}
        np.savez(files[-1], gravity=3.7, **arrays)
    (folder / "table.csv").write_text("\n".join([heads, *(f"run_{n},{row}" for n, row in enumerate(rows))]))
    return files, {"parameters": str(folder / "table.csv")}


ROWS = [f"{10 ** (4 + number / 4)},{10 + number},made in May" for number in range(9)]


def test_parameters_of_a_table_become_those_of_the_corpus_and_it_is_said(tmp_path: Path) -> None:
    files, options = write(tmp_path, ROWS)
    summary = ingest(files, tmp_path / "corpus.zarr", SMALL, options=options)
    corpus = open_corpus(tmp_path / "corpus.zarr")
    space = space_of(corpus)
    assert space.names == ("rayleigh_number", "yield_stress")
    assert (space["rayleigh_number"].logarithmic, space["yield_stress"].logarithmic) == (True, False)
    assert (space["yield_stress"].unit, space.ranges["yield_stress"]) == ("MPa", (10.0, 18.0))
    np.testing.assert_allclose(parameter_table(corpus)[:, 0], 10 ** (4 + np.arange(9) / 4))
    said = "; ".join(summary.notes)
    for line in (
        "the same in every run: gravity = 3.7",
        "no numbers: remark",
        "dimensionless: ",
        "yield_stress 10 .. 18",
    ):
        assert line in said
    assert "gravity = 3.7" in store_text(show_store(tmp_path / "corpus.zarr"))
    assert "yield_stress = 10 MPa" in inspection_text(inspect_file(files[0], options=options))
    assert examine(files, SMALL, options=options).notes == summary.notes


def test_named_parameters_count_alone_in_their_own_unit(tmp_path: Path) -> None:
    files, options = write(tmp_path, ROWS)
    wanted = {"yield_stress": about(unit="Pa", symbol=r"\sigma_Y", low="5 MPa", logarithmic=True)}
    summary = ingest(files, tmp_path / "corpus.zarr", SMALL, options=options, parameters=wanted)
    corpus = open_corpus(tmp_path / "corpus.zarr")
    expected = Parameter("yield_stress", "Pa", 5e6, 18e6, r"\sigma_Y", logarithmic=True)
    assert space_of(corpus).parameters == (expected,)
    np.testing.assert_allclose(parameter_table(corpus)[:, 0], 1e6 * (10 + np.arange(9)))
    assert any("not among `parameters`: gravity (9 runs), rayleigh_number (9 runs)" in note for note in summary.notes)


def test_a_run_without_a_parameter_is_rejected_by_name(tmp_path: Path) -> None:
    files, options = write(tmp_path, [*ROWS[:6], "1e5,,x", "none,12,x"])
    ingest(files, tmp_path / "corpus.zarr", SMALL, tmp_path / "rejected.csv", options=options)
    rejected = pd.read_csv(tmp_path / "rejected.csv").sort_values("file")
    assert [Path(file).name for file in rejected.file] == ["run_6.npz", "run_7.npz"]
    assert set(rejected.what) == {"parameters"}
    assert rejected.message.iloc[0].startswith("lacks the parameter yield_stress; it has ")
    # The cell that is no number is quoted, with table, line and column.
    assert "table.csv: line 9: column 'rayleigh_number'" in rejected.message.iloc[1]
    found = {Path(entry.file).name for entry in examine(files, SMALL, options=options).findings}
    assert found == {"run_6.npz", "run_7.npz"}


def test_a_parameter_that_varies_only_in_new_runs_makes_the_store_anew(tmp_path: Path) -> None:
    files, options = write(tmp_path, [f"1e{4 + number},20,x" for number in range(6)])
    store = tmp_path / "corpus.zarr"
    ingest(files, store, SMALL, options=options)
    assert space_of(open_corpus(store)).names == ("rayleigh_number",)
    more = [tmp_path / "run_6.npz"]
    np.savez(more[0], **{**np.load(files[0]), "temperature": np.load(files[0])["temperature"] + 1})
    with (tmp_path / "table.csv").open("a") as table:
        table.write("\nrun_6,3e5,30,x")
    patient = SMALL.model_copy(update={"tolerated_rejects": 1.0})
    kept = ingest(more, store, patient, tmp_path / "rejected.csv", options=options, keep_unlisted=True)
    assert (kept.runs, kept.rejected) == (6, 1)
    assert "yield_stress is 30 MPa, and 20 in all other runs" in pd.read_csv(tmp_path / "rejected.csv").message[0]
    assert ingest([*files, *more], store, SMALL, options=options).runs == 7
    assert space_of(open_corpus(store)).names == ("rayleigh_number", "yield_stress")


def test_names_that_the_simulator_knows_have_its_units_and_ranges() -> None:
    runs = [
        record(n, reference_viscosity=10.0 ** (20 + n / 2), activation_energy=(100.0 + n, "kJ/mol")) for n in range(3)
    ]
    found = agree(runs)
    assert found.space.parameters == tuple(
        EVOLUTION_PARAMETERS[name] for name in ("reference_viscosity", "activation_energy")
    )
    assert found.notes == ("no unit is stated, taken as in the simulator: reference_viscosity in Pa s",)
    np.testing.assert_allclose(found.select(runs[1])[0], [10**20.5, 1.01e5])
    # Another unit than the simulator's is possible where the configuration states it.
    bare = [record(n, initial_temperature=0.5 + 0.1 * n) for n in range(3)]
    other = agree(bare, {"initial_temperature": about(unit="dimensionless")}).space["initial_temperature"]
    assert (other.unit, other.low, other.high) == ("dimensionless", 0.5, 0.7)


def test_ranges_that_files_state_are_joined() -> None:
    runs = []
    for number, (low, high) in enumerate([(1e4, 1e6), (1e5, 1e7)]):
        space = ParameterSpace([Parameter("rayleigh_number", low=low, high=high, symbol="Ra", logarithmic=True)])
        runs.append(RunRecord(str(number), parameters=np.array([2e5 + number]), space=space))
    found = agree(runs).space["rayleigh_number"]
    assert found == Parameter("rayleigh_number", low=1e4, high=1e7, symbol="Ra", logarithmic=True)


@pytest.mark.parametrize(
    ("stated", "wanted", "message"),
    [
        ([{"rayleigh": 1}, {"rayleigh": 2}], {"raleigh": about()}, "no run has raleigh .did you mean rayleigh"),
        ([{"a": 1, "unread": {"b": "line 2: column 'b'"}}], {"b": about()}, "no run has b: line 2: column 'b'"),
        ([{"tilt": (1, "degree")}, {"tilt": 2}], {}, "tilt has no unit in 1 of 2 runs, and 'degree' in others"),
        ([{"tilt": (1, "K")}], {"tilt": about(unit="degree")}, "run_0: parameter tilt: .* degree, got unit 'K'"),
        ([{"ra": -1}, {"ra": -2}], {"ra": about(logarithmic=True)}, "run_0: ra: expected a positive value"),
        ([{"ra": 1}, {"ra": 2}], {"ra": about(low=3, high=2)}, "ra: expected low <= high, got 3 .. 2"),
    ],
)
def test_what_does_not_fit_together_is_named(stated: Any, wanted: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        agree([record(number, **entries) for number, entries in enumerate(stated)], wanted)


def test_a_unit_of_one_run_that_does_not_convert_rejects_that_run() -> None:
    runs = [*(record(n, tilt=(n, "degree")) for n in range(3)), record(3, tilt=(1, "K"))]
    found = agree(runs)
    assert found.space["tilt"].unit == "degree"
    assert "parameter tilt: expected a value in degree, got unit 'K'" in found.select(runs[3])[1]
    np.testing.assert_allclose(found.select(record(4, tilt=(np.pi / 2, "rad")))[0], [90.0])


def test_parameters_of_few_runs_are_left_out_unless_they_are_named() -> None:
    runs = [record(0, a=1, b=5), record(1, a=2), record(2, a=3)]
    assert agree(runs).space.names == ("a",)
    assert "b (1 runs)" in agree(runs).notes[0]
    assert agree(runs, {"a": about(), "b": about()}).select(runs[1])[1] == "lacks the parameter b; it has a"


def test_nothing_is_a_parameter_that_has_another_meaning() -> None:
    for name in ("time", "method", "temperature"):
        with pytest.raises(ValueError, match=f"{name} has another meaning"):
            ParameterSpace([Parameter(name)])
    with pytest.raises(SpaceError, match="no run has c"):
        agree([record(0, a=1)], {"c": about()})
    point = Parameters(1.0, space=ParameterSpace([Parameter("a")]))
    assert "a" in dir(point)
