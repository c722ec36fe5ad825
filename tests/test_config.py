import json
from pathlib import Path

import pytest
import yaml

from surrogate.config import Config, ConfigError, Section, documented_default, load, parse, schema, write_generated

ROOT = Path(__file__).parents[1]


def test_the_generated_files_are_up_to_date(tmp_path):
    write_generated(tmp_path)
    for name in ("config/config.yaml", "workflow/schemas/config.schema.json"):
        assert (ROOT / name).read_text() == (tmp_path / name).read_text(), f"{name}: run `python -m surrogate.config`"


def test_the_documented_default_is_the_default_number_for_number():
    content = yaml.safe_load(documented_default())
    assert content == Config().model_dump(mode="json")
    assert parse(content) == Config()


def test_every_key_is_documented():
    def check(section, where):
        for name, entry in type(section).model_fields.items():
            assert entry.description, f"{where}{name} has no description"
            if isinstance(getattr(section, name), Section):
                check(getattr(section, name), f"{where}{name}.")

    check(Config(), "")


def test_the_schema_refuses_unknown_keys():
    content = schema()
    assert content["additionalProperties"] is False
    assert all(part["additionalProperties"] is False for part in content["$defs"].values())
    json.dumps(content, allow_nan=False)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"desing": {}}, "desing: unknown key"),
        ({"design": {"run": 3}}, "design.run: unknown key"),
        ({"design": {"runs": 0}}, "design.runs"),
        ({"design": {"runs": 2.5}}, "design.runs"),
        ({"design": {"ranges": {"viscosity": [1, 2]}}}, "design.ranges"),
        ({"design": {"ranges": {**Config().design.ranges, "initial_temperature": [1800, 1600]}}}, "0 < low < high"),
        ({"simulator": {"end_time": float("inf")}}, "simulator.end_time"),
        ({"simulator": {"end_time": float("nan")}}, "simulator.end_time"),
        ({"simulator": {"physics": {"conductivity": "granite"}}}, "simulator.physics.conductivity"),
        ({"corpus": {"validation_fraction": 0.5, "test_fraction": 0.45}}, "validation_fraction"),
        ({"source": {"kind": "files"}}, "source.files"),
        ({"planet": {"gravitiy": 3.7}}, "unknown constants"),
        ({"planet": {"gravity": -3.7}}, "planet: gravity must be"),
        ({"planet": {"core_radius": 5e6}}, "core_radius"),
        ({"name": "../etc"}, "name"),
        ({"name": ""}, "name"),
        ([], "configuration"),
        ("default", "configuration"),
        (0, "configuration"),
    ],
)
def test_a_wrong_key_or_value_is_named(content, place):
    with pytest.raises(ConfigError) as raised:
        parse(content)
    assert place in str(raised.value)


def test_all_wrong_keys_are_named_at_once():
    with pytest.raises(ConfigError) as raised:
        parse({"design": {"runs": 0, "sed": 1}, "nam": "x"})
    assert len(str(raised.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("design: [", "not valid YAML"),
        ("- 1", "expected a mapping"),
        ("design: {runs: 4}\ndesign: {runs: 5}", "design is given twice"),
        ("design:\n  runs: 4\n  runs: 5", "runs is given twice"),
        ("a: !!python/object/apply:os.system ['true']", "not valid YAML"),
    ],
)
def test_a_broken_file_is_named(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as raised:
        load(path)
    assert "mine.yaml" in str(raised.value)


def test_an_empty_file_is_the_default_and_a_missing_one_is_named(tmp_path):
    (tmp_path / "empty.yaml").write_text("")
    assert load(tmp_path / "empty.yaml") == Config()
    with pytest.raises(ConfigError, match=r"absent\.yaml: no such file"):
        load(tmp_path / "absent.yaml")


def test_the_fingerprint_follows_every_value():
    assert parse({"design": {"runs": 128}}).fingerprint() == Config().fingerprint()
    assert parse({"design": {"runs": 64}}).fingerprint() != Config().fingerprint()


def test_planet_constants_reach_the_planet():
    assert parse({"planet": {"gravity": 9.81}}).make_planet().gravity == 9.81
