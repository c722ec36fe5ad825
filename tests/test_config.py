import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from surrogate.config import Config, ConfigError, documented_default, load_config, parse, schema, write_generated
from surrogate.settings import RolloutLstmSettings, Section

ROOT = Path(__file__).parents[1]

FILES = {"source": {"kind": "files", "files": "*.nc"}}


def test_the_generated_files_are_up_to_date(tmp_path: Path) -> None:
    write_generated(tmp_path)
    for name in ("config/config.yaml", "workflow/schemas/config.schema.json"):
        assert (ROOT / name).read_text() == (tmp_path / name).read_text(), f"{name}: run `python -m surrogate.config`"


def test_the_documented_default_is_the_default() -> None:
    content = yaml.safe_load(documented_default())
    assert parse(content) == Config()
    # Each value stands there, not only as the default of a key that is left out.
    shown = parse({name: part for name, part in content.items() if name != "training"})
    assert shown == Config()
    assert content["simulator"]["viscosity_contrast"] == 1e8
    assert content["fnn"]["training"] == {"epochs": 50, "batch_size": 128, "learning_rate": 2e-3}
    assert "melt_pressure" not in content["simulator"]["physics"], "a key without effect is a comment"


def test_every_key_is_documented() -> None:
    def check(section: Any, where: Any) -> None:
        for name, entry in type(section).model_fields.items():
            assert entry.description, f"{where}{name} has no description"
            if isinstance(getattr(section, name), Section):
                check(getattr(section, name), f"{where}{name}.")

    check(Config(), "")


def test_the_schema_refuses_unknown_keys() -> None:
    content = schema()
    assert content["additionalProperties"] is False
    assert all(part["additionalProperties"] is False for part in content["$defs"].values())
    json.dumps(content, allow_nan=False)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"fnn": {"network": "paper", "width": 64}}, "fnn.width: unknown key, or without effect on network: paper"),
        ({"autoencoder": {"network": "paper", "latents": 44}}, "autoencoder.latents: unknown key, or without effect"),
        ({"fnn": {"network": "default"}}, "'residual', 'paper'"),
        ({"fnn": 3}, "fnn"),
        ({"lstm": {"evolution": {"epoch": 3}}}, "lstm.evolution.epoch: unknown key"),
        ({"training": 3}, "training"),
        ({"feedforward": {}}, "feedforward: is now called fnn"),
        ({"recurrent": {}}, "recurrent: is now called lstm"),
        ({"generative": {}}, "generative: is now called flow"),
        ({"figures": {"learning_curve": [1.0]}}, "figures.learning_curve: is now called studies.learning_curve"),
        ({"source": {"shard_size": 4}}, "source.shard_size: is now called resources.shard_size"),
        ({"evaluation": {"baselines": ["guess"]}}, "evaluation.baselines"),
        ({"studies": {"search": {"predictor": "flow"}}}, "studies.search.predictor"),
        ({"parameters": {"reference_viscosity": {"low": 1e21, "high": 1e20}}}, "0 < low <= high"),
        ({"desing": {}}, "desing: unknown key"),
        ({"design": {"run": 3}}, "design.run: unknown key"),
        ({"design": {"runs": 0}}, "design.runs"),
        ({"design": {"runs": 2.5}}, "design.runs"),
        ({"parameters": {"refrence_viscosity": {}}}, "did you mean reference_viscosity"),
        (
            {"parameters": {"initial_temperature": {"low": "1700 Pa"}}},
            "temperature.low: expected a value in K, got unit 'Pa'",
        ),
        ({"parameters": {"initial_temperature": {"high": 1500}}}, "low <= high, got 1600 .. 1500"),
        ({"parameters": {"activation_energy": {"unit": "kJ/mol"}}}, "has it in J/mol"),
        (
            {"parameters": {"yield_stress": {"unit": "bananas"}}, **FILES},
            "yield_stress.unit: Value error, unit: unit 'bananas'",
        ),
        ({"parameters": {"time": {}}, **FILES}, "time: a field or coordinate is called so"),
        ({"parameters": {"method": {}}, **FILES}, "method has another meaning"),
        ({"parameters": {"yield stress": {}}, **FILES}, "identifiers"),
        ({"design": {"ranges": {"reference_viscosity": [1e20, 1e21]}}}, "design.ranges: is now called parameters"),
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
def test_a_wrong_key_or_value_is_named(content: Any, place: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(content)
    assert place in str(raised.value)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"simulator": {"batch_width": 8}}, "simulator.batch_width: has no effect; expected beside it engine: jax"),
        ({"simulator": {"physics": {"melt_pressure": 8}}}, "simulator.physics.melt_pressure"),
        ({"corpus": {"snapshots": 30}}, "corpus.snapshots"),
        ({"source": {"files": "*.nc"}}, "source.files"),
        ({"source": {"kind": "files", "files": "*.nc"}, "simulator": {"end_time": 3}}, "simulator: has no effect"),
        ({"source": {"kind": "files", "files": "*.nc"}, "design": {"runs": 3}}, "design: has no effect"),
        ({"training": {"schedule": "steps", "warmup_fraction": 0}}, "training.warmup_fraction"),
        ({"fnn": {"training": {"schedule": "steps", "warmup_fraction": 0}}}, "fnn.training.warmup_fraction"),
        ({"studies": {"compression_epochs": 0.5}}, "studies.compression_epochs"),
        ({"evaluation": {"baselines": [], "pod_modes": 8}}, "evaluation.pod_modes"),
    ],
)
def test_a_key_without_effect_is_an_error(content: Any, place: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(content)
    assert place in str(raised.value)


def sections(section: Any = Section) -> Any:
    for part in section.__subclasses__():
        if part.__module__.startswith("surrogate"):
            yield part
            yield from sections(part)


def test_every_key_is_read_somewhere() -> None:
    """Keys of networks are held against what a training reads in test_learning_models."""
    rules = "".join(path.read_text() for path in ROOT.glob("workflow/rules/*.smk"))
    read = {name for chain in re.findall(r"SETTINGS\.([a-z_.]+)", rules) for name in chain.split(".")}
    for path in [*ROOT.glob("surrogate/**/*.py"), *ROOT.glob("workflow/scripts/*.py")]:
        tree = ast.parse(path.read_text())
        read |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    known = {name for part in sections() for name in part.model_fields} - set(Config.model_fields)
    # Curves are read by their name.
    assert known - read - {"learning_curve", "compression_curve"} == set()


def test_a_network_takes_the_shared_training_and_overrides_it() -> None:
    config = parse({"training": {"seed": 7, "patience": 3}, "fnn": {"training": {"epochs": 4, "patience": 5}}})
    assert (config.fnn.training.seed, config.fnn.training.patience, config.fnn.training.epochs) == (7, 5, 4)
    assert config.fnn.training.batch_size == Config().fnn.training.batch_size, "what is not overridden stays its own"
    assert isinstance(config.lstm, RolloutLstmSettings)
    assert (config.lstm.evolution.seed, config.lstm.training.patience) == (7, 3)
    assert type(config).model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize("path", sorted(ROOT.glob("config/*.yaml")), ids=lambda path: path.stem)
def test_every_configuration_that_is_shipped_is_valid(path: Path) -> None:
    load_config(path)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"source": {"kind": "files", "files": "*.nc"}},
        {"fnn": {"network": "paper"}, "evaluation": {"baselines": []}},
    ],
)
def test_what_is_effective_can_be_read_back(content: Any) -> None:
    config = parse(content)
    assert parse(config.effective()) == config


def test_all_wrong_keys_are_named_at_once() -> None:
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
def test_a_broken_file_is_named(tmp_path: Path, text: Any, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as raised:
        load_config(path)
    assert "mine.yaml" in str(raised.value)


def test_an_empty_file_is_the_default_and_a_missing_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    assert load_config(tmp_path / "empty.yaml") == Config()
    with pytest.raises(ConfigError, match=r"absent\.yaml: no such file"):
        load_config(tmp_path / "absent.yaml")


def test_the_fingerprint_follows_every_value() -> None:
    assert parse({"design": {"runs": 128}}).fingerprint() == Config().fingerprint()
    assert parse({"design": {"runs": 64}}).fingerprint() != Config().fingerprint()


def test_planet_constants_reach_the_planet() -> None:
    assert parse({"planet": {"gravity": 9.81}}).make_planet().gravity == 9.81


def test_a_tilde_in_the_names_of_files_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    settings = parse({"source": {"kind": "files", "files": "~/runs/*.nc"}})
    assert settings.source.files == "/home/somebody/runs/*.nc"
