"""Messages and prompts of OpenAI's bodies, turned into the text or the ids that the model reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serve.bodies import typed
from serve.body_fields import Table, read
from serve.chat_template import ChatTemplate
from serve.errors import RequestError, invalid
from serve.request import GenerateRequest

# Type of a part of a message -> the field that holds its text, in vLLM; TGI has the first alone.
TEXT_PARTS = {
    "text": "text",
    "input_text": "text",
    "output_text": "text",
    "refusal": "refusal",
    "thinking": "thinking",
}


def read_messages(messages: list, table: Table, *, separator: str, lax: bool) -> list[dict[str, Any]]:
    """Return messages whose contents are texts.

    Args:
        messages: From JSON.
        table: Fields of a message.
        separator: Between the text parts of one message.
        lax: As vLLM takes them: without content, or with parts that are plain texts or of other types.

    Raises:
        RequestError: 422, naming the message and its field.
    """
    found = []
    for number, message in enumerate(messages):
        place = f"messages[{number}]"
        given = read(typed(place, message, "map"), table, place=f"{place}.", lax=lax)
        for name in ("role",) if lax else ("role", "content"):
            if name not in given:
                raise RequestError(422, "validation", f"{place}: missing field `{name}`")
        content = _content(f"{place}.content", given.get("content"), separator, lax)
        others = {name: item for name, item in given.items() if item is not None}
        found.append(others | {"content": content})
    return found


def _content(place: str, content: Any, separator: str, lax: bool) -> str:
    if content is None and lax:
        return ""
    if isinstance(content, list):
        parts = [_part(f"{place}[{number}]", part, lax) for number, part in enumerate(content)]
        content = separator.join(parts)
    return typed(place, content, "string")


def _part(place: str, part: Any, lax: bool) -> str:
    if isinstance(part, str) and lax:
        return part
    kind = typed(place, part, "map").get("type")
    field = TEXT_PARTS.get(str(kind)) if lax or kind == "text" else None
    if field is None:
        raise invalid(f"`{place}` of the type {str(kind)[:60]!r} is not supported: send text")
    return typed(f"{place}.{field}", part.get(field), "string")


def chat_prompt(
    messages: list[dict[str, Any]], given: Mapping[str, Any], template: ChatTemplate
) -> dict[str, Any]:
    """Return a chat's prompt as vLLM renders it.

    Args:
        messages: Whose contents are texts.
        given: Fields of the body.

    Returns:
        Fields of a GenerateRequest.

    Raises:
        RequestError: 422 template_error.
    """
    variables = dict(given.get("chat_template_kwargs") or {})
    if given.get("documents") is not None:
        variables["documents"] = given["documents"]
    if (effort := given.get("reasoning_effort")) is not None:
        variables = {"enable_thinking": effort != "none"} | variables | {"reasoning_effort": effort}
    if given.get("continue_final_message"):
        text = template.render_continued(messages, variables)
    else:
        is_asked = given.get("add_generation_prompt", True)
        text = template.render(messages, add_generation_prompt=is_asked, variables=variables)
    return {"inputs": text, "is_rendered": not given.get("add_special_tokens", False)}


def completion_prompts(given: Mapping[str, Any], *, is_tgi: bool) -> list[dict[str, Any]]:
    """Return a completion's prompts: texts, in vLLM also token ids.

    Args:
        given: Fields of the body.

    Returns:
        Fields of a GenerateRequest for each prompt.

    Raises:
        RequestError: 422: another type, or none.
    """
    prompt = given["prompt"]
    is_single = not isinstance(prompt, list) or (
        not is_tgi and bool(prompt) and isinstance(prompt[0], int) and not isinstance(prompt[0], bool)
    )
    if prompt == []:
        message = "prompt: Empty array detected. Do not use an empty array for the prompt."
        raise RequestError(422, "validation", message)
    return [_completion_prompt(each, given, is_tgi) for each in ([prompt] if is_single else prompt)]


def _completion_prompt(prompt: Any, given: Mapping[str, Any], is_tgi: bool) -> dict[str, Any]:
    if isinstance(prompt, list) and not is_tgi:
        return {"inputs": "", "ids": tuple(typed("prompt", prompt, "integers"))}
    is_rendered = not given.get("add_special_tokens", True)
    return {"inputs": typed("prompt", prompt, "string"), "is_rendered": is_rendered}


def echo(
    given: Mapping[str, Any], messages: list[dict[str, Any]], requests: Sequence[GenerateRequest]
) -> str:
    """Return what vLLM's `echo` puts before the answer: the prompt, or the last message of who answers."""
    if not given.get("echo"):
        return ""
    if not messages:
        if any(request.ids is not None for request in requests):
            raise invalid("`echo` of a prompt of token ids is not supported by this server: send text")
        return requests[0].inputs
    role = "assistant" if given.get("add_generation_prompt", True) else messages[-1]["role"]
    return messages[-1]["content"] if messages[-1]["role"] == role else ""
