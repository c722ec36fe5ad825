"""Bundles of format 2 open after one command, with the same answers."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from query_examples import POINT

from surrogate.files import fingerprint
from surrogate.query import BundleError, Surrogate, convert, read_bundle
from surrogate.query.bundle.files import seal

OLD_NAMES = {"fnn": "feedforward", "lstm": "recurrent", "flow": "generative"}


@pytest.fixture(scope="module")
def old_bundle(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Today's tiny bundle as format 2 had it."""
    folder = shutil.copytree(bundle_folder, tmp_path_factory.mktemp("old") / "bundle")
    content = {key: value for key, value in read_bundle(folder).items() if key not in ("files", "digest")}
    manifests = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/manifest.json")}
    for name, manifest in manifests.items():
        manifest["kind"] = OLD_NAMES.get(name, name)
        manifest["settings"] |= {"network": "default", "memory": 2.0, "window": 20} if name != "flow" else {}
        if name in ("fnn", "lstm"):
            del manifest["scaling"]["parameters"]["space"]
    manifests["flow"]["mean"] = fingerprint({p: manifests["fnn"][p] for p in ("settings", "scaling", "training")})
    for name, manifest in manifests.items():
        (folder / name / "manifest.json").write_text(json.dumps(manifest))
        (folder / name).rename(folder / OLD_NAMES.get(name, name))
    kept = ("low", "high", "symbol", "logarithmic")
    content["parameters"] = {
        name: {"units": entry["unit"], **{key: entry[key] for key in kept}}
        for name, entry in content["parameters"].items()
    }
    del content["temperature"]
    seal(folder, {**content, "format": 2})
    return folder


def test_an_old_bundle_is_refused_with_the_command_that_converts_it(old_bundle: Path) -> None:
    with pytest.raises(BundleError, match=r"format 2, expected 3; convert it: surrogate convert .*bundle NEW"):
        Surrogate.load(old_bundle)


@pytest.mark.parametrize("name", ["new", "new.zip"])
def test_a_converted_bundle_gives_the_same_answers_to_the_bit(
    old_bundle: Path, tiny: Surrogate, tmp_path: Path, name: str
) -> None:
    new = Surrogate.load(convert(old_bundle, tmp_path / name))
    assert zipfile.is_zipfile(tmp_path / name) == name.endswith(".zip")
    for method in ("fnn", "lstm", "ensemble"):
        ours, theirs = (s.predict(**POINT, time=[1, 4], method=method, interval=0.9) for s in (new, tiny))
        np.testing.assert_array_equal(ours.temperature, theirs.temperature)
        np.testing.assert_array_equal(ours.temperature_half_width, theirs.temperature_half_width)
    drawn = [s.sample(**POINT, time=[1.0, 3.0], samples=2).temperature for s in (new, tiny)]
    np.testing.assert_array_equal(*drawn)
    assert new.verify()["passed"]
    assert new.space == tiny.space
    for model in ("autoencoder", "fnn", "lstm", "flow"):
        manifests = [json.loads((s.bundle.folder / model / "manifest.json").read_text()) for s in (new, tiny)]
        assert manifests[0]["settings"] == manifests[1]["settings"]


def test_the_command_converts_and_refuses_what_is_no_old_bundle(
    old_bundle: Path, bundle_folder: Path, tmp_path: Path, command: Any
) -> None:
    assert command("convert", str(old_bundle), str(tmp_path / "new"))[0] == 0
    assert read_bundle(tmp_path / "new")["converted_from"]["digest"]
    code, _, err = command("convert", str(bundle_folder), str(tmp_path / "again"))
    assert code == 2
    assert "format 3, expected 2; it needs no conversion" in err
    assert not (tmp_path / "again").exists()
