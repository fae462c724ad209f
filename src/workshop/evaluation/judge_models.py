"""Who is asked to judge: a server that speaks OpenAI's API, or a model on Amazon Bedrock."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from workshop.errors import WorkshopError

if TYPE_CHECKING:
    from workshop.aws.session import Aws

KEY_VARIABLE = "OPENAI_API_KEY"
"""Read when a server is asked, and shown nowhere; servers of your own mostly want none."""

MAX_ANSWER_TOKENS = 400
TIMEOUT_S = 60
_SETTINGS = 'judge_url and judge_model in workshop.yaml (judge_model: "" is off)'

AskJudge = Callable[[str, str], str]
"""Instructions and a question -> the answer."""


def judge_model(aws: Aws) -> tuple[str, AskJudge]:
    """Return where the judge of the settings is and how it is asked; nothing is sent yet.

    With judge_url it is that server's model, else Bedrock's; without judge_model it is none, and never asked.
    """
    settings = aws.settings
    if settings.judge_url:
        return urlsplit(settings.judge_url).netloc, openai_judge(settings.judge_url, settings.judge_model)
    return f"bedrock {aws.region}", _bedrock_judge(aws, settings.judge_model)


def openai_judge(url: str, model: str) -> AskJudge:
    """Return a judge behind any server with /chat/completions below an address that mostly ends in /v1.

    Models of OpenAI's that think first refuse max_tokens and temperature (UKGovernmentBEIS/inspect_ai, pull
    request 3259), and servers of one's own do not know max_completion_tokens: after a 400 it is asked bare.
    """
    from functools import cache

    @cache
    def client() -> Any:
        from openai import OpenAI

        return OpenAI(base_url=url, api_key=os.environ.get(KEY_VARIABLE) or "none", timeout=TIMEOUT_S)

    def ask(instructions: str, question: str) -> str:
        from openai import BadRequestError, OpenAIError

        messages = [{"role": "system", "content": instructions}, {"role": "user", "content": question}]
        asked = {"model": model, "messages": messages}
        try:
            try:
                answer = client().chat.completions.create(
                    **asked, temperature=0, max_tokens=MAX_ANSWER_TOKENS
                )
            except BadRequestError:
                answer = client().chat.completions.create(**asked)
        except OpenAIError as problem:
            cause = f" ({problem.__cause__})" if problem.__cause__ else ""
            raise _error(
                f"{urlsplit(url).netloc} does not judge: {problem}{cause}",
                f"an answer to /chat/completions with the model {model}",
                f"compare {_SETTINGS}; a key is read from the variable {KEY_VARIABLE}",
            ) from None
        return answer.choices[0].message.content or ""

    return ask


def _bedrock_judge(aws: Aws, model: str) -> AskJudge:
    """Return a judge on Bedrock.

    Source: Bedrock API reference, Converse ("requires permission for the bedrock:InvokeModel action").
    """

    def ask(instructions: str, question: str) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        asked = {"modelId": model, "system": [{"text": instructions}]}
        asked["messages"] = [{"role": "user", "content": [{"text": question}]}]
        try:
            answer = aws.client("bedrock-runtime").converse(
                **asked, inferenceConfig={"maxTokens": MAX_ANSWER_TOKENS, "temperature": 0.0}
            )
        except (BotoCoreError, ClientError) as problem:
            raise _error(
                f"Bedrock in {aws.region} does not judge: {problem}",
                f"access to the model {model}, and bedrock:InvokeModel on it (setup/README.md, LLM judge)",
                f"compare {_SETTINGS}; without Bedrock set judge_url",
            ) from None
        # A model that thinks aloud answers in several blocks, of which only some are text.
        return "".join(block.get("text", "") for block in answer["output"]["message"]["content"])

    return ask


def _error(found: str, expected: str, next_step: str) -> WorkshopError:
    return WorkshopError(found=" ".join(found.split())[:600], expected=expected, next_step=next_step)
