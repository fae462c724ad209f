"""AWS's event stream framing (application/vnd.amazon.eventstream), written by hand: botocore only reads it.

Source: Smithy specification, "Amazon Event Stream": total length, header length, CRC-32 of those two,
headers, payload, CRC-32 of everything before; numbers are big-endian, a string header is type 7.
"""

from __future__ import annotations

import json
import struct
from zlib import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7
_PRELUDE_AND_CRC_BYTES = 12
_CRC_BYTES = 4


def payload_part(chunk: bytes) -> bytes:
    """Return the event that carries a piece of the container's answer."""
    headers = {
        ":message-type": "event",
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
    }
    return encode(headers, chunk)


def exception(name: str, message: str, **members: str) -> bytes:
    """Return the event that ends a stream with an error, for example ModelStreamError.

    Args:
        name: One of the exceptions of ResponseStream.
        message: Text of the error.
        members: More members of it, for example ErrorCode.
    """
    headers = {":message-type": "exception", ":exception-type": name, ":content-type": "application/json"}
    return encode(headers, json.dumps({"Message": message, **members}).encode())


def encode(headers: dict[str, str], payload: bytes) -> bytes:
    """Return one message of the framing; header values are strings."""
    encoded = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    total_bytes = _PRELUDE_AND_CRC_BYTES + len(encoded) + len(payload) + _CRC_BYTES
    prelude = struct.pack(">II", total_bytes, len(encoded))
    message = b"".join((prelude, struct.pack(">I", crc32(prelude)), encoded, payload))
    return message + struct.pack(">I", crc32(message))


def _header(name: bytes, value: bytes) -> bytes:
    return struct.pack(">B", len(name)) + name + struct.pack(">BH", _STRING, len(value)) + value
