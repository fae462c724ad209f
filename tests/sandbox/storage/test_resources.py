"""Records are on disk before they are seen, and a damaged one keeps none of the others from being read."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from sandbox.storage import resources
from sandbox.storage.resources import Resources

REGION = "us-east-1"


def test_records_are_found_again_with_every_character_of_their_names(tmp_path: Path) -> None:
    names = ["a", "..", "a/b", "한국어", "CON", "A", f"{'n' * 256}/1", f"{'n' * 256}/2", "가" * 63]
    first = Resources(tmp_path)
    for name in names:
        assert first.add("model", REGION, name, {"ModelName": name, "CreationTime": 1.5})
    assert not first.add("model", REGION, "a", {})
    first.remove("model", REGION, "A")
    with first.change("model", REGION, "a") as record:
        record["Note"] = "뉴스"
    again = Resources(tmp_path)
    assert sorted(again.names("model", REGION)) == sorted(set(names) - {"A"})
    assert again.get("model", REGION, "a")["Note"] == "뉴스"
    assert again.get("model", "eu-west-1", "a") is None
    assert all(tmp_path in path.parents for path in tmp_path.rglob("*.json"))


def test_what_is_given_out_is_a_copy(tmp_path: Path) -> None:
    store = Resources(tmp_path)
    record = {"Tags": {"a": 1}}
    store.add("model", REGION, "m", record)
    record["Tags"]["b"] = 2
    store.get("model", REGION, "m")["Tags"]["c"] = 3
    store.all("model")[0]["Tags"]["d"] = 4
    assert store.get("model", REGION, "m")["Tags"] == {"a": 1}


def test_a_change_that_fails_has_not_happened(tmp_path: Path) -> None:
    store = Resources(tmp_path)
    store.add("model", REGION, "m", {"State": "old"})

    def change_and_fail() -> None:
        with store.change("model", REGION, "m") as record:
            record["State"] = "new"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change_and_fail()
    with pytest.raises(KeyError), store.change("model", REGION, "none"):
        pass
    assert store.get("model", REGION, "m")["State"] == "old"
    assert Resources(tmp_path).get("model", REGION, "m")["State"] == "old"


@pytest.mark.parametrize("damage", [b"", b'{"_kind": "model', b"[]", b"{}", b"\xff\xfe", b'{"_kind": []}'])
def test_a_damaged_record_is_quarantined_and_named_in_the_log(tmp_path: Path, caplog, damage: bytes) -> None:
    store = Resources(tmp_path)
    store.add("model", REGION, "good", {})
    store.add("model", REGION, "bad", {})
    path = tmp_path / REGION / "model" / "bad.json"
    path.write_bytes(damage)
    again = Resources(tmp_path)
    assert again.names("model", REGION) == ["good"]
    assert not path.exists()
    assert path.with_name("bad.json.damaged").read_bytes() == damage
    assert "bad.json" in caplog.text
    assert again.add("model", REGION, "bad", {}), "the name is free again"


def test_a_half_written_file_is_not_read(tmp_path: Path, monkeypatch) -> None:
    store = Resources(tmp_path)
    store.add("model", REGION, "m", {"State": "old"})
    partial = tmp_path / REGION / "model" / "m.json.1.partial"
    partial.write_text('{"State": "ne')  # as a kill -9 leaves it
    assert Resources(tmp_path).get("model", REGION, "m")["State"] == "old"
    assert not partial.exists()


def test_a_thousand_changes_from_many_threads_are_all_there(tmp_path: Path) -> None:
    store = Resources(tmp_path)
    store.add("model", REGION, "m", {"Count": 0})

    def count() -> None:
        for _ in range(50):
            with store.change("model", REGION, "m") as record:
                record["Count"] += 1

    threads = [threading.Thread(target=count) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = json.loads((tmp_path / REGION / "model" / "m.json").read_text())
    assert kept["Count"] == store.get("model", REGION, "m")["Count"] == 1000
    assert resources.Resources(tmp_path).get("model", REGION, "m")["Count"] == 1000
