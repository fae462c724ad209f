"""Of which notebooks `make slides` makes decks, and which it executes first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_output
from tests.workshop.slides.notebooks import code_cell, notebook, text_cell

from workshop.settings import Settings, load_settings
from workshop.slides.__main__ import main, make

NAME = "05-Small"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WORKSHOP_MODE", "sample")
    (tmp_path / "home" / "sample" / "report").mkdir(parents=True)
    return load_settings()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A notebook that builds on no other: what runs before one is tested in test_upto.py."""
    monkeypatch.setattr("workshop.slides.__main__.prepare", lambda *_: True)
    return tmp_path / f"{NAME}.ipynb"


def cells(source: str, *outputs: Any) -> nbformat.NotebookNode:
    return notebook(
        text_cell("# 05. 작은 · Small"), text_cell("## 1. 하나 · One"), code_cell(source, *outputs)
    )


def deck(settings: Settings) -> Path:
    return settings.home / "slides" / f"{NAME}.html"


def test_what_was_executed_is_cut_and_what_has_changed_since_says_so(
    settings: Settings, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = settings.home / "report" / path.name
    nbformat.write(cells("1 + 1", "two"), path)
    assert make(settings, [path], asked=False) == 0
    assert (
        f"not executed yet: {NAME}   (make sample TRACK=all, or make slides N=.." in capsys.readouterr().out
    )
    assert not deck(settings).exists()
    nbformat.write(cells("1 + 1", "two"), kept)
    assert make(settings, [path], asked=False) == 0
    assert "has changed since" not in capsys.readouterr().out
    assert "two" in deck(settings).read_text(encoding="utf-8")
    nbformat.write(cells("1 + 2"), path)
    assert make(settings, [path], asked=False) == 0
    assert "2 slides   (as it was executed: the notebook has changed since)" in capsys.readouterr().out


def test_what_was_executed_to_an_error_or_not_to_its_end_has_no_deck(
    settings: Settings, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = settings.home / "report" / path.name
    failed = cells("1 / 0", new_output("error", ename="ZeroDivisionError", evalue="", traceback=[]))
    half = cells("1 + 1")
    half.cells[-1].execution_count = None
    for one in (failed, half):
        nbformat.write(one, path)
        nbformat.write(one, kept)
        assert make(settings, [path], asked=False) == 0
        assert f"not executed yet: {NAME}" in capsys.readouterr().out
        assert not deck(settings).exists()


def test_what_is_asked_for_is_executed_as_it_is_now_and_the_report_stays(
    settings: Settings, path: Path
) -> None:
    report = settings.home / "report" / "report.html"
    report.write_text("of all notebooks")
    nbformat.write(cells("print(40 + 1)", "41"), settings.home / "report" / path.name)
    nbformat.write(cells("print(40 + 2)"), path)
    assert make(settings, [path], asked=True) == 0
    assert "42" in deck(settings).read_text(encoding="utf-8").partition("<body>")[2]
    assert report.read_text() == "of all notebooks"
    nbformat.write(cells("1 / 0"), path)
    assert make(settings, [path], asked=True) == 1


def test_a_number_that_is_not_there_names_those_that_are(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["17", "--track", "02"]) == 1
    assert "expected  one of: 01, 02, 02-1, 02-2, 02-3\ndo next   make slides N=" in capsys.readouterr().err
