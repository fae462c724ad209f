"""Decks as a browser without a network sees them: every slide is shown once, then the speaker's view."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

from tests.browser.chromium import HEIGHT, WIDTH, dom_of

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
  await pause(50);
  const fonts = [...document.fonts].map((one) => `${one.family} ${one.weight} ${one.status}`);
  const found = {slides: [], fonts};
  for (const slide of Reveal.getSlides()) {
    const place = Reveal.getIndices(slide);
    Reveal.slide(place.h, place.v);
    const body = slide.querySelector(".body"), parts = [...body.querySelectorAll("pre, table, div")];
    const shown = [...slide.querySelectorAll("h1, h2, .body *")].map((one) => one.getBoundingClientRect());
    found.slides.push({
      title: slide.querySelector("h1, h2").textContent,
      bottom: Math.max(...shown.map((one) => one.bottom)),
      right: Math.max(...shown.map((one) => one.right)),
      height: slide.scrollHeight,
      size: Number(body.dataset.size),
      // What scrolls sideways, or is hidden, would be seen by nobody in the room.
      cut: parts.filter((one) => one.scrollWidth > one.clientWidth + 2)
        .map((one) => one.outerHTML.slice(0, 200)),
      letters: Math.min(99, ...[...body.querySelectorAll("pre, td, li")]
        .map((one) => parseFloat(getComputedStyle(one).fontSize) * Number(body.dataset.size))),
      pictures: [...body.querySelectorAll("img")].map((one) => one.naturalWidth),
      isEmpty: !body.textContent.trim() && !body.querySelector("img, svg"),
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


def look_at(deck: str, folder: Path) -> dict[str, Any]:
    """Return what a browser says of every slide of a deck.

    Args:
        deck: The page.
        folder: For the browser's files.
    """
    page = folder / "deck.html"
    looked_at = deck.replace("<body>", f"<body>{NO_WINDOW}").replace("</body>", f"{PROBE}</body>")
    page.write_text(looked_at, encoding="utf-8")
    seen = dom_of(page.as_uri(), folder / "profile", "--virtual-time-budget=20000")
    report = re.search(r'<pre id="probe">(.*?)</pre>', seen, re.DOTALL)
    assert report, seen[-2000:]
    return json.loads(html.unescape(report[1]))


def out_of_sight(slides: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the slides of which something lies outside 1280 x 720, or is cut, or is empty."""
    return [
        one
        for one in slides
        if max(one["bottom"], one["height"]) > HEIGHT or one["right"] > WIDTH or one["cut"] or one["isEmpty"]
    ]


def shown_in(deck: str) -> str:
    """Return a deck's slides as they stand in its page."""
    return deck[deck.index('<div class="slides">') : deck.index("</div><script ")]
