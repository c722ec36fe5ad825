"""The commands that verify the forward model."""

import json
from pathlib import Path

from typer.testing import CliRunner

from surrogate.cli.application import app


def test_benchmark_prints_a_row_per_quantity(tmp_path: Path) -> None:
    arguments = ["benchmark", "annulus-free-slip", "--cells", "8", "--cells", "16", "--json"]
    result = CliRunner().invoke(app, [*arguments, "--output", str(tmp_path / "table.csv")])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert [row["quantity"] for row in rows] == ["velocity error", "velocity error", "order"]
    assert (tmp_path / "table.csv").read_text().startswith("case,resolution,quantity,published,ours,difference")


def test_compare_gaia_refuses_a_missing_table(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["compare-gaia", str(tmp_path / "none.csv"), "--folder", str(tmp_path)])
    assert result.exit_code == 2
