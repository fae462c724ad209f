"""TEI's answers: lists of numbers, OpenAI's object, headers, tokens, errors.

Source: text-embeddings-inference 1.8.2, router/src/http/server.rs and router/src/lib.rs.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from serve.bodies import to_json
from serve.embedding import Embedded, Encoder
from serve.errors import RequestError
from serve.event_stream import COMPUTE_TYPE

if TYPE_CHECKING:
    import numpy as np

# The server's words for what failed before TEI's own code sees it.
_ERROR_TYPES = {"validation": "Validation", "internal": "Backend"}


def vectors_body(found: Sequence[Embedded]) -> bytes:
    """Return the list of `/embed`: a list of numbers for each text."""
    return b"[" + b",".join(_numbers(each.vector) for each in found) + b"]"


def openai_body(found: Sequence[Embedded], *, model: str, is_base64: bool) -> bytes:
    """Return the object of `/v1/embeddings`."""
    num_tokens = sum(each.num_tokens for each in found)
    data = b",".join(
        b'{"object":"embedding","embedding":%b,"index":%d}'
        % (_base64(each.vector) if is_base64 else _numbers(each.vector), index)
        for index, each in enumerate(found)
    )
    rest = {"model": model, "usage": {"prompt_tokens": num_tokens, "total_tokens": num_tokens}}
    return b'{"object":"list","data":[%b],%b' % (data, to_json(rest)[1:])


def answer_headers(found: Sequence[Embedded], total_s: float) -> dict[str, str]:
    """Return TEI's headers: sums of characters and tokens, means of the texts' times, in milliseconds."""

    def mean_ms(name: str) -> str:
        return str(int(sum(getattr(each, name) for each in found) / len(found) * 1000))

    total_ms = str(int(total_s * 1000))
    return {
        "x-compute-type": COMPUTE_TYPE,
        "x-compute-time": total_ms,
        "x-compute-characters": str(sum(each.num_characters for each in found)),
        "x-compute-tokens": str(sum(each.num_tokens for each in found)),
        "x-total-time": total_ms,
        "x-tokenization-time": mean_ms("tokenization_s"),
        "x-queue-time": mean_ms("queue_s"),
        "x-inference-time": mean_ms("inference_s"),
    }


def token_objects(encoder: Encoder, ids: list[int], *, with_ends: bool) -> list[dict[str, Any]]:
    """Return the tokens of a text, each with its piece; where it stands in the text is not said."""
    begin, end = encoder.with_ends([])
    shown = [begin, *ids, end] if with_ends else ids
    return [
        {"id": id_, "text": encoder.piece(id_), "special": id_ in (begin, end), "start": None, "stop": None}
        for id_ in shown
    ]


def error_body(error: RequestError) -> dict[str, Any]:
    return {"error": str(error), "error_type": _ERROR_TYPES.get(error.error_type, error.error_type)}


def openai_error_body(error: RequestError) -> dict[str, Any]:
    return {
        "message": str(error),
        "code": error.status,
        "type": _ERROR_TYPES.get(error.error_type, error.error_type),
    }


def _numbers(vector: np.ndarray) -> bytes:
    """Return a list of numbers; nine digits are what a float32 is read back from."""
    return b"[" + ",".join(map("%.9g".__mod__, vector.tolist())).encode("ascii") + b"]"


def _base64(vector: np.ndarray) -> bytes:
    return b'"' + base64.b64encode(vector.astype("<f4").tobytes()) + b'"'
