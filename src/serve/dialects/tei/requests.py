"""TEI's bodies: their fields, and what they ask for.

Source: text-embeddings-inference 1.8.2, router/src/http/types.rs.
"""

from __future__ import annotations

from typing import Any

from serve.bodies import DESERIALIZE, missing_field, wrong_type
from serve.body_fields import Table, done, ignored, read, refused
from serve.embedding import Wanted
from serve.errors import RequestError

_NO_PROMPTS = "the model has no prompts of its own: put `query: ` or `passage: ` before each text"

EMBED: Table = {
    "inputs": done("any", "a text, or a list of texts"),
    "truncate": done("bool?", "cut what has more than 512 tokens; unset: AUTO_TRUNCATE"),
    "truncation_direction": done("string", "Right keeps the beginning, Left the end"),
    "prompt_name": refused("string?", _NO_PROMPTS),
    "normalize": done("bool", "to length 1, unless it is false"),
    "dimensions": done("u64?", "the first so many of a vector"),
}
OPENAI: Table = {
    "input": done("any", "a text, or a list of texts"),
    "model": ignored("string?", "there is one model"),
    "user": ignored("string?", "TEI does not use it"),
    "encoding_format": done("string", "float; or base64, of little-endian float32"),
    "dimensions": done("u64?", "the first so many of a vector"),
}
TOKENIZE: Table = {
    "inputs": done("any", "a text, or a list of texts"),
    "add_special_tokens": done("bool", "with those of begin and end, unless it is false"),
    "prompt_name": refused("string?", _NO_PROMPTS),
}
# Title -> fields, as the page of this dialect shows them.
TABLES = {"`/embed`, `/invocations`": EMBED, "`/v1/embeddings`": OPENAI, "`/tokenize`": TOKENIZE}


def parse(value: Any, table: Table, *, of: str = "inputs") -> tuple[list[str], bool, dict[str, Any]]:
    """Return the texts of a body, whether they were a list, and its other fields.

    Args:
        value: From JSON.
        table: Its fields.
        of: The field that has the texts.

    Raises:
        RequestError: 422 when a type is wrong, a field is missing, or a value is not offered.
    """
    if not isinstance(value, dict):
        raise wrong_type("", value, "struct EmbedRequest")
    body = read(value, table)
    if of not in body:
        raise missing_field([of])
    given = body.pop(of)
    texts = given if isinstance(given, list) else [given]
    if any(isinstance(each, int | list) for each in texts):
        raise RequestError(
            422, "Validation", f"{DESERIALIZE}{of}: token ids are not supported by this server: send texts"
        )
    if not all(isinstance(each, str) for each in texts):
        raise wrong_type(of, given, "a string or a sequence of strings")
    return texts, isinstance(given, list), body


def wanted_of(body: dict[str, Any]) -> Wanted:
    """Return what a body of EMBED or OPENAI asks for.

    Raises:
        RequestError: 422, a direction that TEI does not know.
    """
    direction = body.get("truncation_direction", "Right")
    if direction not in ("Left", "Right"):
        message = f"truncation_direction: unknown variant `{direction}`, expected `Left` or `Right`"
        raise RequestError(422, "Validation", DESERIALIZE + message)
    return Wanted(
        truncate=body.get("truncate"),
        keeps_end=direction == "Left",
        normalize=body.get("normalize", True),
        num_dimensions=body.get("dimensions"),
    )


def is_base64(body: dict[str, Any]) -> bool:
    """Tell whether vectors are to be sent as base64.

    Raises:
        RequestError: 422, a format that TEI does not know.
    """
    form = body.get("encoding_format", "float")
    if form not in ("float", "base64"):
        message = f"encoding_format: unknown variant `{form}`, expected `float` or `base64`"
        raise RequestError(422, "Validation", DESERIALIZE + message)
    return form == "base64"
