"""What we frame is what botocore reads."""

from __future__ import annotations

import json
import struct

import pytest
from botocore.eventstream import (
    ChecksumMismatch,
    EventStream,
    EventStreamBuffer,
    EventStreamError,
    InvalidHeadersLength,
)
from botocore.parsers import create_parser
from botocore.session import Session

from sandbox.hosting import event_stream

CHUNKS = [b"", b"x", "한글 🙂".encode(), bytes(range(256)), b"y" * 100_000]


class Raw:
    """What botocore takes for a response: its bytes, in pieces."""

    def __init__(self, content: bytes, piece_bytes: int) -> None:
        self._pieces = [content[at : at + piece_bytes] for at in range(0, len(content), piece_bytes)]

    def stream(self):
        return iter(self._pieces)


def read(content: bytes, piece_bytes: int = 7) -> EventStream:
    model = Session().get_service_model("sagemaker-runtime")
    shape = model.shape_for("ResponseStream")
    parser = create_parser("rest-json")._event_stream_parser
    return EventStream(Raw(content, piece_bytes), shape, parser, "InvokeEndpointWithResponseStream")


@pytest.mark.parametrize("piece_bytes", [1, 7, 1 << 20])
def test_botocore_reads_every_payload_part_back(piece_bytes: int) -> None:
    chunks = CHUNKS if piece_bytes > 1 else CHUNKS[:4]
    content = b"".join(event_stream.payload_part(chunk) for chunk in chunks)
    assert [event["PayloadPart"]["Bytes"] for event in read(content, piece_bytes)] == chunks


def test_botocore_raises_an_exception_event_with_its_code_and_text() -> None:
    error = event_stream.exception("ModelStreamError", "끊겼습니다 · broken", ErrorCode="StreamBroken")
    events = iter(read(event_stream.payload_part(b"first") + error))
    assert next(events) == {"PayloadPart": {"Bytes": b"first"}}
    with pytest.raises(EventStreamError) as raised:
        next(events)
    assert raised.value.response["Error"] == {"Code": "ModelStreamError", "Message": "끊겼습니다 · broken"}
    # botocore keeps no more than that; other SDKs read the code from the payload
    buffer = EventStreamBuffer()
    buffer.add_data(error)
    (message,) = list(buffer)
    assert message.headers[":message-type"] == "exception"
    assert json.loads(message.payload)["ErrorCode"] == "StreamBroken"


def test_the_headers_are_those_of_the_protocol() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(event_stream.payload_part(b"x"))
    (message,) = list(buffer)
    assert message.headers == {
        ":message-type": "event",
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
    }


@pytest.mark.parametrize("at", range(0, 16, 3))
def test_a_changed_byte_is_noticed(at: int) -> None:
    """The checksums are really those of the content: botocore compares them with its own."""
    content = bytearray(event_stream.payload_part(b"payload"))
    content[at] ^= 1
    buffer = EventStreamBuffer()
    buffer.add_data(bytes(content) + bytes(struct.unpack(">I", content[:4])[0] % 100_000))
    with pytest.raises((ChecksumMismatch, InvalidHeadersLength)):
        list(buffer)
