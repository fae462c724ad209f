"""The ledger knows of everything that may exist, through crashes, several writers and torn lines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from workshop.aws.ledger import Ledger

TAGS = {"workshop": "news"}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "new" / "ledger.jsonl")


def states(ledger: Ledger) -> dict[str, str]:
    return {entry.name: entry.status for entry in ledger.entries()}


def test_an_absent_ledger_is_empty(ledger: Ledger) -> None:
    assert ledger.entries() == []
    assert not ledger.path.exists()


def test_a_resource_goes_from_pending_to_created_to_ended(ledger: Ledger) -> None:
    token = ledger.begin("Endpoint", "news", "us-east-1", TAGS)
    assert states(ledger) == {"news": "pending"}
    ledger.created(token, "arn:aws:sagemaker:us-east-1:000000000000:endpoint/news", "request")
    (entry,) = ledger.entries()
    assert (entry.status, entry.arn[-8:], entry.tags, entry.region) == (
        "created",
        "int/news",
        TAGS,
        "us-east-1",
    )
    ledger.ended("Endpoint", "news", "DeleteEndpoint")
    (entry,) = ledger.entries()
    assert (entry.status, entry.ended_by) == ("ended", "DeleteEndpoint")


def test_a_name_that_is_used_again_counts_as_new(ledger: Ledger) -> None:
    ledger.created(ledger.begin("Endpoint", "news", "r", {}), "arn-1", "")
    ledger.ended("Endpoint", "news", "DeleteEndpoint")
    ledger.created(ledger.begin("Endpoint", "news", "r", {}), "arn-2", "")
    (entry,) = ledger.entries()
    assert (entry.status, entry.arn) == ("created", "arn-2")


def test_a_refused_second_request_does_not_hide_the_first(ledger: Ledger) -> None:
    ledger.created(ledger.begin("Endpoint", "news", "r", {}), "arn", "")
    ledger.failed(ledger.begin("Endpoint", "news", "r", {}), "ValidationException", "")
    assert states(ledger) == {"news": "created"}


def test_an_accepted_request_after_a_refused_one_counts(ledger: Ledger) -> None:
    ledger.failed(ledger.begin("Endpoint", "news", "r", {}), "ResourceLimitExceeded", "")
    assert states(ledger) == {"news": "failed"}
    ledger.created(ledger.begin("Endpoint", "news", "r", {}), "arn", "")
    assert states(ledger) == {"news": "created"}


@pytest.mark.parametrize(
    ("error", "may_exist"),
    [("InternalFailure", True), ("ServiceUnavailable", True), ("ValidationException", False)],
)
def test_after_an_error_of_the_service_itself_it_may_exist(
    ledger: Ledger, error: str, may_exist: bool
) -> None:
    ledger.failed(ledger.begin("Endpoint", "news", "r", {}), error, "")
    (entry,) = ledger.entries()
    assert entry.may_exist is may_exist


def test_it_may_exist_until_it_is_ended(ledger: Ledger) -> None:
    token = ledger.begin("Endpoint", "news", "r", {})
    assert ledger.entries()[0].may_exist
    ledger.created(token, "arn", "")
    assert ledger.entries()[0].may_exist
    ledger.ended("Endpoint", "news", "DeleteEndpoint")
    assert not ledger.entries()[0].may_exist


def test_the_same_name_of_another_kind_is_another_resource(ledger: Ledger) -> None:
    for kind in ("Model", "Endpoint"):
        ledger.created(ledger.begin(kind, "news", "r", {}), kind, "")
    ledger.ended("Model", "news", "DeleteModel")
    assert {entry.kind: entry.status for entry in ledger.entries()} == {
        "Model": "ended",
        "Endpoint": "created",
    }


def test_what_was_created_by_name_can_end_by_arn(ledger: Ledger) -> None:
    ledger.created(ledger.begin("ModelPackage", "news", "r", {}), "arn:package/1", "")
    ledger.ended("ModelPackage", "arn:package/1", "DeleteModelPackage")
    assert states(ledger) == {"news": "ended"}


def test_a_torn_line_costs_only_itself(ledger: Ledger) -> None:
    ledger.created(ledger.begin("Model", "first", "r", {}), "arn", "")
    with ledger.path.open("ab") as file:
        file.write(b'{"event": "pending", "token": "t", "kind": "Mod')
    ledger.begin("Model", "second", "r", {})
    with ledger.path.open("ab") as file:
        file.write(b'\n[1]\n"x"\n\xff\xfe\n{"event": "created"}\n{"event": "ended", "kind": "Model"}\n')
    assert states(ledger) == {"first": "created", "second": "pending"}


def test_many_processes_write_at_once(ledger: Ledger) -> None:
    code = f"""
from pathlib import Path
from workshop.aws.ledger import Ledger
import sys
ledger = Ledger(Path({str(ledger.path)!r}))
for number in range(50):
    token = ledger.begin("Model", f"{{sys.argv[1]}}-{{number}}-" + "가" * 300, "r", {TAGS!r})
    ledger.created(token, "arn", "request")
"""
    writers = [subprocess.Popen([sys.executable, "-c", code, str(number)]) for number in range(4)]
    assert [writer.wait(300) for writer in writers] == [0, 0, 0, 0]
    lines = ledger.path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 400
    assert all(json.loads(line) for line in lines)
    assert set(states(ledger).values()) == {"created"}
    assert len(ledger.entries()) == 200


def test_a_row_is_on_the_disk_before_the_call_returns(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    synced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_size) or fsync(file))
    ledger.begin("Model", "news", "r", {})
    assert synced == [ledger.path.stat().st_size]
