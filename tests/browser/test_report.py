"""The report of a run as it opens in a browser at 1280 x 720, by day and by night."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.browser.chromium import HEIGHT, LOOK, draws_hangul

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

LEAST_CONTRAST = 4.5  # of words of ordinary size
PICTURE_SCREENS = 6


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_of_the_report_is_cut_or_faint(
    browser: Chrome, pictures: Path, report: Path, scheme: str
) -> None:
    wanted = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)
    browser.get(report.as_uri())
    is_dark = browser.execute_script("return matchMedia('(prefers-color-scheme: dark)').matches")
    assert is_dark == (scheme == "dark")
    assert draws_hangul(browser, "system-ui, sans-serif")
    for details in browser.find_elements("css selector", "details:not([open]) > summary"):
        browser.execute_script("arguments[0].parentElement.open = true", details)
    wrong = "return whatIsWrong([document.body], document.documentElement.clientWidth)"
    assert browser.execute_script(f"{LOOK} {wrong}") == []
    assert browser.execute_script(f"{LOOK} return whatIsFaint(document.body, {LEAST_CONTRAST})") == []
    height = browser.execute_script("return document.documentElement.scrollHeight")
    for screen in range(PICTURE_SCREENS):
        browser.execute_script(f"scrollTo(0, {screen * (height - HEIGHT) // (PICTURE_SCREENS - 1)})")
        browser.save_screenshot(str(pictures / f"report-{scheme}-{screen}.png"))
