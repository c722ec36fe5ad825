import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surrogate.query import BundleError, pack, read_bundle
from surrogate.query.bundle.files import seal, unpack


@pytest.fixture
def folder(tmp_path: Path) -> Any:
    folder = tmp_path / "bundle"
    (folder / "autoencoder").mkdir(parents=True)
    (folder / "autoencoder" / "encoder.keras").write_bytes(bytes(range(256)) * 4)
    (folder / "autoencoder" / "losses.csv").write_text("epoch,loss\n1,0.5\n")
    (folder / "example.nc").write_bytes(b"not really")
    seal(folder, {"name": "x", "numbers": (1, 2.5), "nested": {"b": 1, "a": None}})
    return folder


def test_a_sealed_folder_is_read_back(folder: Path) -> None:
    content = read_bundle(folder)
    assert content["numbers"] == [1, 2.5]
    assert sorted(content["files"]) == ["autoencoder/encoder.keras", "autoencoder/losses.csv", "example.nc"]


@given(position=st.integers(0, 1023), bit=st.integers(0, 7))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_one_changed_bit_is_refused(folder: Path, position: Any, bit: Any) -> None:
    path = folder / "autoencoder" / "encoder.keras"
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(bytes(content))
    try:
        with pytest.raises(BundleError, match=r"encoder\.keras: its content differs"):
            read_bundle(folder)
    finally:
        content[position] ^= 1 << bit
        path.write_bytes(bytes(content))
    read_bundle(folder)


def test_what_is_missing_cut_short_or_added_is_refused(folder: Path) -> None:
    path = folder / "autoencoder" / "encoder.keras"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(BundleError, match=r"encoder\.keras: has 1023 bytes, expected 1024"):
        read_bundle(folder)
    path.unlink()
    with pytest.raises(BundleError, match=r"encoder\.keras: missing"):
        read_bundle(folder)
    path.write_bytes(content)
    (folder / "autoencoder" / "extra.keras").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"extra\.keras: not listed"):
        read_bundle(folder)


def edit(folder: Path, change: Any) -> None:
    content = json.loads((folder / "bundle.json").read_text())
    change(content)
    (folder / "bundle.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(name="y"), "was changed"),
        (lambda c: c["nested"].update(b=2), "was changed"),
        (lambda c: c.pop("digest"), "was changed"),
        (lambda c: c["files"]["example.nc"].update(sha256="0" * 64), "was changed"),
        (lambda c: c.update(format=99), "format 99, expected 3; make it again"),
        (lambda c: c.pop("files"), "not the description of a bundle"),
    ],
)
def test_an_edited_description_is_refused(folder: Path, change: Any, message: str) -> None:
    edit(folder, change)
    with pytest.raises(BundleError, match=message):
        read_bundle(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "\x00"])
def test_a_broken_description_is_refused(folder: Path, text: str) -> None:
    (folder / "bundle.json").write_text(text)
    with pytest.raises(BundleError, match=r"bundle\.json"):
        read_bundle(folder)
    (folder / "bundle.json").unlink()
    with pytest.raises(BundleError, match=r"bundle\.json is missing"):
        read_bundle(folder)
    with pytest.raises(FileNotFoundError, match="no such bundle"):
        read_bundle(folder / "absent")


def test_packing_and_unpacking_give_the_same_bundle(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "one.zip")
    pack(folder, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    copy = unpack(tmp_path / "one.zip")
    assert read_bundle(copy) == read_bundle(folder)


def test_a_changed_bundle_is_not_packed(folder: Path, tmp_path: Path) -> None:
    (folder / "example.nc").write_bytes(b"NOT really")
    with pytest.raises(BundleError):
        pack(folder, tmp_path / "one.zip")
    assert not (tmp_path / "one.zip").exists()


def test_a_damaged_zip_is_refused_and_leaves_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    whole = pack(folder, tmp_path / "one.zip").read_bytes()
    damaged = tmp_path / "damaged.zip"
    for content in (b"", whole[: len(whole) // 2], whole[:-10], b"PK" + whole[2:60] + b"\xff" * 20 + whole[80:]):
        damaged.write_bytes(content)
        with pytest.raises(BundleError, match=r"damaged\.zip"):
            read_bundle(unpack(damaged))
        for entry in scratch.iterdir():
            # Only what was whole as a zip file and wrong inside may have been unpacked.
            assert not (entry / "autoencoder" / "encoder.keras").exists()


@pytest.mark.parametrize(
    "name", ["../outside.nc", "/etc/outside.nc", "a/../../outside.nc", "C:\\outside.nc", "run.py", "model.pkl", "noext"]
)
def test_an_entry_that_has_no_place_in_a_bundle_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(BundleError, match=r"evil\.zip: the entry"):
        unpack(path)
    assert not (tmp_path / "outside.nc").exists()
    assert sorted(os.listdir(tmp_path)) == ["evil.zip"]


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.zip"
    entry = zipfile.ZipInfo("link.nc")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(BundleError, match="points outside"):
        unpack(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    monkeypatch.setattr("surrogate.query.bundle.files.LARGEST_BUNDLE", 1_000_000)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.nc", bytes(2_000_000))
    assert path.stat().st_size < 10_000
    with pytest.raises(BundleError, match=r"bomb\.zip: would unpack to more than"):
        unpack(path)
    assert not list(scratch.iterdir())


def test_a_zip_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.nc", bytes(2_000_000))
    honest = (2_000_000).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(honest, (1000).to_bytes(4, "little")))
    with pytest.raises(BundleError, match=r"liar\.zip: not a whole zip file"):
        unpack(path)
