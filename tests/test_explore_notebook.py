"""The tutorial notebook: what it shows is there, and its code runs."""

import json
from pathlib import Path

import matplotlib
import pytest

PATH = Path(__file__).parents[1] / "docs" / "notebooks" / "what_if.ipynb"
CELLS = [cell for cell in json.loads(PATH.read_text())["cells"] if cell["cell_type"] == "code"]


def code_of(cell):
    lines = "".join(cell["source"]).splitlines()
    return "\n".join(line for line in lines if not line.startswith("%"))  # magic of notebooks


def test_it_was_executed_from_top_to_bottom_without_errors_and_is_small():
    assert [cell["execution_count"] for cell in CELLS] == list(range(1, len(CELLS) + 1))
    outputs = [output for cell in CELLS for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 5
    assert PATH.stat().st_size < 1e6


@pytest.mark.slow
def test_its_code_runs(monkeypatch):
    names = {}
    with matplotlib.rc_context({"backend": "agg"}):
        for number, cell in enumerate(CELLS, 1):
            exec(compile(code_of(cell), f"{PATH.name}, cell {number}", "exec"), names)
    assert names["about"]["name"] == "demo"
    assert all(float(names["relative_accuracy"](names["truth"], run).mean()) > 95 for run in names["answers"].values())
    assert float(names["inside"].mean()) > 0.5
    # What the text says: after the first billion years, the stiffer the mantle, the less heat leaves it.
    late = names["study"].surface_heat_flux.sel(time=slice(2, None))
    assert bool((late.diff("simulation") < 0).all())
    assert not names["far"].in_range.item()
