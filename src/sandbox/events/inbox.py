"""Events that were sent and that nobody has looked at yet: who sends need not know who delivers."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any

# Region and event; None when nothing is to be delivered any more. A process is one sandbox.
INBOX: SimpleQueue[tuple[str, dict[str, Any]] | None] = SimpleQueue()


def send(region: str, event: dict[str, Any]) -> None:
    """Take an event of a region; the caller does not wait for what it triggers."""
    INBOX.put((region, event))
