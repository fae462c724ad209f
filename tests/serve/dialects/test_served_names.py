"""What a served model is called: as in its image, and never by the folder that stands for /opt/ml."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from tests.serve.requests_to_server import chat, chunks, completion, post
from tests.serve.server_process import ServerProcess

SHOWN = "/opt/ml/model"


@pytest.fixture(scope="module")
def root(chat_dir: Path, adapter_dirs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that is /opt/ml, behind a link as the sandbox has it."""
    files = tmp_path_factory.mktemp("container") / "files"
    shutil.copytree(chat_dir, files / "model")
    for name, folder in adapter_dirs.items():
        shutil.copytree(folder, files / "adapters" / name)
    link = files.with_name("ml")
    link.symlink_to(files)
    return link


@contextmanager
def serving(root: Path, dialect: str, **variables: str) -> Iterator[ServerProcess]:
    """Start a server as the sandbox does without a mount: its variables name the folder."""
    given = {"SERVE_DIALECT": dialect, "SERVE_OPT_ML_DIR": str(root), "SM_MODEL_DIR": f"{root}/model"}
    given |= {"HF_MODEL_ID": f"{root}/model", **variables}
    with ServerProcess(**given) as process:
        yield process.ready()
        hidden = (str(root), str(root.resolve()))
        assert not [line for line in process.output if any(path in line for path in hidden)]


def names(server: ServerProcess) -> list[tuple[str, str, str | None]]:
    listed = requests.get(server.url + "/v1/models", timeout=300).json()["data"]
    return [(model["id"], model["root"], model["parent"]) for model in listed]


def test_vllm_is_called_by_its_path_and_adapters_show_theirs(root: Path) -> None:
    modules = f"news={root}/adapters/news"
    with serving(
        root, "vllm", SM_VLLM_MODEL=f"{root}/model", SM_VLLM_LORA_MODULES=modules, SM_VLLM_ENABLE_LORA="true",
        VLLM_ALLOW_RUNTIME_LORA_UPDATING="true",
    ) as server:  # fmt: skip
        for body in (chat(), chat(model=SHOWN)):
            assert post(server, "/invocations", body).json()["model"] == SHOWN
        assert post(server, "/v1/completions", completion(model="news")).json()["model"] == "news"
        assert {
            chunk["model"] for chunk in chunks(post(server, "/invocations", chat(model=SHOWN, stream=True)))
        } == {SHOWN}
        given = {"name": "sports", "src": f"{root}/adapters/sports"}
        assert post(server, "/adapters", given).status_code == 200
        assert names(server) == [
            (SHOWN, SHOWN, None),
            ("news", "/opt/ml/adapters/news", SHOWN),
            ("sports", "/opt/ml/adapters/sports", SHOWN),
        ]
        unknown = post(server, "/invocations", chat(model="other"))
        assert unknown.status_code == 404
        assert unknown.json()["error"]["message"].endswith(f"known ones: {SHOWN}, news, sports")
        nowhere = post(server, "/adapters", {"name": "a", "src": f"{root}/adapters/none"})
        assert "/opt/ml/adapters/none holds no adapter_model.safetensors" in nowhere.text
        assert f'model_name="{SHOWN}"' in requests.get(server.url + "/metrics", timeout=300).text


def test_vllms_served_names_are_all_known_and_the_first_one_answers(root: Path) -> None:
    with serving(root, "vllm", SM_VLLM_SERVED_MODEL_NAME='["news", "뉴스"]') as server:
        for model in ("news", "뉴스", None):
            assert post(server, "/invocations", chat(model=model)).json()["model"] == "news"
        assert names(server) == [("news", SHOWN, None), ("뉴스", SHOWN, None)]
        assert post(server, "/invocations", chat(model=SHOWN)).status_code == 404
        assert 'model_name="news"' in requests.get(server.url + "/metrics", timeout=300).text


def test_lmi_is_called_lmi_and_its_path_is_understood(root: Path) -> None:
    with serving(root, "lmi") as server:
        for model in ("lmi", SHOWN, None):
            assert post(server, "/invocations", chat(model=model)).json()["model"] == "lmi"
        (listed,) = requests.get(server.url + "/models", timeout=300).json()["models"]
        assert (listed["modelName"], listed["modelUrl"]) == ("model", f"file:{SHOWN}/")
        assert post(server, "/predictions/model", {"inputs": "가"}).status_code == 200
        other = post(server, "/predictions/other", {"inputs": "가"})
        assert (other.status_code, other.json()["error"]) == (404, "Model or workflow not found: other")


def test_lmis_served_name_takes_the_place_of_both(root: Path) -> None:
    with serving(root, "lmi", OPTION_SERVED_MODEL_NAME="news") as server:
        assert post(server, "/invocations", chat(model="news")).json()["model"] == "news"
        for model in ("lmi", SHOWN):
            assert post(server, "/invocations", chat(model=model)).status_code == 404


def test_tgi_names_its_model_by_its_path_and_a_chat_by_its_request(root: Path) -> None:
    adapters = f"news={root}/adapters/news"
    with serving(root, "tgi", LORA_ADAPTERS=adapters) as server:
        assert requests.get(server.url + "/info", timeout=300).json()["model_id"] == SHOWN
        (listed,) = requests.get(server.url + "/v1/models", timeout=300).json()["data"]
        assert (listed["id"], listed["owned_by"]) == (SHOWN, SHOWN)
        for asked, answered in (
            (None, SHOWN),
            ("tgi", SHOWN),
            ("dummy", "dummy"),
            (SHOWN, SHOWN),
            ("news", "news"),
        ):
            assert post(server, "/v1/chat/completions", chat(model=asked)).json()["model"] == answered
            assert post(server, "/v1/completions", completion(model=asked)).json()["model"] == SHOWN
        unknown = post(server, "/v1/chat/completions", chat(model="other"))
        assert unknown.json()["error"].endswith(f"known ones: {SHOWN}, dummy, tgi, news")


def test_an_adapter_of_a_larger_rank_than_the_image_takes_is_refused(
    root: Path, adapter_dirs: dict[str, Path], tmp_path: Path
) -> None:
    config = (adapter_dirs["news"] / "adapter_config.json").read_text()
    large = Path(shutil.copytree(adapter_dirs["news"], tmp_path / "large"))
    (large / "adapter_config.json").write_text(config.replace('"r": 4', '"r": 64'))
    told = "the adapter a of rank 64"
    with serving(root, "lmi", OPTION_ENABLE_LORA="true") as server:
        refused = post(server, "/adapters", {"name": "a", "src": str(large)})
        assert (refused.status_code, refused.json()["error"]) == (424, told)
    modules = {
        "SM_VLLM_ENABLE_LORA": "true",
        "SM_VLLM_LORA_MODULES": f"a={large}",
        "SM_VLLM_MAX_LORA_RANK": "32",
    }
    with ServerProcess(SERVE_DIALECT="vllm", **modules) as process:
        status, output = process.wait()
    assert status == 2
    assert told in output
    assert "at most 32" in output
