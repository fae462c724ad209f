"""One server on the shipped base model for all tests that only ask it."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serve.server_process import BASE, TEMPLATE, ServerProcess

from processes.warm import preload
from serve.model_folder import ModelFolder, read_model_folder
from serve.text import TextCodec


@pytest.fixture(scope="session", autouse=True)
def warm() -> None:
    """Fork the servers of these tests from one process: each starts in a tenth of the time."""
    with contextlib.suppress(OSError):  # not on this system
        preload("serve.preload")
        ServerProcess.is_warm = True


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the servers of a test alone, for what only the start itself shows."""
    monkeypatch.setattr(ServerProcess, "is_warm", False)


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    with ServerProcess() as process:
        yield process.ready()


@pytest.fixture(scope="session")
def chat_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base model with the chat template that training gives it."""
    folder = Path(shutil.copytree(BASE, tmp_path_factory.mktemp("chat") / "model"))
    shutil.copy(TEMPLATE, folder / "chat_template.jinja")
    return folder


@pytest.fixture(scope="session")
def chat_server(chat_dir: Path) -> Iterator[ServerProcess]:
    with ServerProcess(HF_MODEL_ID=str(chat_dir)) as process:
        yield process.ready()


@pytest.fixture(scope="session")
def vllm_server(chat_dir: Path) -> Iterator[ServerProcess]:
    with ServerProcess(SM_VLLM_MODEL=str(chat_dir), HF_MODEL_ID="", SERVE_DIALECT="vllm") as process:
        yield process.ready()


@pytest.fixture(scope="session")
def lmi_server(chat_dir: Path) -> Iterator[ServerProcess]:
    with ServerProcess(HF_MODEL_ID=str(chat_dir), SERVE_DIALECT="lmi") as process:
        yield process.ready()


@pytest.fixture(scope="session")
def model() -> ModelFolder:
    return read_model_folder(BASE)


@pytest.fixture(scope="session")
def codec(model: ModelFolder) -> TextCodec:
    return model.codec


@pytest.fixture(scope="session")
def endless_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base model without an end token: what it generates is as long as was asked for."""
    folder = Path(shutil.copytree(BASE, tmp_path_factory.mktemp("endless") / "model"))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": []}))
    return folder


@pytest.fixture(scope="session")
def adapter_dirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two random adapters for the shipped model."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("adapters")
    for seed, name in enumerate(("news", "sports")):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
        config = LoraConfig(r=4, lora_alpha=32, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
        get_peft_model(model, config).save_pretrained(folder / name)
    return {name: folder / name for name in ("news", "sports")}
