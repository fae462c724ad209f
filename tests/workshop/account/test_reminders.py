"""What a cleanup only names: other kinds, other ledgers, caches with their sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.workshop.account.conftest import Machine
from tests.workshop.programs import program

from workshop.account.reminders import reminders
from workshop.aws.ledger import Ledger


def noted(ledger: Ledger, kind: str, name: str) -> None:
    ledger.created(ledger.begin(kind, name, "ap-northeast-2", {}), "arn", "")


def test_kinds_that_it_does_not_know_are_named_and_links_are_not(machine: Machine) -> None:
    aws = machine()
    noted(aws.ledger, "FeatureGroup", "news-models")
    noted(aws.ledger, "PresignedDomainUrl", "domain")
    noted(aws.ledger, "Model", "news-1")
    text = "\n".join(reminders(aws))
    assert "FeatureGroup news-models" in text
    assert "Presigned" not in text
    assert "news-1" not in text


def test_another_modes_ledger_says_how_to_clean_up_there(machine: Machine) -> None:
    aws = machine()
    other = Ledger(aws.settings.workshop_home / "full" / "ledger-000000000000-ap-northeast-2.jsonl")
    for name in ("news-1", "news-2"):
        noted(other, "Endpoint", name)
    other.ended("Endpoint", "news-2", "DeleteEndpoint")
    for kind in ("TrainingJob", "ProcessingJob"):
        noted(other, kind, "ends-by-itself")
    noted(aws.ledger, "Endpoint", "of-this-mode")
    (line,) = [line for line in reminders(aws) if "more in mode" in line]
    assert line.startswith("1 more in mode full, ap-northeast-2")
    assert "WORKSHOP_MODE=full WORKSHOP_REGION=ap-northeast-2 make cleanup" in line
    assert "000000000000" not in line


def test_lists_that_are_not_answered_are_said(machine: Machine) -> None:
    text = "\n".join(reminders(machine()))
    assert "notebook instances: not known (ListNotebookInstances is not answered here)" in text
    assert "Studio's apps: not known (ListApps is not answered here)" in text


def test_sample_mode_sends_nobody_to_a_console_that_is_not_there(machine: Machine) -> None:
    aws = machine()
    sample = replace(aws, settings=replace(aws.settings, mode="sample"))
    assert "console" not in "\n".join(reminders(sample))


def test_caches_have_their_sizes_and_a_file_counts_once(
    machine: Machine, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "hub"
    (cache / "blobs").mkdir(parents=True)
    (cache / "blobs" / "weights").write_bytes(bytes(2_000_000))
    (cache / "model.safetensors").symlink_to(cache / "blobs" / "weights")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    program(
        programs,
        "docker",
        "echo '763104351884.dkr.ecr.us-east-1.amazonaws.com/djl-inference:0.36 15.2GB'; echo 'other:1 1GB'",
    )
    text = "\n".join(reminders(machine()))
    assert "the Hugging Face cache: 2.0 MB" in text
    assert "djl-inference:0.36: 15.2GB" in text
    assert "763104351884" not in text
    assert "other:1" not in text
