"""Decks as whoever presents pages through them, by the keys, at 1280 x 720."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.browser.chromium import LOOK

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

DECKS_TIMEOUT_S = 600
MIN_SLIDES, PICTURE_EVERY = 10, 4
# reveal.js scales the whole deck: what counts is where things end on the screen.
WRONG = """
const slide = Reveal.getCurrentSlide(), wrong = whatIsWrong([slide], innerWidth);
const low = [...slide.querySelectorAll("*")].filter((one) => !one.closest("aside, svg"))
  .map((one) => one.getBoundingClientRect().bottom).filter((bottom) => bottom > innerHeight + 1);
if (low.length) wrong.push(`ends ${Math.round(Math.max(...low) - innerHeight)} px below the screen`);
const words = slide.textContent.trim() || slide.querySelector("img, svg");
if (!words) wrong.push("is empty");
return wrong.map((one) => `${slide.querySelector("h1, h2, h3")?.textContent}: ${one}`);
"""


@pytest.fixture(scope="module")
def decks(browser: Chrome, report: Path) -> list[Path]:
    """What `make slides` makes of the notebooks that were run, and of the story."""
    command = [sys.executable, "-m", "workshop.slides"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DECKS_TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = Path(os.environ["WORKSHOP_HOME"]) / "sample" / "slides"
    return sorted(path for path in folder.glob("*.html") if path.stem != "index")


def test_the_keys_lead_through_every_slide_and_nothing_is_cut(
    browser: Chrome, decks: list[Path], pictures: Path
) -> None:
    from selenium.webdriver.common.keys import Keys

    assert len(decks) >= 2
    for deck in decks:
        browser.get(deck.as_uri())
        browser.execute_async_script("""
            const done = arguments[0];
            document.fonts.ready.then(() => Reveal.isReady() ? done() : Reveal.on("ready", done));
        """)
        num_slides, wrong = browser.execute_script("return Reveal.getTotalSlides()"), []
        assert num_slides >= MIN_SLIDES
        for number in range(num_slides):
            assert browser.execute_script("return Reveal.getSlidePastCount()") == number
            wrong += browser.execute_script(LOOK + WRONG)
            if number % PICTURE_EVERY == 0:
                browser.save_screenshot(str(pictures / f"{deck.stem}-slide-{number:02}.png"))
            browser.find_element("tag name", "body").send_keys(Keys.SPACE)
        assert browser.execute_script("return Reveal.isLastSlide()")
        assert wrong == []
