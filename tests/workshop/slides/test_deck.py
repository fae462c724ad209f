"""`make slides`: the talk as one file, with notes to every slide, nothing from elsewhere, nothing cut."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import nbformat
import pytest
from tests.workshop.slides.pages import LOADED, look_at, out_of_sight, shown_in

from workshop.errors import WorkshopError
from workshop.settings import load_settings
from workshop.slides.__main__ import slides_of
from workshop.slides.deck import REVEAL_DIR, check_reveal, deck_html
from workshop.slides.talk import TALK_OF, load_talk

REPO_DIR = Path(__file__).parents[3]
NOTEBOOK = REPO_DIR / "notebook" / "03-llmops" / f"{TALK_OF}.ipynb"
NUM_SLIDES = 35
TALK_MINUTES, SHORT_MINUTES = 120, 30


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make slides` leaves where nothing has been executed: the talk, since it takes seconds."""
    home = tmp_path_factory.mktemp("talk")
    done = subprocess.run(
        [sys.executable, "-m", "workshop.slides"],
        env={**os.environ, "WORKSHOP_HOME": str(home), "WORKSHOP_MODE": "sample"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = f"{NUM_SLIDES} slides, {TALK_MINUTES} minutes; {SHORT_MINUTES} minutes by those with a star"
    assert said in done.stdout
    assert "not executed yet: 01-Prepare-Dataset-KR-News, 02-Train" in done.stdout
    assert not (home / "sample" / "report" / "report.html").exists()
    return home / "sample"


@pytest.fixture(scope="module")
def deck(home: Path) -> str:
    return (home / "slides" / f"{TALK_OF}.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def seen(deck: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return look_at(deck, tmp_path_factory.mktemp("browser"))


def test_every_slide_has_its_notes_and_the_short_path_is_marked(deck: str) -> None:
    slides = re.findall(r'<section class="(?:title|words|mixed|picture)">(.*?)</section>', deck, re.DOTALL)
    assert len(slides) == NUM_SLIDES
    notes = [re.search(r'<aside class="notes">(.*?)</aside>', one, re.DOTALL)[1] for one in slides]
    assert all(re.match(r"<p><b>[\d.]+분", one) and "<li>" in one for one in notes)
    assert sum('class="star"' in one for one in slides) == sum("★ 30분 길에서는" in one for one in notes) > 5


def test_nothing_is_loaded_from_anywhere(deck: str) -> None:
    assert LOADED.findall(deck) == []
    for loading in ('<script src="https://x">', "url(//x)", "@import 'x'"):
        assert LOADED.findall(loading)
    assert deck.count("</script>") == 3  # reveal.js, its notes, the start


def test_every_character_that_is_shown_is_in_the_font(deck: str) -> None:
    from fontTools.ttLib import TTFont

    font = distribution("koreanize-matplotlib").locate_file("koreanize_matplotlib/fonts/NanumGothic.ttf")
    shown = html.unescape(re.sub(r"<aside.*?</aside>|<[^>]+>", "", shown_in(deck), flags=re.DOTALL))
    known = TTFont(str(font)).getBestCmap()
    missing = {one for one in shown if one.isprintable() and ord(one) not in known}
    assert not missing
    assert len(re.findall("[가-힣]", shown)) > 1000


def test_nothing_is_cut_at_1280_by_720(seen: dict[str, Any]) -> None:
    assert len(seen["slides"]) == NUM_SLIDES
    assert not out_of_sight(seen["slides"])
    assert all(
        one["size"] == 1 for one in seen["slides"]
    )  # its author cut it, nothing has to be made smaller
    assert all(width > 800 for one in seen["slides"] for width in one["pictures"])
    assert sum(len(one["pictures"]) for one in seen["slides"]) >= 8


def test_the_font_is_loaded_and_the_speaker_sees_the_notes_offline(seen: dict[str, Any]) -> None:
    assert sorted(seen["fonts"]) == ["Deck 400 loaded", "Deck 700 loaded"]
    assert all(one["notes"] > 50 for one in seen["slides"])
    assert load_talk(REPO_DIR / "notebook")["LLMOps 이야기"].say[0] in seen["speaker"]
    assert "Deck 400 loaded" in seen["speaker_fonts"]


def test_the_same_executed_notebook_gives_the_same_deck_byte_for_byte(
    home: Path, deck: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKSHOP_HOME", str(home.parent))
    monkeypatch.setenv("WORKSHOP_MODE", "sample")
    executed = nbformat.read(home / "report" / NOTEBOOK.name, 4)
    again = deck_html(slides_of(TALK_OF, executed, load_settings()), REPO_DIR / REVEAL_DIR)
    assert again == deck


def test_a_page_leads_to_the_decks(home: Path) -> None:
    page = (home / "slides" / "index.html").read_text(encoding="utf-8")
    assert re.findall('href="([^"]+)"', page) == [f"{TALK_OF}.html"]


def test_stripping_outputs_keeps_what_makes_slides(tmp_path: Path) -> None:
    stripped = tmp_path / "story.ipynb"
    shutil.copy(NOTEBOOK, stripped)
    subprocess.run([sys.executable, "-m", "nbstripout", "--keep-id", str(stripped)], check=True)
    kinds = [
        [one["metadata"].get("slideshow", {}).get("slide_type") for one in nbformat.read(path, 4)["cells"]]
        for path in (NOTEBOOK, stripped)
    ]
    assert kinds[0] == kinds[1]
    assert set(kinds[1]) == {"slide", "subslide", "skip", "-"}


def test_pictures_of_img_are_inside_the_deck(deck: str) -> None:
    assert deck.count('<svg class="concept"') == 4
    assert "img/" not in shown_in(deck)


def test_notes_with_an_unknown_field_are_named(tmp_path: Path) -> None:
    path = tmp_path / "03-llmops" / "talk.yaml"
    path.parent.mkdir()
    path.write_text("제목: {minutes: 1, say: [a], en: b, minute: 2}", encoding="utf-8")
    with pytest.raises(WorkshopError, match="minute unknown or missing"):
        load_talk(tmp_path)


def test_without_reveal_the_next_step_is_named(tmp_path: Path) -> None:
    check_reveal(REPO_DIR / REVEAL_DIR)
    with pytest.raises(WorkshopError, match=r"setup/slides\.txt\n.*make slides"):
        check_reveal(tmp_path)
