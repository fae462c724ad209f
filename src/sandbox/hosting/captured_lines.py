"""The form of what is captured: frames in the journal, lines in S3.

    {"captureData": {"endpointInput": {"observedContentType", "mode": "INPUT", "data", "encoding"},
                     "endpointOutput": {... "mode": "OUTPUT" ...}},
     "eventMetadata": {"eventId", "customAttributes"?, "inferenceId"?, "inferenceTime"}, "eventVersion": "0"}

A frame is what the line is made of, with the bodies as they came: to write 200 KB each way as text of JSON
takes 1 ms, which no answer has to wait for.

Sources: SageMaker Developer Guide, "Capture data from real-time endpoint" and "Preprocessing and
Postprocessing" (members; customAttributes is a list, since AWS's sample
amazon-sagemaker-data-quality-monitor-custom-preprocessing reads its first element). A line of AWS's is quoted
in github.com/aws/sagemaker-python-sdk/issues/2629.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

INPUT, OUTPUT = "INPUT", "OUTPUT"
_MEMBERS = {INPUT: "endpointInput", OUTPUT: "endpointOutput"}
# Ends of lines for whoever cuts a text by str.splitlines; JSON lets them stand in a string.
_LINE_ENDS = ("\u0085", "\u2028", "\u2029")

Part = tuple[str, str, str, int]
"""Mode, content type, encoding and number of bytes of a body."""


def frame(metadata: dict[str, Any], parts: Sequence[Part], blocks: Iterable[bytes]) -> list[bytes]:
    """Return what the journal keeps of an invocation, in pieces: bodies are not copied.

    Args:
        metadata: eventMetadata of its line.
        parts: The bodies that are captured.
        blocks: Their bytes, one body after the other.
    """
    head = json.dumps({"eventMetadata": metadata, "parts": parts}, separators=(",", ":"))
    return [head.encode(), b"\n", *blocks, b"\n"]


def lines_of(frames: bytes) -> Iterator[bytes]:
    """Yield the line of each frame; one that was cut off is left out: nobody got an answer to it."""
    position = 0
    while (end := frames.find(b"\n", position)) >= 0:
        head = json.loads(frames[position:end])
        position, bodies = end + 1, []
        for *_, num_bytes in head["parts"]:
            bodies.append(frames[position : position + num_bytes])
            position += num_bytes
        if frames[position : position + 1] != b"\n":
            return
        position += 1
        yield _line(head["eventMetadata"], head["parts"], bodies)


def _line(metadata: dict[str, Any], parts: list[Part], bodies: list[bytes]) -> bytes:
    members = {}
    for (mode, content_type, encoding, _), body in zip(parts, bodies, strict=True):
        data = None if encoding == "BASE64" else _text(body)
        if data is None:
            encoding, data = "BASE64", b64encode(body).decode()
        member = {"observedContentType": content_type, "mode": mode, "data": data, "encoding": encoding}
        members[_MEMBERS[mode]] = member
    line = {"captureData": members, "eventMetadata": metadata, "eventVersion": "0"}
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
    for end in _LINE_ENDS:
        text = text.replace(end, f"\\u{ord(end):04x}")
    return text.encode() + b"\n"


def _text(body: bytes) -> str | None:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None
