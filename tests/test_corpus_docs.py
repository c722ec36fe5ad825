"""The recipe of the documentation works as it stands."""

import json
import re
from pathlib import Path

import numpy as np
import yaml

from surrogate.corpus.readers import Reader
from surrogate.corpus.readers.mapping import GriddedOptions
from surrogate.fields import validate

TEXT = (Path(__file__).parents[1] / "docs" / "corpus.md").read_text()


def test_the_reader_of_the_recipe(tmp_path):
    source = next(
        code for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "class MySolverReader" in code
    )
    assert len([line for line in source.splitlines() if line.strip()]) <= 30
    names = {}
    exec(source, names)
    point = {
        "reference_viscosity": "1e21 Pa s",
        "activation_energy": 3e5,
        "activation_volume": 6e-6,
        "crustal_enrichment": 10,
        "initial_temperature": 1700,
    }
    (tmp_path / "run.json").write_text(json.dumps({"times_Gyr": [0.0, 1.0], "parameters": point}))
    for number in range(2):
        np.save(tmp_path / f"T_{number:04d}.npy", np.full((6, 8), 0.5 + 0.1 * number))
    reader = names["MySolverReader"]()
    assert isinstance(reader, Reader)
    assert reader.accepts(tmp_path)
    run = validate(reader.open(tmp_path, {}))
    np.testing.assert_allclose(run.temperature[1], 1450.0)


def test_the_mapping_of_the_recipe():
    mapping = yaml.safe_load(re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL).group(1))
    assert GriddedOptions.model_validate(mapping["source"]["options"]).shape == {"radius": 302, "angle": 394}
