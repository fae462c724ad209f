"""A refusal says which limit refused and which variable sets it."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from workshop.inference import endpoint_error, response_error

TGI_TOTAL = (
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. "
    "Given: 1900 `inputs` tokens and 160 `max_new_tokens`"
)
TGI_INPUT = "Input validation error: `inputs` must have less than 1792 tokens. Given: 1900"
# Three versions of vLLM.
VLLM_TOTALS = (
    "This model's maximum context length is 2048 tokens. However, you requested 2060 tokens "
    "(1900 in the messages, 160 in the completion).",
    "'max_tokens' or 'max_completion_tokens' is too large: 160. This model's maximum context length is 2048 "
    "tokens and your request has 1900 input tokens (160 > 2048 - 1900).",
    "You passed 1900 input tokens and requested 160 output tokens. However, the model's context length is "
    "only 2048 tokens.",
)


def tgi(message: str, kind: str = "validation") -> str:
    return json.dumps({"error": message, "error_type": kind})


def openai(message: str) -> str:
    return json.dumps({"error": {"message": message, "type": "BadRequestError", "code": 400}})


@pytest.mark.parametrize(
    ("engine", "status", "told", "parts"),
    [
        ("tgi", 422, tgi(TGI_TOTAL),
         ["TGI answered 422", "MAX_TOTAL_TOKENS = 2048", "1900 + 160", "max_new_tokens to 148"]),
        ("tgi", 422, tgi(TGI_INPUT), ["MAX_INPUT_TOKENS = 1792", "1900 tokens", "shorten the article"]),
        ("tgi", None, tgi(TGI_TOTAL), ["ended the stream", "MAX_TOTAL_TOKENS = 2048"]),
        *(("vllm", 400, openai(told), ["SM_VLLM_MAX_MODEL_LEN = 2048"]) for told in VLLM_TOTALS),
        ("lmi", 400, openai(VLLM_TOTALS[0]), ["LMI answered 400", "OPTION_MAX_MODEL_LEN = 2048"]),
        ("tgi", 429, tgi("Model is overloaded", "overloaded"), ["MAX_CONCURRENT_REQUESTS"]),
        ("lmi", 503, '{"code": 503, "message": "no worker"}', ["no worker", "SERVING_JOB_QUEUE_SIZE"]),
        ("tgi", 422, tgi("`temperature` must be strictly positive"),
         ["`temperature`", "values in its ranges"]),
        ("tgi", 422, tgi("Template error: template not found", "template_error"), ["prompt_text(messages)"]),
        ("tgi", None, tgi("Input validation error: `inputs` cannot be empty"), ["values in its ranges"]),
        ("lmi", 424, '{"error": "Input validation error: `top_p` must be > 0.0 and < 1.0", "code": 424}',
         ["LMI answered 424", "`top_p`", "values in its ranges"]),
        ("vllm", 400, openai("Field required: messages"), ["Field required", "another engine"]),
        ("tgi", 424, tgi("Request failed during generation", "generation"), ["during generation", "log"]),
        ("tgi", 404, "", ["nothing", "/invocations"]),
        ("tgi", 500, "<html>" + "x" * 5000, ["<html>"]),
    ],
)  # fmt: skip
def test_the_limit_and_its_variable_are_named(
    engine: str, status: int | None, told: str, parts: list[str]
) -> None:
    error = response_error(engine, status, told)
    for part in parts:
        assert part in str(error)
    assert error.status == status
    assert len(str(error)) < 1000


@pytest.mark.parametrize(
    ("status", "told", "is_overload"),
    [
        (429, "", True),
        (503, "", True),
        (None, tgi("Model is overloaded", "overloaded"), True),
        (422, tgi(TGI_TOTAL), False),
        (None, tgi("no memory", "generation"), False),
        (500, "", False),
    ],
)
def test_only_want_of_room_may_be_asked_again(status: int | None, told: str, is_overload: bool) -> None:
    assert response_error("tgi", status, told).is_overload is is_overload


def test_an_endpoints_refusal_is_read_from_boto3s_error() -> None:
    response = {
        "Error": {"Code": "ModelError", "Message": "Received client error (422) from primary"},
        "OriginalStatusCode": 422,
        "OriginalMessage": tgi(TGI_TOTAL),
    }
    error = endpoint_error("tgi", ClientError(response, "InvokeEndpoint"))
    assert error.status == 422
    assert "MAX_TOTAL_TOKENS = 2048" in error.expected


def test_a_prompt_that_fills_the_context_is_not_told_to_ask_for_no_tokens() -> None:
    for num_prompt in (2048, 9002):
        told = (
            f"`inputs` tokens + `max_new_tokens` must be <= 2048. Given: {num_prompt} `inputs` tokens and 4"
        )
        error = response_error("tgi", 422, tgi(f"{told} `max_new_tokens`"))
        assert error.next_step == "shorten the article, or serve with a larger MAX_TOTAL_TOKENS"


def test_bytes_that_are_no_utf_8_are_shown() -> None:
    assert "�" in response_error("tgi", 500, b"\xff").found
