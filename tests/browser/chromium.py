"""A real browser for tests: Debian's chromium, driven by Selenium, with a Korean font and without a network.

The screen is 1280 x 720, a projector's. Nothing is downloaded: program and driver are those of this machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

REPO_DIR = Path(__file__).parents[2]
# Selenium is beside the kernel's environment, which its packages would only slow down.
SELENIUM_DIR = REPO_DIR / ".envs" / "browser"
if str(SELENIUM_DIR) not in sys.path:
    sys.path.append(str(SELENIUM_DIR))

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
WIDTH, HEIGHT = 1280, 720
PAGE_TIMEOUT_S = 90
LOOK = Path(__file__).with_name("look.js").read_text(encoding="utf-8")
OPTIONS = (
    # It runs as root in containers, and has no display.
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    # It reports to its maker on its own account otherwise, and asks for updates.
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # Every other name and address is unknown to it.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--lang=ko",
)
# A syllable without a glyph is drawn as the box of every unknown one; with glyphs no two are alike.
HANGUL = """
const draw = (text) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [80, 60];
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  pen.font = `40px ${arguments[0]}`;
  pen.fillText(text, 5, 45);
  return pen.getImageData(0, 0, 80, 60).data.join();
};
const drawn = ["가", "뉴", "핥", "\\u{10FFFD}"].map(draw);
return new Set(drawn).size === drawn.length;
"""


def dom_of(address: str, profile: Path, *options: str, timeout_s: float = 180) -> str:
    """Return what chromium alone, without its driver, has made of a page; skip where there is none.

    Args:
        address: Of the page.
        profile: Folder of the browser's own.
        options: More of chromium's, --virtual-time-budget for pages that go on after they are loaded.
        timeout_s: Of the whole.
    """
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt-get install chromium")
    size = f"--window-size={WIDTH},{HEIGHT}"
    command = [CHROMIUM, *OPTIONS, size, f"--user-data-dir={profile}", *options, "--dump-dom", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def missing() -> str:
    """Return why no browser can be driven here; "" when one can."""
    if CHROMIUM is None or DRIVER is None:
        return "no chromium with its driver here: apt-get install chromium chromium-driver"
    if not (SELENIUM_DIR / "selenium").is_dir():
        return f"no Selenium in {SELENIUM_DIR.relative_to(REPO_DIR)}: make test-browser installs it"
    return ""


@contextmanager
def chromium(folder: Path, *options: str) -> Iterator[Chrome]:
    """Yield a browser with a profile of its own, which is gone with its folder.

    Args:
        folder: For profile and fonts.
        options: More of chromium's.
    """
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    fonts = folder / "share" / "fonts"
    fonts.mkdir(parents=True, exist_ok=True)
    for name in ("NanumGothic.ttf", "NanumGothicBold.ttf"):
        font = distribution("koreanize-matplotlib").locate_file(f"koreanize_matplotlib/fonts/{name}")
        shutil.copy(str(font), fonts)
    chosen = ChromeOptions()
    chosen.binary_location = CHROMIUM
    for option in (*OPTIONS, f"--user-data-dir={folder / 'profile'}", *options):
        chosen.add_argument(option)
    service = Service(
        DRIVER, env={**os.environ, "XDG_DATA_HOME": str(folder / "share"), "SE_OFFLINE": "true"}
    )
    browser = Chrome(chosen, service)
    try:
        # Of the page, whatever a window of this chromium has around it.
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.set_page_load_timeout(PAGE_TIMEOUT_S)
        browser.set_script_timeout(PAGE_TIMEOUT_S)
        yield browser
    finally:
        browser.quit()


def draws_hangul(browser: Chrome, font_family: str = "sans-serif") -> bool:
    """Tell whether syllables look different from each other and from the box of an unknown character."""
    return browser.execute_script(HANGUL, font_family)
