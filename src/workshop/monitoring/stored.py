"""What is stored of an endpoint's traffic: captured lines in S3, its log, traces; and what stands in it.

captured = wait_for_captures(aws, uri, inference_ids, timeout_s=600)   # InferenceId -> its lines
places = stored_texts(aws, run.name, lines=captured, traces=traces, files=[kept.path])
found_in(items, places)                                                # [] is what one hopes for
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workshop.aws.waits import Wait
from workshop.endpoint.endpoints import LOG_GROUP, last_lines_of

if TYPE_CHECKING:
    from workshop.aws.session import Aws

_ALL_LINES = 10_000


def wait_for_captures(
    aws: Aws, uri: str, inference_ids: Iterable[str], *, timeout_s: float
) -> dict[str, list[dict[str, Any]]]:
    """Read captured lines until each of these requests is among them; AWS writes them some minutes late.

    Args:
        uri: S3 folder that the capture writes to.
        inference_ids: Of the requests that were answered.
        timeout_s: Of the wait.

    Returns:
        InferenceId -> its lines: one, or something has counted it twice.

    Raises:
        WorkshopError: Some are missing after that time.
    """
    wanted, read = set(inference_ids), dict[str, list[dict[str, Any]]]()

    def look() -> dict[str, list[dict[str, Any]]]:
        for key, lines in _new_objects(aws, uri, read):
            read[key] = lines
        return by_inference_id(line for lines in read.values() for line in lines)

    return Wait(
        title=f"captured requests of {len(wanted):,}",
        timeout_s=timeout_s,
        interval_s=aws.settings.poll_interval_s,
        expected="a captured line for each request that was answered",
        next_step="run the cell again; if lines stay away, look at the endpoint's DataCaptureConfig, and "
        f"whether its role may write to {uri}",
    ).until(
        look,
        is_done=lambda found: wanted <= found.keys(),
        text=lambda found: f"{len(wanted & found.keys()):,} there",
    )


def by_inference_id(lines: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return captured lines by the InferenceId that the client gave; those without one under ""."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        found.setdefault(line["eventMetadata"].get("inferenceId", ""), []).append(line)
    return found


def stored_texts(
    aws: Aws,
    endpoint_name: str,
    *,
    captured: Mapping[str, Sequence[dict[str, Any]]],
    traces: Iterable[Any],
    files: Iterable[Path],
) -> dict[str, str]:
    """Return everything that is stored of the traffic, as one text for each place.

    Args:
        endpoint_name: Whose log is read.
        captured: What `wait_for_captures` has returned.
        traces: Of MLflow.
        files: On this machine.
    """
    lines = [line for some in captured.values() for line in some]
    return {
        "captured": "\n".join(map(_readable, lines)),
        "log": "\n".join(last_lines_of(aws, LOG_GROUP + endpoint_name, _ALL_LINES)),
        "traces": "\n".join(json.dumps(trace.to_dict(), ensure_ascii=False) for trace in traces),
        "files": "\n".join(path.read_text(encoding="utf-8") for path in files),
    }


def found_in(items: Iterable[str], places: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return place and item of all of these that stand anywhere, in their order."""
    return [(place, item) for item in items for place, text in places.items() if item in text]


def _new_objects(aws: Aws, uri: str, read: Mapping[str, Any]) -> Iterable[tuple[str, list[dict[str, Any]]]]:
    """Yield the objects that were not read yet; one that is written does not change any more."""
    s3, (bucket, _, prefix) = aws.client("s3"), uri.removeprefix("s3://").partition("/")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix.rstrip("/") + "/"):
        for one in page.get("Contents", ()):
            if one["Key"] not in read:
                body = s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read().decode("utf-8")
                yield one["Key"], [json.loads(line) for line in body.splitlines() if line.strip()]


def _readable(line: dict[str, Any]) -> str:
    """Return a captured line with its bodies as text, whatever the encoding: what a search must see."""
    bodies = map(_body, line["captureData"].values())
    return "\n".join([*bodies, json.dumps(line["eventMetadata"], ensure_ascii=False)])


def _body(part: Mapping[str, str]) -> str:
    is_encoded = part.get("encoding") == "BASE64"
    return base64.b64decode(part["data"]).decode("utf-8", "replace") if is_encoded else part["data"]
