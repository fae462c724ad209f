"""Roles that are there without having been made: that of the caller, and those of other accounts."""

from __future__ import annotations

import json
import threading
from typing import Any

from moto.iam.exceptions import NotFoundException

CALLER_ROLE = "workshop-sample"
"""Whose credentials a call has that no user's or role's key signed, as in SageMaker Studio."""

SESSION = "sandbox"
_ADMINISTRATOR = "AdministratorAccess"
_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
_lock = threading.Lock()
_with_caller: set[int] = set()


def with_caller(backend: Any) -> Any:
    """Return a backend of moto's IAM that has the caller's role, which is made once: it can be deleted."""
    with _lock:
        if id(backend) not in _with_caller:  # moto keeps its backends as long as the process lives
            _with_caller.add(id(backend))
            _make(backend, CALLER_ROLE, "/", "Of every caller without a key of its own")
    return backend


def of_other_account(backend: Any, name: str, path: str) -> Any:
    """Return the role of this name; it is made when it is missing.

    A script names the role of its author's account. That role is nothing that can be looked up or made
    here, and permissions are not checked, so that it may do everything and SageMaker may assume it.
    """
    with _lock:
        try:
            return backend.get_role(name)
        except NotFoundException:
            return _make(backend, name, path, "Made for a simulation that named it in another account")


def _make(backend: Any, name: str, path: str, description: str) -> Any:
    role = backend.create_role(
        role_name=name,
        assume_role_policy_document=_TRUST,
        path=path,
        permissions_boundary=None,
        description=description,
        tags=[],
        max_session_duration="3600",
    )
    backend.attach_role_policy(f"arn:{backend.partition}:iam::aws:policy/{_ADMINISTRATOR}", name)
    return role
