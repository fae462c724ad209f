"""How a deployment fails: with a reason for the client, or by an error of the sandbox's own."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

INTERNAL = "Request to service failed. If failure persists after retry, contact customer support."


class DeploymentFailedError(Exception):
    """What is wanted cannot be brought up; the text is its FailureReason."""


class RollbackFailedError(DeploymentFailedError):
    """Neither the new nor the old state could be brought up everywhere; the text says why."""


@contextmanager
def nothing_unforeseen() -> Iterator[None]:
    """Let a block fail in one way only: an unforeseen error is logged, and reported as AWS reports its own.

    Raises:
        DeploymentFailedError: The block failed.
    """
    try:
        yield
    except DeploymentFailedError:
        raise
    except Exception:
        logging.getLogger("sandbox").error(traceback.format_exc())
        raise DeploymentFailedError(INTERNAL) from None
