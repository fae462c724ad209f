"""`make slides`: the talk as one file, with notes to every slide, nothing from elsewhere, nothing cut."""

from __future__ import annotations

import html
import json
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

from workshop.errors import WorkshopError
from workshop.slides.cut import cut, notes_html
from workshop.slides.deck import HEIGHT, NOTEBOOK, REVEAL_DIR, WIDTH, check_reveal
from workshop.slides.talk import Note, load_talk

REPO_DIR = Path(__file__).parents[3]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = (
    # It runs as root in containers, and has no display; it reports to its maker otherwise.
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND",
    f"--window-size={WIDTH},{HEIGHT}",
    "--virtual-time-budget=20000",
)
NUM_SLIDES = 35
TALK_MINUTES, SHORT_MINUTES = 120, 30
# What a page loads: tags, styles and imports. reveal.js names its own address in a comment.
LOADED = re.compile(
    r"""(?:src|href|srcset|poster)\s*=\s*["']?\s*(?:https?:)?//|url\(\s*["']?(?:https?:)?//|@import"""
)
# In a frame of the page: a window of its own is not opened where nobody looks.
NO_WINDOW = """<script>
window.open = () => {
  const frame = document.body.appendChild(document.createElement("iframe"));
  frame.contentWindow.opener = window;
  return frame.contentWindow;
};
</script>"""
PROBE = """<script>
(async () => {
  if (window !== window.top) return;  // the speaker's view shows the slides in frames
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  while (!Reveal.isReady()) await pause(50);
  await document.fonts.ready;
  const fonts = [...document.fonts].map((one) => `${one.family} ${one.weight} ${one.status}`);
  const found = {slides: [], fonts};
  for (const slide of Reveal.getSlides()) {
    const place = Reveal.getIndices(slide);
    Reveal.slide(place.h, place.v);
    const shown = [...slide.querySelectorAll("h1, h2, li, td, th, p, pre, img, svg.concept")]
      .filter((one) => !one.closest("aside")).map((one) => one.getBoundingClientRect());
    found.slides.push({
      title: slide.querySelector("h1, h2").textContent,
      bottom: Math.max(...shown.map((one) => one.bottom)),
      right: Math.max(...shown.map((one) => one.right)),
      height: slide.scrollHeight,
      pictures: [...slide.querySelectorAll("img")].map((one) => one.naturalWidth),
      notes: Reveal.getSlideNotes(slide).length,
    });
  }
  Reveal.slide(0, 0);
  Reveal.getPlugin("notes").open();
  await pause(3000);
  const view = document.querySelector("body > iframe").contentDocument;
  found.speaker = view.body.textContent;
  found.speaker_fonts = [...view.fonts].map((one) => `${one.family} ${one.weight} ${one.status}`);
  const report = document.body.appendChild(document.createElement("pre"));
  report.id = "probe";
  report.textContent = JSON.stringify(found);
})();
</script>"""


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The deck as `make slides` writes it."""
    home = tmp_path_factory.mktemp("talk")
    environ = {**os.environ, "WORKSHOP_HOME": str(home), "WORKSHOP_MODE": "sample"}
    done = subprocess.run(
        [sys.executable, "-m", "workshop.slides.deck"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = f"{NUM_SLIDES} slides, {TALK_MINUTES} minutes; {SHORT_MINUTES} minutes by those with a star"
    assert said in done.stdout
    return (home / "sample" / "slides" / "LLMOps-Story.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def seen(deck: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a browser without a network says of every slide."""
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt-get install chromium")
    folder = tmp_path_factory.mktemp("browser")
    page = folder / "deck.html"
    looked_at = deck.replace("<body>", f"<body>{NO_WINDOW}").replace("</body>", f"{PROBE}</body>")
    page.write_text(looked_at, encoding="utf-8")
    command = [CHROMIUM, *OPTIONS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    report = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert report, done.stderr[-2000:]
    return json.loads(html.unescape(report[1]))


def test_every_slide_has_its_notes_and_the_short_path_is_marked(deck: str) -> None:
    slides = re.findall(r'<section class="(?:words|mixed|picture)">(.*?)</section>', deck, re.DOTALL)
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
    body = deck[deck.index('<div class="slides">') : deck.index("</div><script ")]
    shown = html.unescape(re.sub(r"<aside.*?</aside>|<[^>]+>", "", body, flags=re.DOTALL))
    known = TTFont(str(font)).getBestCmap()
    missing = {one for one in shown if one.isprintable() and ord(one) not in known}
    assert not missing
    assert len(re.findall("[가-힣]", shown)) > 1000


def test_nothing_is_cut_at_1280_by_720(seen: dict[str, Any]) -> None:
    assert len(seen["slides"]) == NUM_SLIDES
    cut_off = [
        one for one in seen["slides"] if max(one["bottom"], one["height"]) > HEIGHT or one["right"] > WIDTH
    ]
    assert not cut_off
    assert all(width > 800 for one in seen["slides"] for width in one["pictures"])
    assert sum(len(one["pictures"]) for one in seen["slides"]) >= 8


def test_the_font_is_loaded_and_the_speaker_sees_the_notes_offline(seen: dict[str, Any]) -> None:
    assert sorted(seen["fonts"]) == ["Deck 400 loaded", "Deck 700 loaded"]
    assert all(one["notes"] > 50 for one in seen["slides"])
    assert "오늘은 노트북에서 실제로 돌린 것을" in seen["speaker"]
    assert "Deck 400 loaded" in seen["speaker_fonts"]


def test_stripping_outputs_keeps_what_makes_slides(tmp_path: Path) -> None:
    stripped = tmp_path / "story.ipynb"
    shutil.copy(REPO_DIR / NOTEBOOK, stripped)
    subprocess.run([sys.executable, "-m", "nbstripout", "--keep-id", str(stripped)], check=True)
    kinds = [
        [one["metadata"].get("slideshow", {}).get("slide_type") for one in nbformat.read(path, 4)["cells"]]
        for path in (REPO_DIR / NOTEBOOK, stripped)
    ]
    assert kinds[0] == kinds[1]
    assert set(kinds[1]) == {"slide", "subslide", "skip", "-"}


def cell(kind: str, source: str, slide_type: str = "-", **rest: Any) -> dict[str, Any]:
    return {
        "cell_type": kind,
        "source": source,
        "metadata": {"slideshow": {"slide_type": slide_type}},
        **rest,
    }


NOTE = Note(minutes=3, short=0, say=("말",), ask="", en="words")
PRINTED = [{"output_type": "stream", "text": "a < b"}]
CELLS = [
    cell("markdown", "# 00. 제목 · Title\n\n| a |\n|---|\n| b |"),
    cell(
        "markdown",
        "## 1. 하나 · One\n\n- [점](x.ipynb)\n\n읽을 글입니다.\n\n> To be read.\n\n## 둘 · Two",
        "slide",
    ),
    cell("code", "secret", outputs=PRINTED),
    cell("code", "secret", "subslide", outputs=PRINTED),
    cell("markdown", "## 확인 · Check", "skip"),
]


def test_what_is_looked_at_is_shown_and_what_is_read_is_the_speakers() -> None:
    slides = cut({"cells": CELLS}, dict.fromkeys(("제목", "하나", "둘", "둘/2"), NOTE))
    assert [(one.name, one.is_below) for one in slides] == [
        ("제목", False),
        ("하나", False),
        ("둘", False),
        ("둘/2", True),
    ]
    assert slides[0].body == []
    assert "<li>점</li>" in slides[1].body[0]
    notes = notes_html(slides[1])
    assert notes.index("읽을 글입니다.") < notes.index("To be read.")
    assert slides[3].body == ["<pre>a &lt; b</pre>"]


def test_a_picture_of_img_is_inside_the_deck_and_has_a_slide_to_itself(deck: str) -> None:
    picture = "글\n\n![그림 · picture](../../img/qlora.svg)"
    cells = [
        cell("markdown", f"## 하나 · One\n\n{picture}", "slide"),
        cell("code", "secret", outputs=PRINTED),
        cell("markdown", f"## 둘 · Two\n\n- 점\n\n{picture}", "slide"),
    ]
    slides = cut({"cells": [CELLS[0], *cells]}, dict.fromkeys(("제목", "하나", "하나/2", "둘", "둘/2"), NOTE))
    assert [[part[:4] for part in one.body] for one in slides[1:]] == [
        *(["<svg"], ["<pre"]), *(["<ul>"], ["<svg"])
    ]  # fmt: skip
    assert all("글" in one.read for one in (slides[1], slides[3]))
    assert deck.count('<svg class="concept"') == 4
    assert "img/" not in deck[deck.index('<div class="slides">') : deck.index("</div><script ")]


@pytest.mark.parametrize("names", [("제목", "하나", "둘"), ("제목", "하나", "둘", "둘/2", "셋")])
def test_a_slide_without_notes_and_notes_without_a_slide_are_named(names: tuple[str, ...]) -> None:
    with pytest.raises(WorkshopError, match=r"둘/2|셋"):
        cut({"cells": CELLS}, dict.fromkeys(names, NOTE))


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
