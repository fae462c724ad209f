"""Data capture: which invocations of an endpoint are written down, and what of them.

The form of a line is that of captured_lines.py.

Sources: SageMaker Developer Guide, "Capture data from real-time endpoint"; API reference, DataCaptureConfig
(base64 where no content type is listed) and InvokeEndpoint (InferenceId).
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.hosting.captured_lines import INPUT, OUTPUT, frame

_MODES = {"Input": (INPUT,), "Output": (OUTPUT,), "InputAndOutput": (INPUT, OUTPUT)}


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
        append: Keeps it: gets its frame, where it goes and when it was answered.
    """

    def __init__(
        self,
        settings: CaptureSettings,
        headers: dict[str, str],
        body: bytes,
        append: Callable[[list[bytes], str, float], None],
    ) -> None:
        self._settings, self._headers, self._body, self._append = settings, headers, body, append
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        """Take a piece of an answer that comes in several."""
        self._pieces.append(piece)

    def finish(self, content_type: str | None) -> None:
        """Keep it, now that the answer is whole; nothing is raised when it cannot be kept."""
        now_s = time.time()
        bodies = {INPUT: [self._body], OUTPUT: self._pieces}
        types = {INPUT: self._headers.get("Content-Type", ""), OUTPUT: content_type or ""}
        parts = [
            (mode, types[mode], self._settings.encoding_of(types[mode]), sum(map(len, bodies[mode])))
            for mode in (INPUT, OUTPUT)
            if mode in self._settings.modes
        ]
        blocks = [block for mode, *_ in parts for block in bodies[mode]]
        self._append(frame(self._metadata(now_s), parts, blocks), self._settings.destination, now_s)

    def _metadata(self, now_s: float) -> dict[str, Any]:
        attributes = self._headers.get("X-Amzn-SageMaker-Custom-Attributes")
        inference_id = self._headers.get("X-Amzn-SageMaker-Inference-Id")
        return {
            "eventId": str(uuid.uuid4()),
            **({"customAttributes": [attributes]} if attributes is not None else {}),
            **({"inferenceId": inference_id} if inference_id is not None else {}),
            "inferenceTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_s)),
        }
