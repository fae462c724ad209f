"""What was created in an account, noted before the request is sent, so that a cleanup can find all of it.

One JSON object a line, only ever appended: `pending` before a Create request, `created`, `failed` or
`unanswered` after it, `ended` after a Delete or Stop request. It holds names, ARNs and tags, no secret.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from processes.files import append_line

# AWS's 5xx: the request may have been carried out even so.
_UNSURE_ERRORS = ("InternalFailure", "InternalServerError", "InternalError", "ServiceUnavailable", "SlowDown")


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """Say what is known of one resource.

    Attributes:
        kind: Operation without Create, for example "TrainingJob" or "Endpoint"; "Alarm", "Dashboard",
            "Rule" and "ScalableTarget" for what is put or registered.
        name: As given in the request.
        status: "pending" (sent, answer unknown), "created", "failed" (not created) or "ended".
        arn: "" until it is known.
        tags: Put on it when it was created.
        time: UTC of the Create request, ISO 8601.
        error: AWS's code when the request failed, or why there was no answer; else "".
        ended_by: For example "DeleteEndpoint" or "StopTrainingJob"; "" while it may exist.
    """

    kind: str
    name: str
    status: str
    arn: str = ""
    region: str = ""
    tags: Mapping[str, str]
    time: str
    error: str = ""
    ended_by: str = ""

    @property
    def may_exist(self) -> bool:
        """Tell whether AWS may have it: also when its answer was lost or a 5xx."""
        return self.status in ("pending", "created") or self.error in _UNSURE_ERRORS


class Ledger:
    """Append to a ledger file and read it.

    Several notebooks may write at the same time: each row is one write to a file opened for appending.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, kind: str, name: str, region: str, tags: Mapping[str, str]) -> str:
        """Note a Create request that is about to be sent; return the token that its answer is noted with."""
        token = uuid.uuid4().hex
        self._append("pending", token=token, kind=kind, name=name, region=region, tags=dict(tags))
        return token

    def created(self, token: str, arn: str, request_id: str) -> None:
        self._append("created", token=token, arn=arn, request_id=request_id)

    def failed(self, token: str, error: str, request_id: str) -> None:
        """Note that AWS refused a request."""
        self._append("failed", token=token, error=error, request_id=request_id)

    def unanswered(self, token: str, error: str) -> None:
        """Note that no answer came: the resource may exist or not."""
        self._append("unanswered", token=token, error=error)

    def ended(self, kind: str, name: str, by: str) -> None:
        """Note a Delete or Stop request that AWS accepted."""
        self._append("ended", kind=kind, name=name, by=by)

    def entries(self) -> list[LedgerEntry]:
        """Return the latest state of every kind and name, in the order of their first request.

        A name that was refused because it exists already keeps its first entry.
        """
        by_token: dict[str, LedgerEntry] = {}
        for row in self._rows():
            match row:
                case {"event": "pending", "token": token, "kind": kind, "name": name}:
                    by_token[token] = LedgerEntry(
                        kind=kind,
                        name=name,
                        status="pending",
                        region=row.get("region", ""),
                        tags=row.get("tags", {}),
                        time=row.get("time", ""),
                    )
                case {"event": "created", "token": token} if token in by_token:
                    by_token[token] = replace(by_token[token], status="created", arn=row.get("arn", ""))
                case {"event": "failed", "token": token} if token in by_token:
                    by_token[token] = replace(by_token[token], status="failed", error=row.get("error", ""))
                case {"event": "unanswered", "token": token} if token in by_token:
                    by_token[token] = replace(by_token[token], error=row.get("error", ""))
                case {"event": "ended", "kind": kind, "name": name}:
                    for token, entry in by_token.items():
                        if (
                            entry.kind == kind
                            and name in (entry.name, entry.arn)
                            and entry.status != "failed"
                        ):
                            by_token[token] = replace(entry, status="ended", ended_by=row.get("by", ""))
        latest: dict[tuple[str, str], LedgerEntry] = {}
        for entry in by_token.values():
            key = (entry.kind, entry.name)
            if key not in latest or entry.status != "failed" or latest[key].status == "failed":
                latest[key] = entry
        return list(latest.values())

    def _append(self, event: str, **values: Any) -> None:
        row = {"event": event, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), **values}
        line = json.dumps(row, ensure_ascii=False).encode("utf-8")
        append_line(self.path, line, fsync=True)

    def _rows(self) -> Iterator[dict[str, Any]]:
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:  # an empty or torn line
                continue
            if isinstance(row, dict):
                yield row
