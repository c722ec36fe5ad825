import json
from pathlib import Path

from conftest import Command


def test_benchmark_prints_a_row_per_quantity(command: Command, tmp_path: Path) -> None:
    arguments = ["benchmark", "annulus-free-slip", "--cells", "8", "--cells", "16", "--json"]
    code, out, err = command(*arguments, "--output", tmp_path / "table.csv")
    assert code == 0, err
    assert [row["quantity"] for row in json.loads(out)] == ["velocity error", "velocity error", "order"]
    assert (tmp_path / "table.csv").read_text().startswith("case,resolution,quantity,published,ours,difference")


def test_compare_gaia_refuses_a_missing_table(command: Command, tmp_path: Path) -> None:
    assert command("compare-gaia", tmp_path / "none.csv", "--folder", tmp_path)[0] == 2


def test_simulate_writes_a_run(command: Command, tmp_path: Path) -> None:
    from surrogate.fields import open_netcdf, validate

    (tmp_path / "small.yaml").write_text(
        "simulator: {radial_cells: 12, angular_cells: 16, snapshots: 3, end_time: 0.1}"
    )
    point = ["--reference-viscosity", "1e22 Pa s", "--activation-energy", "300 kJ/mol", "--activation-volume", "6e-6",
             "--crustal-enrichment", "10", "--initial-temperature", "1700"]  # fmt: skip
    path = tmp_path / "run.nc"
    code, out, err = command("simulate", *point, "--config", tmp_path / "small.yaml", "-o", path, "--json")
    assert code == 0, err
    assert json.loads(out)["status"] == "done"
    with open_netcdf(path) as result:
        validate(result)
        assert result.sizes["time"] == 3
        assert float(result.reference_viscosity) == 1e22
