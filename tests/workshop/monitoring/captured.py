"""Captured lines as AWS writes them, for tests: every body that the clients of this workshop send."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from workshop.inference import DIALECTS, prompt_text
from workshop.prompt import REQUEST


def line(
    event_id: str,
    content: str,
    answer: str = "요약입니다.",
    *,
    engine: str = "tgi",
    as_chat: bool = True,
    is_base64: bool = False,
    day: str | None = "2026-11-03",
    time: str = "2026-11-29T10:00:00Z",
) -> str:
    """Return one line: a chat or a prompt to an engine, as text or in BASE64."""
    messages = [{"role": "system", "content": "요약"}, {"role": "user", "content": content}]
    asked = DIALECTS[engine].body(messages if as_chat else prompt_text(messages), max_new_tokens=8).decode()
    choice = {"message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
    said: Any = {"choices": [choice]} if as_chat else [{"generated_text": answer}]
    if engine == "vllm" and not as_chat:
        said = {"choices": [{"text": answer, "finish_reason": "stop"}]}
    metadata = {"eventId": event_id, "inferenceTime": time, "inferenceId": f"id-{event_id}"}
    if day:
        metadata["customAttributes"] = [f"day={day};user=u1"]
    parts = {"endpointInput": (asked, "INPUT"), "endpointOutput": (json.dumps(said), "OUTPUT")}
    return json.dumps(
        {
            "captureData": {
                name: {
                    "observedContentType": "application/json",
                    "mode": mode,
                    "data": base64.b64encode(text.encode()).decode() if is_base64 else text,
                    "encoding": "BASE64" if is_base64 else "JSON",
                }
                for name, (text, mode) in parts.items()
            },
            "eventMetadata": metadata,
            "eventVersion": "0",
        }
    )


def summary_request(article: str) -> str:
    """Return what the user's message is where a summary is asked for."""
    return f"{REQUEST}\n\n{article}"


def write(folder: Path, lines: list[str], name: str = "00-00-000-a.jsonl") -> Path:
    """Write lines where a data capture would."""
    path = folder / "endpoint" / "AllTraffic" / "2026" / "11" / "29" / "10" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(one + "\n" for one in lines), encoding="utf-8")
    return folder
