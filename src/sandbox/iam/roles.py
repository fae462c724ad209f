"""Roles that are there without having been made: that of the caller, and those of other accounts."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends

from sandbox.api.registry import ACCOUNT_ID
from sandbox.iam.conditions import Context, holds, matches

CALLER_ROLE = "workshop-sample"
"""Whose credentials a call has that no user's or role's key signed, as in SageMaker Studio."""

SESSION = "sandbox"
_ASSUME = "sts:AssumeRole"
_ADMINISTRATOR = "AdministratorAccess"
_SHIPPED_DIR = Path(__file__).parents[3] / "setup" / "iam"
# As in Studio: who calls is the role that jobs run as, so that it has the policies of both.
_SHIPPED = ("person-policy", "person-policy-read", "execution-role-policy")
_lock = threading.Lock()
_with_caller: set[int] = set()


def with_caller(backend: Any) -> Any:
    """Return a backend of moto's IAM that has the caller's role, which is made once: it can be deleted."""
    with _lock:
        if id(backend) not in _with_caller:  # moto keeps its backends as long as the process lives
            _with_caller.add(id(backend))
            description = "Of every caller without a key of its own, with the policies of setup/iam"
            _make(backend, CALLER_ROLE, "/", description)
            for name in _SHIPPED:
                backend.put_role_policy(CALLER_ROLE, name, shipped(name))
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
            role = _make(backend, name, path, "Made for a simulation that named it in another account")
            backend.attach_role_policy(f"arn:{backend.partition}:iam::aws:policy/{_ADMINISTRATOR}", name)
            return role


def may_be_assumed(name: str, service: str, context: Context) -> bool:
    """Tell whether the trust policy of a role of this account lets a service be it.

    Args:
        context: What its conditions may ask for.
    """
    try:
        role = with_caller(iam_backends[ACCOUNT_ID]["aws"]).get_role(name)
    except NotFoundException:
        return False
    statements = json.loads(role.assume_role_policy_document)["Statement"]
    return any(
        statement["Effect"] == "Allow"
        and service in _several(statement.get("Principal", {}), "Service")
        and any(matches(each, _ASSUME, context, any_case=True) for each in _several(statement, "Action"))
        and holds(statement.get("Condition", {}), context)
        for statement in (statements if isinstance(statements, list) else [statements])
    )


def shipped(name: str) -> str:
    """Return a policy of setup/iam, filled in for this account, every region and any bucket."""
    text = (_SHIPPED_DIR / f"{name}.json").read_text(encoding="utf-8")
    role_arn = f"arn:aws:iam::{ACCOUNT_ID}:role/{CALLER_ROLE}"
    for placeholder, value in (
        ("ROLE_ARN", role_arn), ("ACCOUNT", ACCOUNT_ID), ("REGION", "*"), ("BUCKET", "*")
    ):  # fmt: skip
        text = text.replace(placeholder, value)
    return text


def _several(holder: Any, member: str) -> list[str]:
    found = holder.get(member, []) if isinstance(holder, dict) else []
    return found if isinstance(found, list) else [found]


def _make(backend: Any, name: str, path: str, description: str) -> Any:
    return backend.create_role(
        role_name=name,
        assume_role_policy_document=shipped("trust-policy"),
        path=path,
        permissions_boundary=None,
        description=description,
        tags=[],
        max_session_duration="3600",
    )
