"""What a server's error response means, and what to do: which limit, and the variable that sets it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from workshop.inference.answers import InferenceError
from workshop.serving.engines import ENGINES, Limit

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_NO_TEMPLATE = re.compile(r"template not found|chat template", re.IGNORECASE)
# TGI's words for every value that it refuses, in a stream too, where there is no status.
_INVALID = "Input validation error"
_OVERLOADED = re.compile(r"overloaded|out of capacity|queue is full", re.IGNORECASE)
_MAX_SHOWN_CHARS = 400


def response_error(engine: str, status: int | None, body: str | bytes) -> InferenceError:
    """Return the error for what a server answered in place of tokens.

    Args:
        engine: A name of ENGINES.
        status: HTTP status; None inside a stream, whose status was 200.
        body: Body, or the event's JSON.
    """
    message, kind = _message(body)
    title = ENGINES[engine].short_title
    where = f"{title} answered {status}" if status else f"{title} ended the stream with an error"
    expected, next_step = _advice(engine, status, message, kind)
    is_overload = status in (429, 503) or bool(_OVERLOADED.search(message)) or kind == "overloaded"
    return InferenceError(
        found=f"{where}: {message[:_MAX_SHOWN_CHARS] or 'nothing'}",
        expected=expected,
        next_step=next_step,
        status=status,
        is_overload=is_overload,
        is_too_long=any(_beyond(limit, message) for limit in ("total", "input")),
    )


def endpoint_error(engine: str, error: ClientError) -> InferenceError:
    """Return the error for what a container behind an endpoint answered, as boto3 reports it.

    Args:
        engine: A name of ENGINES.
        error: ModelError of invoke_endpoint.
    """
    response = error.response
    body = response.get("OriginalMessage") or response.get("Error", {}).get("Message", "")
    return response_error(engine, response.get("OriginalStatusCode"), body)


def _advice(engine: str, status: int | None, message: str, kind: str) -> tuple[str, str]:
    """Return what was expected, and what to do next."""
    if match := _beyond("total", message):
        name, limit = ENGINES[engine].variable_of("total"), int(match["limit"])
        asked = match.groupdict()
        if "new" not in asked:
            return (
                f"prompt and answer within {name} = {limit} tokens",
                f"lower max_new_tokens, shorten the article, or serve with a larger {name}",
            )
        num_prompt, num_new = int(asked["prompt"]), int(asked["new"])
        num_left = limit - num_prompt
        lower = f"lower max_new_tokens to {num_left} or less, " if num_left > 0 else ""
        return (
            f"prompt and answer within {name} = {limit}; here {num_prompt} + {num_new} tokens",
            f"{lower}shorten the article, or serve with a larger {name}",
        )
    if match := _beyond("input", message):
        name = ENGINES[engine].variable_of("input")
        return (
            f"a prompt within {name} = {match['limit']}; here {match['prompt']} tokens",
            f"shorten the article, or serve with a larger {name}",
        )
    if status in (429, 503) or kind == "overloaded" or _OVERLOADED.search(message):
        name = ENGINES[engine].variable_of("requests")
        return (
            "a server that is ready and has room",
            f"send fewer requests at once, wait a moment, or serve with a larger {name}",
        )
    if _NO_TEMPLATE.search(message):
        return (
            "a model folder with chat_template.jinja, which chat messages are rendered by",
            "send the prompt as text, prompt_text(messages); or serve the folder that training has left",
        )
    if status in (400, 422) or message.startswith(_INVALID):
        return (
            f"a body in {ENGINES[engine].short_title}'s form, with values in its ranges",
            "correct what it names; if it names every field, another engine is serving: compare "
            "serving_engine in workshop.yaml with the image",
        )
    if status == 404:
        return "a server with the route /invocations", "compare the address with the one of the server"
    return "an answer", "look at the server's log, whose last lines say more"


def _beyond(limit: Limit, message: str) -> re.Match[str] | None:
    """Find what is said beyond a limit, in any engine's words: LMI and `python -m serve` pass on others'."""
    patterns = (engine.over_limit[limit] for engine in ENGINES.values() if limit in engine.over_limit)
    return next((match for pattern in patterns if (match := pattern.search(message))), None)


def _message(body: str | bytes) -> tuple[str, str]:
    """Return the words of an error and its type, in whichever form: TGI's, OpenAI's, DJL's, or plain text."""
    text = body.decode("utf-8", errors="replace") if isinstance(body, bytes) else body
    try:
        content: Any = json.loads(text)
    except ValueError:
        return text.strip(), ""
    if not isinstance(content, dict):
        return text.strip(), ""
    inner = content.get("error")
    if isinstance(inner, dict):  # OpenAI's form
        content, inner = inner, None
    message = inner or content.get("message") or text
    return str(message).strip(), str(content.get("error_type") or content.get("type") or "")
