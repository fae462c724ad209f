"""TGI, LMI and vLLM behind endpoints: their images, boto3's calls, and the reading that notebooks do."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest
from botocore.exceptions import ClientError
from sagemaker.core.token_generator import generate_token
from tests.serve.server_process import BASE, TEMPLATE

from workshop.aws.errors import explained
from workshop.errors import WorkshopError
from workshop.inference import (
    DIALECTS,
    Answer,
    AnswerStream,
    InferenceError,
    endpoint_error,
    prompt_text,
)
from workshop.prompt import chat_messages
from workshop.serving.engines import serving_image
from workshop.serving.plan import serving_plan
from workshop.settings import load_settings

from ..conftest import works_in

BUCKET = "test-dialects"
MESSAGES = chat_messages("서울시는 12일 새 공원을 열었다. 시민을 위한 곳이라고 했다.")
PROMPTS = {"text": prompt_text(MESSAGES), "chat": MESSAGES}
# Of more than 2,048 tokens; of an answer TGI counts 1,024 at most, whatever is asked for.
TOO_LONG = {
    "text": prompt_text(MESSAGES) * 60,
    "chat": [message | {"content": message["content"] * 60} for message in MESSAGES],
}
NUM_TOKENS = 8
MANY_TOKENS = 1900
"""Of a model without an end token: seconds of work, and within the plan's limit beside a short prompt."""

OWN_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ message.role }}> {{ message.content }}\n{% endfor %}답>"
)
OWN_MESSAGES = [{"role": "user", "content": "날씨를 한 줄로."}]
OWN_TEXT = "user> 날씨를 한 줄로.\n답>"
REFUSED_WITH = {"tgi": 422, "lmi": 424, "vllm": 400}
LIMITS = {"tgi": "MAX_TOTAL_TOKENS", "lmi": "OPTION_MAX_MODEL_LEN", "vllm": "SM_VLLM_MAX_MODEL_LEN"}


class Endpoint:
    """An endpoint of one engine, called as a notebook calls it.

    Args:
        hosting: The fixture of that name.
        engine: "tgi", "lmi" or "vllm".
        name: EndpointName.
    """

    def __init__(self, hosting: Any, engine: str, name: str) -> None:
        self.hosting, self.engine, self.name = hosting, engine, name
        self.dialect = DIALECTS[engine]

    def invoke(self, body: bytes | str) -> dict[str, Any]:
        return self.hosting.runtime.invoke_endpoint(
            EndpointName=self.name, ContentType="application/json", Body=body
        )

    def invoke_streaming(self, body: bytes | str) -> dict[str, Any]:
        return self.hosting.runtime.invoke_endpoint_with_response_stream(
            EndpointName=self.name, ContentType="application/json", Body=body
        )

    def answer(self, prompt: Any, **parameters: Any) -> Answer:
        response = self.invoke(self.dialect.body(prompt, **parameters))
        headers = response["ResponseMetadata"]["HTTPHeaders"]
        return self.dialect.answer(response["Body"].read(), headers)

    def stream(self, prompt: Any, **parameters: Any) -> AnswerStream:
        response = self.invoke_streaming(self.dialect.body(prompt, stream=True, **parameters))
        return self.dialect.stream(response["Body"])

    def servers(self) -> list[psutil.Process]:
        """Return the processes of its server."""
        (folder,) = self.hosting.sandbox.home.glob(f"endpoints/us-east-1/{self.name}/**/i-*/")
        found = [each for each in self.hosting.sandbox.processes() if each.name() == "serve"]
        return [each for each in found if works_in(each, folder)]


@pytest.fixture(scope="module")
def models(hosting: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two models, in S3 too: one as training leaves it, one without an end and with a template of its own."""
    folder = tmp_path_factory.mktemp("models")
    trained = Path(shutil.copytree(BASE, folder / "trained"))
    shutil.copy(TEMPLATE, trained / "chat_template.jinja")
    endless = Path(shutil.copytree(BASE, folder / "endless"))
    (endless / "chat_template.jinja").write_text(OWN_TEMPLATE, encoding="utf-8")
    (endless / "generation_config.json").write_text(json.dumps({"eos_token_id": []}), encoding="utf-8")
    s3 = hosting.sandbox.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for path in filter(Path.is_file, folder.rglob("*")):
        s3.upload_file(str(path), BUCKET, path.relative_to(folder).as_posix())
    return {"trained": trained, "endless": endless}


@pytest.fixture(scope="module")
def deploy(hosting: Any, models: dict[str, Path]) -> Callable[..., Endpoint]:
    """A function that brings up an engine's endpoint with the image and environment planned for it."""

    def deploy_one(engine: str, model: str, **environment: str) -> Endpoint:
        given = {"WORKSHOP_HOME": str(hosting.sandbox.home.parent), "WORKSHOP_SERVING_ENGINE": engine}
        settings = load_settings(environ=given)
        plan = serving_plan(settings, models[model])
        source = {
            "S3Uri": f"s3://{BUCKET}/{model}/",
            "S3DataType": "S3Prefix",
            "CompressionType": "None",
        }
        image = serving_image(engine, region=settings.region, instance_type=settings.endpoint_instance_type)
        assert plan.image == image
        name = hosting.deploy(
            container={"Image": image, "ModelDataSource": {"S3DataSource": source}},
            environment={**plan.environment, **environment},
            variants=(
                {
                    "InstanceType": settings.endpoint_instance_type,
                    "InferenceAmiVersion": plan.ami_version,
                },
            ),
        )
        return Endpoint(hosting, engine, name)

    return deploy_one


@pytest.fixture(scope="module")
def endpoints(hosting: Any, deploy: Callable[..., Endpoint]) -> Iterator[dict[str, Endpoint]]:
    """An endpoint of every engine, all on the trained model."""
    running = {engine: deploy(engine, "trained") for engine in DIALECTS}
    yield running
    for endpoint in running.values():
        hosting.delete(endpoint.name)


@pytest.fixture(params=DIALECTS)
def endpoint(request: pytest.FixtureRequest, endpoints: dict[str, Endpoint]) -> Endpoint:
    return endpoints[request.param]


@pytest.fixture(scope="module", params=DIALECTS)
def endless(
    request: pytest.FixtureRequest, hosting: Any, deploy: Callable[..., Endpoint]
) -> Iterator[Endpoint]:
    """An endpoint of a model whose answers are as long as was asked for, and which has another template."""
    running = deploy(request.param, "endless")
    yield running
    hosting.delete(running.name)


def test_every_engine_gives_the_same_greedy_answer(endpoints: dict[str, Endpoint]) -> None:
    """To text and to chat, whole and streamed."""
    texts = set()
    for endpoint in endpoints.values():
        for prompt in PROMPTS.values():
            whole = endpoint.answer(prompt, max_new_tokens=NUM_TOKENS)
            stream = endpoint.stream(prompt, max_new_tokens=NUM_TOKENS)
            texts |= {whole.text, "".join(piece.text for piece in stream).strip(), stream.answer.text}
    assert len(texts) == 1, texts
    assert texts != {""}


@pytest.fixture
def openai_client(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[openai.OpenAI]:
    """OpenAI's client of an engine's endpoint."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "sample")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sample")
    url = f"{endpoint.hosting.runtime.meta.endpoint_url}/endpoints/{endpoint.name}/openai/v1"
    token = generate_token(region="us-east-1")
    with openai.OpenAI(base_url=url, api_key=token, max_retries=0, timeout=300) as client:
        yield client


def test_openais_client_gets_boto3s_answer(endpoint: Endpoint, openai_client: openai.OpenAI) -> None:
    asked = {"model": "", "messages": MESSAGES, "max_tokens": NUM_TOKENS, "temperature": 0}
    text = endpoint.answer(MESSAGES, max_new_tokens=NUM_TOKENS).text
    whole = openai_client.chat.completions.create(**asked)
    assert whole.choices[0].message.content.strip() == text
    assert whole.usage.completion_tokens == NUM_TOKENS
    chunks = list(openai_client.chat.completions.create(**asked, stream=True))
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks).strip()
    assert streamed == text


def test_what_a_container_refuses_openais_client_comes_with_what_to_do(
    endpoint: Endpoint, openai_client: openai.OpenAI
) -> None:
    engine = endpoint.engine
    with (
        pytest.raises(InferenceError, match=rf"answered {REFUSED_WITH[engine]}: ") as raised,
        explained(engine),
    ):
        openai_client.chat.completions.create(model="", messages=MESSAGES, temperature=-1)
    assert raised.value.expected.startswith("a body in ")
    with (
        pytest.raises(WorkshopError, match=r"was refused \(403 access_denied\)") as raised,
        explained(engine),
    ):
        openai_client.with_options(api_key="sk-1").chat.completions.create(model="", messages=MESSAGES)
    assert "run the cell that makes the client again" in raised.value.next_step


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_numbers_and_reason_come_through_boto3(endpoint: Endpoint, prompt: Any) -> None:
    whole = endpoint.answer(prompt, max_new_tokens=NUM_TOKENS)
    stream = endpoint.stream(prompt, max_new_tokens=NUM_TOKENS)
    assert whole.num_generated_tokens == stream.answer.num_generated_tokens == NUM_TOKENS
    assert whole.finish_reason == stream.answer.finish_reason == "length"
    assert 1 < len(stream.token_times_s) <= NUM_TOKENS


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_content_types_are_the_engines_own(endpoint: Endpoint, prompt: Any) -> None:
    whole = endpoint.invoke(endpoint.dialect.body(prompt, max_new_tokens=1))
    assert whole["ContentType"] == "application/json"
    response = endpoint.invoke_streaming(endpoint.dialect.body(prompt, stream=True, max_new_tokens=2))
    is_sse = endpoint.engine != "lmi" or not isinstance(prompt, str)
    expected = "text/event-stream" if is_sse else "application/jsonlines"
    assert response["ContentType"].split(";")[0] == expected
    content = b"".join(event["PayloadPart"]["Bytes"] for event in response["Body"])
    lines = [line for line in content.splitlines() if line]
    assert {line.startswith(b"data:") for line in lines} == {is_sse}
    # TGI marks the end of its own stream by nothing but the last event.
    has_mark = is_sse and not (endpoint.engine == "tgi" and isinstance(prompt, str))
    assert (lines[-1] == b"data: [DONE]") == has_mark


def test_whole_answers_have_the_engines_own_form(endpoint: Endpoint) -> None:
    body = endpoint.dialect.body(PROMPTS["text"], max_new_tokens=1)
    content = json.loads(endpoint.invoke(body)["Body"].read())
    if endpoint.engine == "tgi":
        assert [sorted(each) for each in content] == [["details", "generated_text"]]
    elif endpoint.engine == "lmi":
        assert sorted(content) == ["details", "generated_text"]
    else:
        assert content["object"] == "text_completion"
        assert content["id"].startswith("cmpl-")


def test_vllm_refuses_the_body_of_the_others(endpoints: dict[str, Endpoint]) -> None:
    with pytest.raises(ClientError) as raised:
        endpoints["vllm"].invoke(DIALECTS["tgi"].body("가나다"))
    error = endpoint_error("vllm", raised.value)
    assert "vLLM answered 400: Cannot find suitable handler" in error.found
    assert "another engine is serving" in error.next_step


@pytest.mark.parametrize("prompt", TOO_LONG.values(), ids=TOO_LONG)
@pytest.mark.parametrize(
    ("engine", "is_stream"),
    [("tgi", False), ("lmi", False), ("lmi", True), ("vllm", False), ("vllm", True)],
)
def test_too_many_tokens_name_engine_and_limit(
    endpoints: dict[str, Endpoint], engine: str, is_stream: bool, prompt: Any
) -> None:
    endpoint = endpoints[engine]
    body = endpoint.dialect.body(prompt, stream=is_stream, max_new_tokens=NUM_TOKENS)
    with pytest.raises(endpoint.hosting.runtime.exceptions.ModelError) as raised:
        (endpoint.invoke_streaming if is_stream else endpoint.invoke)(body)
    response, status = raised.value.response, REFUSED_WITH[engine]
    assert response["OriginalStatusCode"] == status
    reported = json.loads(response["OriginalMessage"])
    inner = reported["error"] if engine == "vllm" else reported
    message = inner["message" if engine == "vllm" else "error"]
    own = {"tgi": ("error_type", "validation"), "lmi": ("code", 424), "vllm": ("type", "BadRequestError")}
    assert own[engine] in inner.items()
    error = endpoint_error(engine, raised.value)
    title, limit = endpoint.dialect.title.removesuffix(" (DJL Serving)"), LIMITS[engine]
    assert error.found == f"{title} answered {status}: {message}"
    assert error.expected.startswith(f"prompt and answer within {limit} = 2048")
    assert error.next_step.endswith(f"or serve with a larger {limit}")
    assert error.status == status


@pytest.mark.parametrize("prompt", TOO_LONG.values(), ids=TOO_LONG)
def test_tgi_refuses_a_stream_in_the_stream(endpoints: dict[str, Endpoint], prompt: Any) -> None:
    stream = endpoints["tgi"].stream(prompt, max_new_tokens=NUM_TOKENS)
    with pytest.raises(InferenceError, match=r"TGI ended the stream with an error: .*<= 2048") as refused:
        list(stream)
    assert refused.value.expected.startswith("prompt and answer within MAX_TOTAL_TOKENS = 2048")


@pytest.mark.parametrize("engine", DIALECTS)
def test_the_servers_time_limit_is_an_event_that_the_client_names(
    hosting: Any, deploy: Callable[..., Endpoint], engine: str
) -> None:
    slow = deploy(engine, "endless", SERVE_REQUEST_TIMEOUT_S="1")
    for prompt in (OWN_TEXT, OWN_MESSAGES):
        body = json.loads(slow.dialect.body(prompt, stream=True, max_new_tokens=MANY_TOKENS))
        if engine == "tgi":  # which ends after 1,024 tokens, unless it may have the rest of the context
            del body.get("parameters", body)["max_new_tokens" if prompt is OWN_TEXT else "max_tokens"]
        response = slow.invoke_streaming(json.dumps(body))
        with pytest.raises(InferenceError, match=r"ended the stream with an error: .*longer than 1 s"):
            list(slow.dialect.stream(response["Body"]))
    hosting.delete(slow.name)


def test_chat_is_rendered_by_the_template_in_s3(endless: Endpoint) -> None:
    text = endless.answer(OWN_TEXT, max_new_tokens=NUM_TOKENS).text
    assert endless.answer(OWN_MESSAGES, max_new_tokens=NUM_TOKENS).text == text
    assert endless.stream(OWN_MESSAGES, max_new_tokens=NUM_TOKENS).answer.text == text


def test_a_server_that_dies_in_the_middle_is_a_stream_error_that_the_client_names(endless: Endpoint) -> None:
    servers = endless.servers()
    stream = endless.stream(OWN_TEXT, max_new_tokens=MANY_TOKENS)
    pieces = iter(stream)
    next(pieces)
    for server in servers:
        with contextlib.suppress(psutil.NoSuchProcess):  # the end of one of them is the end of the other
            server.kill()
    with pytest.raises(InferenceError, match=r"ModelStreamError: .*closed the connection before") as raised:
        list(pieces)
    assert "the endpoint's log says more" in raised.value.next_step
