"""Notebook 02-01 in a container, and there the model that Local Mode has trained, asked by three clients."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest
from huggingface_hub import InferenceClient
from tests.containers.notebooks import run_notebooks
from tests.serve.server_process import ServerProcess

from workshop.news.dataset import read_rows
from workshop.serving.plan import serving_plan
from workshop.serving.server import start_server
from workshop.settings import load_settings

NOTEBOOK = "02-naver-news-llama3-inference/01-SageMaker-Inference-Local-Test"
FEW = {"num_endpoint_articles": 2, "num_load_users": 2, "num_load_requests": 2}
READY_TIMEOUT_S = 600


@pytest.fixture(scope="module")
def served_home(local_mode_home: Path) -> Path:
    """The home after the notebook, whose server and whose comparison were containers."""
    run_notebooks(local_mode_home, NOTEBOOK, serve_with="container", **FEW)
    return local_mode_home


def test_the_notebook_serves_in_containers_and_leaves_none(
    local_mode_home: Path, nothing_left: Callable[..., None], request: pytest.FixtureRequest
) -> None:
    home = request.getfixturevalue("served_home")
    logs = sorted((home / "sample" / "serving").glob("*.log"))
    assert [log.stem for log in logs] == ["compare-1", "compare-2", "compare-3", "server"]
    for log in logs:
        assert "listening on http://0.0.0.0:8080" in log.read_text(), "it is not the container's server"


@pytest.fixture
def chat(served_home: Path) -> dict:
    """A request of an article that was not trained on."""
    row = read_rows(served_home / "sample" / "data" / "full", "test")[0]
    return {"messages": row["messages"][:-1], "max_tokens": 80, "temperature": 0}


@pytest.fixture
def urls(served_home: Path, engine: object, nothing_left: object) -> Iterator[tuple[str, str]]:
    """Addresses of a container and of a process that serve what notebook 03 has trained in Local Mode."""
    environ = {"WORKSHOP_HOME": str(served_home), "WORKSHOP_SERVE_WITH": "container"}
    settings = load_settings(environ=environ)
    model_dir = settings.home / "serving" / "model"
    assert (model_dir / "adapter").is_dir(), "it is not what a training leaves"
    log_path = settings.home / "clients.log"
    with (
        ServerProcess(HF_MODEL_ID=str(model_dir)) as process,
        start_server(
            serving_plan(settings, model_dir), log_path=log_path, timeout_s=READY_TIMEOUT_S
        ) as server,
    ):
        yield server.url, process.ready().url


def test_three_clients_get_the_summary_that_a_server_without_a_container_gives(
    urls: tuple[str, str], chat: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # it would refuse even loopback
    url, process_url = urls
    expected = InferenceClient(process_url, timeout=300).chat_completion(**chat).choices[0].message.content
    assert expected.strip()
    hugging_face = InferenceClient(url, timeout=300).chat_completion(**chat)
    open_ai = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    assert hugging_face.choices[0].message.content == expected
    assert open_ai.chat.completions.create(model="tgi", **chat).choices[0].message.content == expected
    if not shutil.which("curl"):
        pytest.skip("no program curl: asked by the two other clients alone")
    assert asked_by_curl(f"{url}/invocations", chat) == expected


def asked_by_curl(url: str, body: dict) -> str:
    head = ("curl", "--silent", "--show-error", "--fail", "--max-time", "300", "--header")
    command = [*head, "content-type: application/json", "--data", json.dumps(body), url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return json.loads(done.stdout)["choices"][0]["message"]["content"]
