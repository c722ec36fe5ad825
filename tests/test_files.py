import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surrogate import files
from surrogate.files import atomic, checksum, fingerprint, provenance, read_json, write_json

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e300, 1e300) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(json_values)
def test_json_survives_writing_and_reading(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "content.json"
    write_json(path, content)
    assert read_json(path) == content
    assert fingerprint(read_json(path)) == fingerprint(content)


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "result.txt"
    path.write_text("old")

    def fail() -> None:
        with atomic(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["result.txt"]


def test_a_folder_replaces_a_folder_whole(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    for content in ("one", "two"):
        with atomic(folder) as temporary:
            temporary.mkdir()
            (temporary / content).write_text(content)
    assert os.listdir(folder) == ["two"]
    assert os.listdir(tmp_path) == ["bundle"]


def test_an_old_folder_comes_back_when_the_new_one_cannot_be_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "precious").write_text("data")

    def refuse(*_: Any) -> None:
        raise OSError("disk full")

    def replace() -> None:
        with atomic(folder) as temporary:
            temporary.mkdir()
            monkeypatch.setattr("os.replace", refuse)

    with pytest.raises(OSError, match="disk full"):
        replace()
    monkeypatch.undo()
    assert (folder / "precious").read_text() == "data"
    assert os.listdir(tmp_path) == ["bundle"]


def test_nothing_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "x.txt"):
        pass
    assert os.listdir(tmp_path) == []


def test_not_a_number_is_refused_in_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "x.json", {"value": float("nan")})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"\xff\xfe", b'{"a": 1'])
def test_broken_json_is_named(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.json: not valid JSON"):
        read_json(path)
    with pytest.raises(FileNotFoundError, match=r"absent\.json"):
        read_json(tmp_path / "absent.json")


@given(st.binary(max_size=200), st.integers(0, 199))
def test_a_checksum_sees_every_byte(tmp_path_factory: pytest.TempPathFactory, content: Any, position: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "content.bin"
    path.write_bytes(content)
    before = checksum(path)
    assert checksum(path) == before
    if content:
        changed = bytearray(content)
        changed[position % len(content)] ^= 1
        path.write_bytes(bytes(changed))
        assert checksum(path) != before


def test_the_fingerprint_ignores_order_only() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint([1, 2]) != fingerprint([2, 1])


def test_provenance_names_versions_and_survives_json() -> None:
    record = provenance(seed=3)
    assert record["seed"] == 3
    assert record["code_version"].startswith("0.")
    assert {"numpy", "xarray", "keras"} <= set(record["packages"])
    assert json.loads(json.dumps(record)) == record


def test_an_installed_copy_in_a_foreign_checkout_does_not_take_its_commit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = []

    def git(command: Any, **options: Any) -> None:
        calls.append(command)
        raise subprocess.CalledProcessError(1, command)  # not tracked there

    monkeypatch.setattr("subprocess.run", git)
    files.code_version.cache_clear()
    try:
        assert "+" not in files.code_version()
        assert calls[0][:3] == ["git", "ls-files", "--error-unmatch"]
        assert calls[0][3] == Path(files.__file__).name
    finally:
        files.code_version.cache_clear()


@pytest.mark.parametrize("there", [True, False])
def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path: Path, there: Any) -> None:
    link, target = tmp_path / "link", tmp_path / "disk" / "target"
    target.parent.mkdir()
    if there:
        target.mkdir()
        (target / "old").write_text("old")
    link.symlink_to(target)
    with atomic(link) as temporary:
        temporary.mkdir()
        (temporary / "new").write_text("new")
    assert link.is_symlink()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert sorted(path.name for path in (*tmp_path.iterdir(), *target.parent.iterdir())) == ["disk", "link", "target"]
