"""What an endpoint's data capture wrote, read as requests: day, what was asked, the article, the answer.

    records, unread = read_captures(folder)     # every .jsonl below it

A line's body is whatever the client sent: messages or a prompt, in JSON or BASE64, and an answer in any form
of the serving engines. Source: SageMaker Developer Guide, "Data capture"; the form of a line is the
one that Model Monitor's containers read.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workshop.prompt import END_TOKEN, REQUEST

_HUMAN = re.compile(
    r"(?:\A|\n\n)Human: (?P<content>.*?)(?:" + re.escape(END_TOKEN) + r")?\s*(?:\n\nAssistant:|\Z)", re.S
)
_NEWS_SENTENCE = re.compile(r"다[.”\"’']+(?=\s|\Z)")
_MIN_NEWS_SENTENCES = 2


@dataclass(frozen=True, kw_only=True)
class Record:
    """One request that was captured.

    Attributes:
        event_id: Of the capture.
        inference_id: The client's own, None when it gave none.
        day: "2026-11-03": of the custom attributes where they say one, else of the time of inference.
        attributes: Custom attributes, "day=...;user=..." as a mapping.
        request: What a person asked beyond the workshop's fixed request; "" when nothing.
        article: That stands behind it; "" when none does.
        answer: "" when the endpoint gave none that can be read.
    """

    event_id: str
    inference_id: str | None = None
    day: str
    attributes: dict[str, str] = field(default_factory=dict)
    request: str
    article: str
    answer: str


def read_captures(folder: Path) -> tuple[list[Record], list[str]]:
    """Read all captured lines below a folder.

    Returns:
        The records in the order of their time, each event once; and why lines could not be read, a text each.
    """
    records: dict[str, tuple[str, Record]] = {}
    unread = []
    for path in sorted(folder.rglob("*.jsonl")):
        for number, line in enumerate(_lines(path), start=1):
            try:
                time, record = _read(json.loads(line))
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                unread.append(f"{path.name}:{number}: {type(error).__name__}: {error}")
                continue
            records.setdefault(record.event_id, (time, record))
    ordered = sorted(records.values(), key=lambda one: (one[0], one[1].event_id))
    return [record for _, record in ordered], unread


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as lines:
        yield from (line for line in lines if line.strip())


def _read(line: dict[str, Any]) -> tuple[str, Record]:
    data, metadata = line["captureData"], line["eventMetadata"]
    attributes = _attributes(metadata.get("customAttributes") or ())
    request, article = _asked(_body(data["endpointInput"]))
    return metadata["inferenceTime"], Record(
        event_id=metadata["eventId"],
        inference_id=metadata.get("inferenceId"),
        day=attributes.get("day") or metadata["inferenceTime"][:10],
        attributes=attributes,
        request=request,
        article=article,
        answer=_answer(data.get("endpointOutput")),
    )


def _attributes(given: Iterable[str] | str) -> dict[str, str]:
    """Read "day=2026-11-03;user=u17": AWS writes a list of such texts."""
    texts = [given] if isinstance(given, str) else list(given)
    pairs = (pair.partition("=") for text in texts for pair in re.split("[;,]", text))
    return {name.strip(): value.strip() for name, is_there, value in pairs if is_there}


def _body(part: dict[str, Any]) -> bytes:
    if part.get("encoding") == "BASE64":
        try:
            return base64.b64decode(part["data"], validate=True)
        except binascii.Error as error:
            raise ValueError(f"no base64: {error}") from None
    return part["data"].encode("utf-8")


def _asked(body: bytes) -> tuple[str, str]:
    content = json.loads(body)
    if "messages" in content:
        said = [message["content"] for message in content["messages"] if message["role"] == "user"]
        return split_request(said[-1] if said else "")
    prompt = content["inputs"] if "inputs" in content else content["prompt"]
    turns = [match["content"] for match in _HUMAN.finditer(prompt)]
    return split_request(turns[-1] if turns else prompt)


def split_request(content: str) -> tuple[str, str]:
    """Tell what a person asked from the article below it.

    Whatever stands behind the workshop's fixed request counts as an article when it reads like one: two and
    more sentences as news end theirs. Otherwise a person has written it.

    Returns:
        request, article.
    """
    own = content.removeprefix(REQUEST).strip()
    blocks = [block.strip() for block in re.split(r"\n\s*\n", own) if block.strip()]
    articles = [block for block in blocks if len(_NEWS_SENTENCE.findall(block)) >= _MIN_NEWS_SENTENCES]
    if not articles:
        return own, ""
    first = blocks.index(articles[0])
    return "\n\n".join(blocks[:first]), "\n\n".join(blocks[first:])


def _answer(part: dict[str, Any] | None) -> str:
    """Return the text of an answer in any engine's form; an error has none."""
    if part is None:
        return ""
    try:
        content = json.loads(_body(part))
        first = content[0] if isinstance(content, list) else content
        if "generated_text" in first:
            return str(first["generated_text"]).strip()
        choice = first["choices"][0]
        return str(choice["message"]["content"] if "message" in choice else choice["text"]).strip()
    except (ValueError, LookupError, TypeError):
        return ""
