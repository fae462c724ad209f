"""Data capture: which invocations of an endpoint are written down, and the line that each becomes.

    {"captureData": {"endpointInput": {"observedContentType", "mode": "INPUT", "data", "encoding"},
                     "endpointOutput": {... "mode": "OUTPUT" ...}},
     "eventMetadata": {"eventId", "customAttributes"?, "inferenceId"?, "inferenceTime"}, "eventVersion": "0"}

Sources: SageMaker Developer Guide, "Capture data from real-time endpoint" (members, encodings) and
"Preprocessing and Postprocessing" (customAttributes; a list, since AWS's sample
amazon-sagemaker-data-quality-monitor-custom-preprocessing reads its first element); API reference,
DataCaptureConfig (base64 where no content type is listed) and InvokeEndpoint (InferenceId).
"""

from __future__ import annotations

import json
import random
import time
import uuid
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.api.errors import validation_error

INPUT, OUTPUT = "INPUT", "OUTPUT"
_MODES = {"Input": (INPUT,), "Output": (OUTPUT,), "InputAndOutput": (INPUT, OUTPUT)}
_MEMBERS = {INPUT: b'"endpointInput":', OUTPUT: b'"endpointOutput":'}
# Ends of lines for whoever cuts a text by str.splitlines; JSON lets them stand in a string.
_LINE_ENDS = ("\u0085", "\u2028", "\u2029")


@dataclass(frozen=True, kw_only=True)
class CaptureSettings:
    """A DataCaptureConfig.

    Attributes:
        is_enabled: Something is captured.
        percentage: Of the requests, 0 to 100.
        destination: S3 URI below which the objects are.
        modes: INPUT, OUTPUT or both.
        csv_types: Content types whose bodies are written as text with the encoding CSV.
        json_types: The same for JSON; all others are written in base64.
        kms_key_id: As given; nothing is encrypted with it.
    """

    is_enabled: bool
    percentage: int
    destination: str
    modes: frozenset[str]
    csv_types: frozenset[str]
    json_types: frozenset[str]
    kms_key_id: str

    def takes_next(self) -> bool:
        """Tell whether the next request is one of those that are captured."""
        return self.is_enabled and random.random() * 100 < self.percentage

    def encoding_of(self, content_type: str) -> str:
        """Return CSV, JSON or BASE64; what follows the type, such as a charset, does not count."""
        kind = content_type.partition(";")[0].strip().lower()
        if kind in self.csv_types:
            return "CSV"
        return "JSON" if kind in self.json_types else "BASE64"


def settings_of(config: dict[str, Any] | None) -> CaptureSettings | None:
    """Return what a DataCaptureConfig says, None without one."""
    if config is None:
        return None
    types = config.get("CaptureContentTypeHeader", {})
    return CaptureSettings(
        # Source: API reference: "defaults to enabled".
        is_enabled=config.get("EnableCapture", True),
        percentage=config["InitialSamplingPercentage"],
        destination=config["DestinationS3Uri"],
        modes=frozenset(mode for each in config["CaptureOptions"] for mode in _MODES[each["CaptureMode"]]),
        csv_types=frozenset(each.lower() for each in types.get("CsvContentTypes", ())),
        json_types=frozenset(each.lower() for each in types.get("JsonContentTypes", ())),
        kms_key_id=config.get("KmsKeyId", ""),
    )


def check_capture(config: dict[str, Any] | None) -> None:
    """Make sure that a DataCaptureConfig names a place in S3. The wording is ours.

    Raises:
        AwsError: It does not: the pattern of DestinationS3Uri allows any https address, too.
    """
    if config is not None and not config["DestinationS3Uri"].startswith("s3://"):
        raise validation_error(
            f"found DestinationS3Uri {config['DestinationS3Uri']!r}; the sandbox captures to s3://BUCKET/PREFIX"
        )


class Capture:
    """One invocation that is captured.

    Args:
        settings: How.
        headers: What the container got.
        body: The request's.
        append: Keeps the line: gets it, where it goes and when it was made.
    """

    def __init__(
        self,
        settings: CaptureSettings,
        headers: dict[str, str],
        body: bytes,
        append: Callable[[bytes, str, float], None],
    ) -> None:
        self._settings, self._headers, self._body, self._append = settings, headers, body, append
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        """Take a piece of an answer that comes in several."""
        self._pieces.append(piece)

    def finish(self, content_type: str | None) -> None:
        """Keep the line, now that the answer is whole; nothing is raised when it cannot be kept."""
        now_s = time.time()
        parts = []
        if INPUT in self._settings.modes:
            parts.append(self._part(INPUT, self._headers.get("Content-Type", ""), self._body))
        if OUTPUT in self._settings.modes:
            parts.append(self._part(OUTPUT, content_type or "", b"".join(self._pieces)))
        line = b"".join(
            (
                b'{"captureData":{', b",".join(parts), b'},"eventMetadata":',
                json.dumps(self._metadata(now_s), separators=(",", ":")).encode(),
                b',"eventVersion":"0"}\n',
            )
        )  # fmt: skip
        self._append(line, self._settings.destination, now_s)

    def _metadata(self, now_s: float) -> dict[str, Any]:
        attributes = self._headers.get("X-Amzn-SageMaker-Custom-Attributes")
        inference_id = self._headers.get("X-Amzn-SageMaker-Inference-Id")
        return {
            "eventId": str(uuid.uuid4()),
            **({"customAttributes": [attributes]} if attributes is not None else {}),
            **({"inferenceId": inference_id} if inference_id is not None else {}),
            "inferenceTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_s)),
        }

    def _part(self, mode: str, content_type: str, body: bytes) -> bytes:
        encoding = self._settings.encoding_of(content_type)
        data = None if encoding == "BASE64" else _json_string(body)
        if data is None:
            encoding, data = "BASE64", b'"' + b64encode(body) + b'"'
        observed = json.dumps(content_type).encode()
        return b"".join(
            (
                _MEMBERS[mode], b'{"observedContentType":', observed, b',"mode":"', mode.encode(),
                b'","data":', data, b',"encoding":"', encoding.encode(), b'"}',
            )
        )  # fmt: skip


def _json_string(body: bytes) -> bytes | None:
    """Return a body as a string of JSON, None when it is not text in UTF-8."""
    try:
        text = json.dumps(body.decode("utf-8"), ensure_ascii=False)
    except UnicodeDecodeError:
        return None
    for end in _LINE_ENDS:
        text = text.replace(end, f"\\u{ord(end):04x}")
    return text.encode()
