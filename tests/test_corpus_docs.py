"""The recipe of the documentation works as it stands."""

import json
import re
from pathlib import Path

import numpy as np
import yaml
from corpus_samples import write_runs

from surrogate.config import SourceSettings
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
    mapping = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[1])
    assert GriddedOptions.model_validate(mapping["source"]["options"]).shape == {"radius": 302, "angle": 394}


def test_the_ingest_in_parts_and_the_dimensionless_mapping(tmp_path, monkeypatch, capsys):
    raw = tmp_path / "results/default/raw"
    raw.mkdir(parents=True)
    write_runs(raw, range(12))
    source = next(code for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "plan_ingest" in code)
    monkeypatch.chdir(tmp_path)
    exec(source, {"__name__": "__main__"})
    assert capsys.readouterr().out.startswith("12 {'train': ")
    mappings = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]
    many, bare = mappings[0], mappings[2]
    assert SourceSettings.model_validate(many["source"]).ingest_size == 40
    assert GriddedOptions.model_validate(bare["source"]["options"]).scales.of("K", "")[1] == 250.0
