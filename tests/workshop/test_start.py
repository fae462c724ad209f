from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from workshop import start as start_module
from workshop.aws.ledger import Ledger
from workshop.errors import WorkshopError
from workshop.settings import Settings, load_settings
from workshop.start import LOCAL_ONLY_VARIABLES, start, summary

# Each takes longer to import than the whole of start() may.
HEAVY = {
    "torch",
    "transformers",
    "datasets",
    "pandas",
    "numpy",
    "matplotlib",
    "sagemaker",
    "boto3",
    "IPython",
}


@pytest.fixture
def small_repo(repo_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make start() work in the small repository and give it an environment of its own."""
    environ = {"PATH": os.environ["PATH"], "WORKSHOP_HOME": str(tmp_path / "home")}
    monkeypatch.setattr(os, "environ", environ)
    monkeypatch.setattr(start_module, "load_settings", lambda: load_settings(repo_dir))
    return repo_dir


def test_start_returns_settings_and_makes_the_home(
    small_repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    settings = start("01-Prepare")
    assert settings.home == tmp_path / "home" / "sample"
    assert settings.home.is_dir()
    shown = capsys.readouterr().out
    for part in ("01-Prepare", "sample (on this machine)", "src/sample/base/model", "us-east-1", "0.00 USD"):
        assert part in shown


def test_sample_mode_keeps_clients_on_this_machine(small_repo: Path) -> None:
    start("01-Prepare")
    assert {name: os.environ[name] for name in LOCAL_ONLY_VARIABLES} == LOCAL_ONLY_VARIABLES
    assert "HF_HUB_OFFLINE" not in os.environ


def test_other_modes_leave_the_environment_alone(small_repo: Path) -> None:
    os.environ["WORKSHOP_MODE"] = "debug"
    start("01-Prepare")
    assert not set(LOCAL_ONLY_VARIABLES) & set(os.environ)


def test_only_sample_mode_claims_that_nothing_was_spent(repo_dir: Path) -> None:
    for mode in ("debug", "full", "full-48xl"):
        assert "0.00" not in summary(load_settings(repo_dir, environ={"WORKSHOP_MODE": mode}))["cost so far"]


def test_a_wrong_notebook_name_names_the_closest_one(small_repo: Path) -> None:
    with pytest.raises(WorkshopError, match="closest: 01-Prepare"):
        start("01-Prepaer")


def test_a_home_that_cannot_be_made_is_named(small_repo: Path, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file in the way")
    with pytest.raises(WorkshopError, match="WORKSHOP_HOME"):
        start("01-Prepare")


def test_a_notebook_gets_a_table_with_escaped_values(settings: Settings) -> None:
    program = (
        "from IPython.testing.globalipapp import start_ipython; start_ipython()\n"
        "import IPython.display, json\n"
        "shown = []\n"
        "IPython.display.display = lambda data, raw: shown.append(data)\n"
        "from workshop.start import _show\n"
        "_show('01', {'mode': '<sample>', 'data': '뉴스'})\n"
        "print(json.dumps(shown))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    (data,) = json.loads(done.stdout.splitlines()[-1])
    assert "&lt;sample&gt;" in data["text/html"]
    assert "뉴스" in data["text/plain"]


def test_start_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import workshop.start"],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {name.split(".")[0] for name in re.findall(r"\|\s+([\w.]+)$", done.stderr, flags=re.MULTILINE)}
    assert "workshop" in imported
    assert not imported & HEAVY


def test_what_still_costs_is_named(repo_dir: Path) -> None:
    settings = load_settings(repo_dir, environ={"WORKSHOP_MODE": "debug"})
    ledger = Ledger(settings.home / "ledger-000000000000-us-east-1.jsonl")
    for kind, name in (
        ("Endpoint", "news-1"),
        ("Endpoint", "news-2"),
        ("TrainingJob", "job"),
        ("Model", "m"),
    ):
        ledger.created(ledger.begin(kind, name, "us-east-1", {}), "arn", "")
    ledger.ended("Endpoint", "news-1", "DeleteEndpoint")
    shown = summary(settings)["cost so far"]
    assert (
        "not deleted yet: Endpoint news-2 for 0 min: about 0.00 USD, 5.75 USD an hour (ml.g6.12xlarge)"
        in shown
    )
    assert "news-1" not in shown
    assert summary(settings)["AWS"] == "your account in us-east-1"
    other_region = dataclasses.replace(settings, region="ap-northeast-2")
    assert "news-2" not in summary(other_region)["cost so far"]


def test_a_container_on_a_cpu_is_told_from_one_with_a_gpu(repo_dir: Path) -> None:
    own = load_settings(repo_dir, environ={"WORKSHOP_SERVE_WITH": "container"})
    aws = dataclasses.replace(own, container_images="aws")
    assert summary(own)["serving"].endswith("on this machine by a container on the CPU (make images)")
    assert summary(aws)["serving"].endswith("on this machine by a container")
