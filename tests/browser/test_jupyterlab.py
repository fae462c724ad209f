"""Notebooks as people run them: opened in JupyterLab, run by its menus, at 1280 x 720."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.browser.chromium import REPO_DIR, draws_hangul
from tests.browser.jupyterlab import Lab, Notebook

from workshop.aws.session import connect
from workshop.settings import load_settings

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

TRACKS = REPO_DIR / "notebook"
PREPARE = TRACKS / "01-naver-news-fsdp-QLoRA" / "01-Prepare-Dataset-KR-News.ipynb"
INFERENCE = TRACKS / "01-naver-news-fsdp-QLoRA" / "04-SageMaker-Inference.ipynb"
COMPONENT = TRACKS / "02-naver-news-llama3-inference" / "02-SageMaker-Inference-Component.ipynb"


class Account:
    """What the AWS on this machine has of a kind, and all that it ever had while it was looked at."""

    def __init__(self) -> None:
        self._client = connect(load_settings()).client("sagemaker")
        self.seen: set[tuple[str, Any]] = set()

    def look(self) -> None:
        self.seen |= {(one["EndpointName"], one["CreationTime"]) for one in self.endpoints()}

    def endpoints(self) -> list[dict[str, Any]]:
        return self._client.list_endpoints()["Endpoints"]

    def left(self) -> list[Any]:
        return [
            *self.endpoints(),
            *self._client.list_inference_components()["InferenceComponents"],
            *self._client.list_endpoint_configs()["EndpointConfigs"],
            *self._client.list_models()["Models"],
        ]


def assert_ran(notebook: Notebook, pictures: Path) -> None:
    """Every cell ran without an error, and nothing of what it shows is cut, astray, faint or unfinished."""
    assert notebook.errors() == []
    assert notebook.not_run() == []
    assert notebook.look(pictures) == []


def test_hangul_is_drawn_and_a_missing_glyph_would_be_seen(browser: Chrome) -> None:
    browser.get("data:text/html,<meta charset=utf-8>")
    assert draws_hangul(browser, "sans-serif")
    assert draws_hangul(browser, "monospace")


def test_notebook_01_runs_and_its_tables_are_aligned(lab: Lab, browser: Chrome, pictures: Path) -> None:
    notebook = lab.open(PREPARE)
    browser.save_screenshot(str(pictures / "opened.png"))
    notebook.run_all()
    assert "Jupyter news" not in browser.find_element("tag name", "body").text
    assert_ran(notebook, pictures)
    lab.close()


def test_notebook_04_goes_on_with_its_endpoint_after_a_restart_and_deletes_it(
    lab: Lab, pictures: Path, report: Path
) -> None:
    account, notebook = Account(), lab.open(INFERENCE)
    notebook.run_above(notebook.place_of("## 8. "))
    assert notebook.errors() == []
    account.look()
    assert len(account.seen) == 1
    notebook.restart()
    notebook.run_all(meanwhile=account.look)
    assert len(account.seen) == 1, "a second endpoint was made"
    assert account.left() == []
    assert_ran(notebook, pictures)
    lab.theme("Dark")
    by_night = pictures / "dark"
    by_night.mkdir()
    assert notebook.look(by_night) == []
    lab.theme("Light")
    lab.close()


def test_the_component_notebook_runs_and_after_a_restart_two_cells_delete(
    lab: Lab, pictures: Path, report: Path
) -> None:
    account, notebook = Account(), lab.open(COMPONENT)
    notebook.run_all(meanwhile=account.look)
    assert_ran(notebook, pictures)
    assert account.left() == []
    notebook.run_above(notebook.place_of("## 6. "))
    assert len(account.left()) > 3
    notebook.restart()
    numbers = [notebook.place_of("## 1. "), notebook.place_of("## 2. "), notebook.place_of("## 9. ")]
    notebook.run_cells(
        *notebook.code_between(*numbers[:2]), *notebook.code_between(numbers[2], numbers[2] + 2)
    )
    assert notebook.errors() == []
    assert account.left() == []
    lab.close()
