"""LoRA adapters that SageMaker's adapter components load while a container serves."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from tests.serve.requests_to_server import post
from tests.serve.server_process import ServerProcess

HEADER = "X-Amzn-SageMaker-Adapter-Identifier"
BODIES = {
    "lmi": {"inputs": "서울", "parameters": {"max_new_tokens": 24}},
    "vllm": {"prompt": "서울", "max_tokens": 24, "temperature": 0},
}
VARIABLES = {"lmi": "OPTION_ENABLE_LORA", "vllm": "VLLM_ALLOW_RUNTIME_LORA_UPDATING"}


@pytest.mark.parametrize("dialect", BODIES)
def test_a_container_is_asked_to_load_an_adapter_and_a_request_names_it(
    dialect: str, adapter_dirs: dict[str, Path]
) -> None:
    with ServerProcess(SERVE_DIALECT=dialect, **{VARIABLES[dialect]: "true"}) as process:
        process.ready()

        def text(**headers: str) -> str:
            answered = post(process, "/invocations", BODIES[dialect], headers=headers).json()
            return answered["generated_text"] if dialect == "lmi" else answered["choices"][0]["text"]

        base = text()
        loaded = post(process, "/adapters", {"name": "a-1", "src": str(adapter_dirs["news"])})
        assert (loaded.status_code, loaded.json()) == (200, {"status": "Adapter a-1 registered"})
        assert text(**{HEADER: "a-1"}) != base == text()
        missing = post(process, "/invocations", BODIES[dialect], headers={HEADER: "a-2"})
        assert missing.status_code == (424 if dialect == "lmi" else 404)
        nowhere = post(process, "/adapters", {"name": "a-2", "src": str(adapter_dirs["news"].parent)})
        assert nowhere.status_code == (424 if dialect == "lmi" else 400)
        assert "holds no adapter_model.safetensors" in nowhere.text
        process.wait_for("Registered adapter a-1 from")
        url = f"{process.url}/adapters/a-1"
        assert requests.delete(url, timeout=300).json() == {"status": "Adapter a-1 unregistered"}
        assert requests.delete(url, timeout=300).status_code == 404


@pytest.mark.parametrize("dialect", BODIES)
def test_a_container_that_was_not_asked_to_refuses_adapters_with_the_variable_it_wants(
    dialect: str, adapter_dirs: dict[str, Path]
) -> None:
    with ServerProcess(SERVE_DIALECT=dialect) as process:
        process.ready()
        refused = post(process, "/adapters", {"name": "a", "src": str(adapter_dirs["news"])})
    assert refused.status_code == (424 if dialect == "lmi" else 400)
    assert VARIABLES[dialect] in refused.text
