"""Clients written for TGI and for OpenAI work unmodified."""

from __future__ import annotations

import asyncio
import json
import subprocess

import openai
import pytest
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import HfHubHTTPError, ValidationError
from tests.serve.requests_to_server import MESSAGES, chat
from tests.serve.server_process import ServerProcess

from workshop.evaluation.cases import Case
from workshop.evaluation.judge import INSTRUCTIONS, UNREADABLE, question, read_verdict
from workshop.evaluation.judge_models import openai_judge

ASKED = {"max_new_tokens": 12, "stop": ["없는 글"]}
CHAT = {"messages": MESSAGES, "max_tokens": 12, "temperature": 0}


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch) -> None:
    # Offline huggingface_hub refuses even loopback.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


@pytest.fixture
def client(chat_server: ServerProcess) -> InferenceClient:
    return InferenceClient(chat_server.url, timeout=300)


def test_hugging_faces_client_reads_text_details_and_streams(client: InferenceClient) -> None:
    text = client.text_generation("안녕하세요", return_full_text=False, **ASKED)
    details = client.text_generation("안녕하세요", details=True, return_full_text=False, **ASKED)
    streamed = list(client.text_generation("안녕하세요", stream=True, **ASKED))
    detailed = list(client.text_generation("안녕하세요", stream=True, details=True, **ASKED))
    assert text
    assert details.generated_text == text
    assert details.details.generated_tokens == 12
    assert "".join(streamed) == text
    assert detailed[-1].details.finish_reason == "length"
    assert [item.token.id for item in detailed] == [token.id for token in details.details.tokens]


def test_hugging_faces_client_chats(client: InferenceClient) -> None:
    whole = client.chat_completion(**CHAT, logprobs=True)
    parts = list(client.chat_completion(**CHAT, stream=True, stream_options={"include_usage": True}))
    assert whole.choices[0].message.content
    assert "".join(part.choices[0].delta.content for part in parts if part.choices) == (
        whole.choices[0].message.content
    )
    assert parts[-1].usage.total_tokens == whole.usage.total_tokens
    assert len(whole.choices[0].logprobs.content) == whole.usage.completion_tokens == 12


def test_hugging_faces_client_raises_its_validation_error(client: InferenceClient) -> None:
    with pytest.raises(ValidationError, match="`top_p` must be"):
        client.text_generation("안녕", top_p=1.5)
    with pytest.raises(ValidationError, match="`top_p` must be"):
        list(client.text_generation("안녕", top_p=1.5, stream=True))
    with pytest.raises(ValidationError, match="`top_p` must be"):
        list(client.chat_completion(**CHAT, top_p=1.5, stream=True))
    with pytest.raises(HfHubHTTPError, match="422"):
        client.chat_completion(**CHAT, top_p=1.5)


def test_hugging_faces_asynchronous_client_does_the_same(
    chat_server: ServerProcess, client: InferenceClient
) -> None:
    async def run() -> tuple[str, str, str, str]:
        own = AsyncInferenceClient(chat_server.url, timeout=300)
        text = await own.text_generation("안녕하세요", return_full_text=False, **ASKED)
        streamed = [part async for part in await own.text_generation("안녕하세요", stream=True, **ASKED)]
        whole = await own.chat_completion(**CHAT)
        parts = [part async for part in await own.chat_completion(**CHAT, stream=True)]
        return (
            text,
            "".join(streamed),
            whole.choices[0].message.content,
            "".join(part.choices[0].delta.content for part in parts),
        )

    text, streamed, whole, parts = asyncio.run(run())
    assert text == streamed == client.text_generation("안녕하세요", return_full_text=False, **ASKED)
    assert whole == parts == client.chat_completion(**CHAT).choices[0].message.content


@pytest.fixture(params=["tgi", "vllm"])
def openai_server(request: pytest.FixtureRequest) -> ServerProcess:
    return request.getfixturevalue({"tgi": "chat_server", "vllm": "vllm_server"}[request.param])


def test_a_name_that_is_no_models_is_an_error_of_vllm_and_answered_by_tgi(
    chat_server: ServerProcess, vllm_server: ServerProcess
) -> None:
    clients = [openai.OpenAI(base_url=f"{server.url}/v1", api_key="-", timeout=300, max_retries=0)
               for server in (chat_server, vllm_server)]  # fmt: skip
    with clients[0] as tgi, clients[1] as vllm:
        answer = tgi.chat.completions.create(model="an-endpoint", **CHAT)
        with pytest.raises(openai.NotFoundError, match="does not exist"):
            vllm.chat.completions.create(model="an-endpoint", **CHAT)
    assert (answer.model, bool(answer.choices[0].message.content)) == ("an-endpoint", True)


def test_openais_client_chats_and_completes(openai_server: ServerProcess) -> None:
    with openai.OpenAI(base_url=openai_server.url + "/v1", api_key="-", timeout=300, max_retries=0) as client:
        model = client.models.list().data[0].id
        whole = client.chat.completions.create(model=model, **CHAT)
        with client.chat.completions.create(
            model=model, **CHAT, stream=True, stream_options={"include_usage": True}
        ) as stream:
            parts = list(stream)
        completed = client.completions.create(model=model, prompt="안녕", max_tokens=5, temperature=0)
        with client.completions.create(
            model=model, prompt="안녕", max_tokens=5, temperature=0, stream=True
        ) as stream:
            completed_parts = "".join(part.choices[0].text for part in stream)
        with pytest.raises(openai.APIStatusError) as not_offered:
            client.chat.completions.create(model=model, response_format={"type": "json_object"}, **CHAT)
    # The library reads a message only from vLLM's shape, where `error` is an object.
    assert "`response_format` is not supported" in not_offered.value.response.text
    assert whole.choices[0].message.content
    assert whole.choices[0].finish_reason == "length"
    text = "".join(part.choices[0].delta.content for part in parts if part.choices)
    assert text == whole.choices[0].message.content
    assert parts[-1].usage == whole.usage
    assert completed_parts == completed.choices[0].text


def test_openais_asynchronous_client_chats(openai_server: ServerProcess) -> None:
    async def run() -> tuple[str, str]:
        async with openai.AsyncOpenAI(base_url=openai_server.url + "/v1", api_key="-", timeout=300) as client:
            model = (await client.models.list()).data[0].id
            whole = await client.chat.completions.create(model=model, **CHAT)
            stream = await client.chat.completions.create(model=model, **CHAT, stream=True)
            parts = [part async for part in stream]
        return whole.choices[0].message.content, "".join(part.choices[0].delta.content for part in parts)

    whole, parts = asyncio.run(run())
    assert whole == parts


@pytest.mark.parametrize("name", ["chat_server", "vllm_server"])
def test_curl_prints_events_as_they_come(request: pytest.FixtureRequest, name: str) -> None:
    server = request.getfixturevalue(name)
    body = json.dumps(chat(max_tokens=4, stream=True))
    command = ["curl", "-sN", "--fail", "-H", "content-type: application/json", "-d", "@-"]
    done = subprocess.run(
        [*command, server.url + "/invocations"],
        input=body, capture_output=True, text=True, encoding="utf-8", check=True, timeout=300,
    )  # fmt: skip
    *events, last, nothing = done.stdout.split("\n\n")
    assert (last, nothing) == ("data: [DONE]", "")
    texts = [json.loads(event.removeprefix("data: "))["choices"][0]["delta"]["content"] for event in events]
    assert len([text for text in texts if text]) == 4


def test_the_small_model_can_be_asked_to_judge_and_is_no_judge(chat_server: ServerProcess) -> None:
    """By the workshop's own judge: an answer comes, and no verdict can be read from it."""
    case = Case(id="1", kind="number", article="김민수 대표는 3억 원을 냈다.", question="얼마?", checks={})
    judge = openai_judge(f"{chat_server.url}/v1", "tgi")
    answer = judge(INSTRUCTIONS, question(case, "3억 원", "7억 원"))
    assert answer
    assert read_verdict(answer) == UNREADABLE
