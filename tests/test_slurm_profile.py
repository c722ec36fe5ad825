"""What the Slurm profile asks for, without a cluster: read as Snakemake reads it."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
import yte

from surrogate.methods import methods

ROOT = Path(__file__).parents[1]
SNAKEMAKE = Path(sys.executable).parent / "snakemake"
RULES = "\n".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))

SITE = yaml.safe_load((ROOT / "profiles/slurm/site.yaml").read_text())
OTHER = {
    **SITE,
    "account": "project-7",
    "cpu_partition": "short-cpu",
    "gpu_partition": "a100.long",
    "gpu_model": "a100",
    "cores": 24,
    "gpu_cores": 6,
    "memory_per_core": 3000,
    "memory": 100000,
    "minutes": 600,
    "jobs": 7,
}


def read(path: Path) -> Any:
    """Read a profile as Snakemake does."""
    with open(path) as file:
        return yte.process_yaml(file, require_use_yte=True)


@pytest.fixture
def site_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    path = tmp_path / "site.yaml"
    path.write_text(yaml.safe_dump(OTHER))
    monkeypatch.setenv("SURROGATE_SITE", str(path))
    return path


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the plugin found, installed or not."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, find=importlib.util.find_spec: find("yte"))


@pytest.fixture
def profile(site_file: Any, plugin: Any) -> Any:
    return read(ROOT / "profiles/slurm/profile.yaml")


def test_the_site_lies_beside_the_profile_wherever_that_is_used(
    plugin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SURROGATE_SITE", raising=False)
    monkeypatch.chdir(tmp_path)
    assert read(ROOT / "profiles/slurm/profile.yaml")["jobs"] == SITE["jobs"]


def test_a_missing_plugin_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"surrogate\[slurm\]"):
        read(ROOT / "profiles/slurm/profile.yaml")


def test_the_profile_for_a_gpu_says_so_where_there_is_none(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    for found, said in ([], "no NVIDIA GPU"), (["/dev/nvidia0"], ""):
        monkeypatch.setattr("glob.glob", lambda pattern, found=found: found)
        read(ROOT / "profiles/gpu/profile.yaml")
        err = capsys.readouterr().err
        assert said in err if said else err == ""


def rules() -> Any:
    """Text of every rule of the workflow that has a name of its own, or one of two."""
    found: dict[str, str] = {}
    for name, text in re.findall(r"^rule ?(\w*):\n(.*?)(?=^\S|\Z)", RULES, re.MULTILINE | re.DOTALL):
        choice = re.search(r"name:\n +\"(\w+)\" if .* else \"(\w+)\"", text)
        found |= dict.fromkeys(choice.groups() if choice else [name], text)
    # One text serves all predictors.
    pattern = r"^    rule:\n        name:\n            KEY\n(.*?)(?=^rule)"
    [predictors] = re.findall(pattern, RULES, re.MULTILINE | re.DOTALL)
    return found | {method.key: predictors for method in methods("mean", "sample")}


def on_a_gpu(name: str, text: Any) -> Any:
    """Whether a rule trains a network, or simulates many runs at once."""
    if name == "simulate_together":
        return True
    script = re.search(r"\"\.\./scripts/(\w+\.py)\"", text)
    content = (ROOT / "workflow/scripts" / script[1]).read_text() if script else ""
    return re.search(r"\b(train_\w+|search_settings)\(", content) is not None


def test_training_and_batches_of_simulations_and_nothing_else_go_to_a_gpu(profile: Any) -> None:
    expected = {name for name, text in rules().items() if on_a_gpu(name, text)}
    assert {"autoencoder", "fnn", "lstm", "learning_curve_point", "simulate_together"} <= expected
    assert "simulate" in rules()
    assert "simulate" not in expected
    asked = {name: entry for name, entry in profile["set-resources"].items() if "gpu" in entry}
    assert set(asked) == expected
    for entry in asked.values():
        assert (entry["gpu"], entry["gpu_model"], entry["slurm_partition"]) == (1, "a100", "a100.long")


def test_on_a_workstation_one_job_at_a_time_has_the_gpu() -> None:
    workstation = yaml.safe_load((ROOT / "profiles/gpu/profile.yaml").read_text())
    assert workstation["resources"]["gpu"] == 1
    asking = {name for name, entry in workstation["set-resources"].items() if entry["gpu"] == 1}
    # TensorFlow takes the memory of a GPU that it sees, for inference as for training.
    assert asking == {
        name for name, text in rules().items() if on_a_gpu(name, text) or name in ("encode", "predict", "bundle")
    }


def test_the_profile_names_rules_that_exist(profile: Any) -> None:
    assert set(profile["set-threads"]) | set(profile["set-resources"]) <= set(rules())


def test_a_rule_that_shares_the_cores_of_a_machine_gets_its_cores_from_the_profile(profile: Any) -> None:
    # A job on a node sees all cores of the node: without an entry it would use more than it was given.
    sharing = {name for name, text in rules().items() if re.search(r"threads: (share|SETTINGS)", text)}
    assert {"autoencoder", "ingest", "evaluate"} <= sharing <= set(profile["set-threads"])


def test_rules_name_no_cluster() -> None:
    assert not re.search(r"slurm|partition|\bgpu\s*=|account", re.sub(r"#.*", "", RULES))


def test_retries_ask_for_more_and_never_for_more_than_there_is(profile: Any) -> Any:
    def ask(text: Any, **names: Any) -> Any:
        return eval(text, {"min": min}, names)

    memory = profile["default-resources"]["mem_mb"]
    assert [ask(memory, threads=4, attempt=n) for n in (1, 2, 3)] == [12000, 24000, 36000]
    assert ask(memory, threads=24, attempt=3) == 100000
    runtime = profile["set-resources"]["simulate"]["runtime"]
    assert [ask(runtime, attempt=n) for n in (1, 2)] == [360, 600]
    assert profile["retries"] >= 2


def test_every_entry_has_a_comment_on_its_line_or_above_its_group() -> None:
    for line in (ROOT / "profiles/slurm/site.yaml").read_text().splitlines():
        assert "#" in line
    for line in (ROOT / "profiles/slurm/profile.yaml").read_text().splitlines():
        top_level = re.match(r"[\w?\"-]+: \S", line)
        assert not top_level or "#" in line or line.startswith("__"), line


@pytest.mark.skipif(importlib.util.find_spec("snakemake_executor_plugin_slurm") is None, reason="needs the extra slurm")
def test_jobs_of_a_dry_run_ask_for_what_the_site_has(site_file: Any, tmp_path: Path) -> None:
    command = [SNAKEMAKE, "--dry-run", "--profile", ROOT / "profiles/slurm", "--snakefile", ROOT / "Snakefile"]
    command += ["--configfile", ROOT / "config/tiny.yaml", "--directory", tmp_path]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    asked = {}
    for rule, resources in re.findall(
        r"^rule (\w+):\n(?:    .*\n)*?    resources: (.*)$", done.stdout + done.stderr, re.M
    ):
        asked[rule] = dict(entry.split("=", 1) for entry in resources.split(", "))
    assert {rule for rule, entry in asked.items() if entry["slurm_partition"] == "a100.long"} >= {
        "autoencoder",
        "lstm",
    }
    assert asked["simulate"]["slurm_partition"] == "short-cpu"
    assert {entry["slurm_account"] for entry in asked.values() if "slurm_account" in entry} == {"project-7"}
    assert asked["autoencoder"]["gpu_model"] == "a100"
    assert asked["simulate"]["runtime"] == "360"
