"""MLflow's pages in a real browser, by the URL that AWS signs for them."""

from __future__ import annotations

import html
import re
import time
from pathlib import Path
from typing import Any

import pytest
from tests.browser.chromium import CHROMIUM, dom_of

from .conftest import TIMEOUT_S, Apps

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")

LINE = 'class="js-line" d="'  # of a chart


class Browser:
    """Headless chromium, which writes down what a page has become.

    Args:
        apps: Of the sandbox.
        arn: The app that is looked at.
        profile: Folder of the browser.
    """

    def __init__(self, apps: Apps, arn: str, profile: Path) -> None:
        self._apps, self._arn, self._profile = apps, arn, profile

    def page(self, place: str, *expected: str) -> str:
        """Return the elements of a page as soon as all that is expected is in them; by a URL of its own."""
        deadline_s, budget_ms = time.monotonic() + TIMEOUT_S, 5_000
        while True:
            url = self._apps.client.create_presigned_mlflow_app_url(Arn=self._arn)["AuthorizedUrl"]
            budget = f"--virtual-time-budget={budget_ms}"
            seen = dom_of(f"{url}{place}", self._profile, budget, timeout_s=TIMEOUT_S)
            text = text_of(seen)
            missing = [each for each in expected if each not in text and each not in seen]
            if not missing:
                return seen
            assert time.monotonic() < deadline_s, (place, missing, text)
            budget_ms *= 2  # a busy machine: its clock ran out before the page had its data


def text_of(page: str) -> str:
    """Return the words of a page, with one space between them."""
    words = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(words))


def test_a_run_its_curve_its_artifact_and_a_prompts_versions_are_seen(
    apps: Apps, mlflow: Any, tmp_path: Path
) -> None:
    arn = apps.create("seen")
    apps.wait(arn, "Created")
    mlflow.set_tracking_uri(arn)
    experiment = mlflow.set_experiment("뉴스 요약").experiment_id
    with mlflow.start_run(run_name="LoRA r=8") as run:
        mlflow.log_param("learning_rate", 0.004)
        for step in range(10):
            mlflow.log_metric("loss", 2.0 / (step + 1), step=step)
        mlflow.log_text("서울 기온은 3.5도입니다.", "examples.txt")
    for template in ("{{article}} 요약:", "{{article}} 한 문장으로:"):
        prompt = mlflow.genai.register_prompt("news-summary", template)
    mlflow.genai.set_prompt_alias("news-summary", "production", prompt.version)

    browser = Browser(apps, arn, tmp_path)
    a_run = f"#/experiments/{experiment}/runs/{run.info.run_id}"
    browser.page(a_run, "뉴스 요약", "LoRA r=8", "learning_rate", "0.004", "loss", "0.2", "Finished")
    curves = browser.page(f"{a_run}/model-metrics", "Model metrics (1)", "LoRA r=8 (loss)", LINE)
    (line,) = set(re.findall(f'{LINE}([^"]*)"', curves))
    heights = [float(point.partition(",")[2]) for point in re.split("[ML]", line)[1:]]
    assert heights == sorted(heights), "a loss that falls: on a page the top is 0"
    assert len(heights) > 2
    browser.page(f"{a_run}/artifacts/examples.txt", "examples.txt", "서울 기온은 3.5도입니다.")
    both = browser.page("#/prompts/news-summary", "Version 1", "Version 2", "한 문장으로", "production")
    assert "요약:" not in text_of(both), "the newest is shown"
