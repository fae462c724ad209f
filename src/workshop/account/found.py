"""What was found: one line of the list for each thing, and what could not be asked or done."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from workshop.aws.denied import PERSON_POLICY, is_denied, missing_action
from workshop.errors import WorkshopError

JOBS_OF_DAYS = 30
"""So far back are jobs looked for that have ended: each is a question for its tags."""

_ACCOUNT = re.compile(r"(?<!\d)\d{12}(?!\d)")


@dataclass(frozen=True, kw_only=True)
class Found:
    """One thing of the workshop's.

    Attributes:
        kind: As in the ledger ("Endpoint", "Alarm"), or "S3", "LogGroup", "LogStreams".
        name: As AWS has it.
        sources: What says that it is the workshop's: "ledger", "tag", "state", or "name" and "prefix".
        mode: Of its tag; "" where there is none.
        made_at: UTC; None when not known.
        what: Its status, machines or size, in words.
        usd_per_hour: On AWS, while it stays as it is; None when the price is not known, 0 when there is none.
        usd_so_far: On AWS, if it has been as it is since it began to cost; None as above.
        word: That has to be confirmed for its deletion; "" for what `mine` and `tagged` delete.
        details: What its deletion needs to know.
    """

    kind: str
    name: str
    sources: tuple[str, ...]
    mode: str = ""
    made_at: datetime | None = None
    what: str = ""
    usd_per_hour: float | None = 0.0
    usd_so_far: float | None = 0.0
    word: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that could not be asked or done, and why."""

    what: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Everything that was found at one time, in the order in which it is deleted."""

    found: list[Found]
    problems: list[Problem]
    at: datetime


@contextmanager
def noted(problems: list[Problem], what: str, service: str = "sagemaker") -> Iterator[None]:
    """Let an error end its block alone: the others of a list go on.

    Args:
        problems: Gets the error.
        what: Is asked or done in the block, for the report.
        service: As policies name it.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, BotoCoreError, WorkshopError) as error:
        problems.append(Problem(what=what, reason=reason_of(error, service)))


def reason_of(error: Exception, service: str = "sagemaker") -> str:
    """Say in one line why AWS refused or did not answer; a missing right is named as policies name it."""
    if isinstance(error, WorkshopError):
        return masked(f"{error.found}; {error.next_step}".replace("\n", " "))
    answer = (getattr(error, "response", None) or {}).get("Error")  # None with a connection that broke
    if answer is None:
        return f"no answer ({type(error).__name__})"
    code, message, operation = answer.get("Code", ""), answer.get("Message", ""), error.operation_name
    if is_denied(code):
        action = missing_action(message, operation, service)
        return f"not allowed: your user or role lacks the action {action}; see {PERSON_POLICY}"
    if code == "UnknownOperationException":
        return f"{operation} is not answered here"
    return masked(f"{operation} was refused ({code}): {message}")


def masked(text: str) -> str:
    """Return a text without account numbers."""
    return _ACCOUNT.sub("************", text)


def now() -> datetime:
    return datetime.now(UTC)
