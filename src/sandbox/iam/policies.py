"""What a set of policies decides about one action on one resource.

Source: IAM User Guide, "Policy evaluation logic" and "IAM JSON policy elements reference".
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sandbox.iam.conditions import Context, holds, keys_of, matches

ALLOWED, EXPLICIT_DENY, IMPLICIT_DENY = "allowed", "explicitDeny", "implicitDeny"
_ELEMENTS = {"Action", "Condition", "Effect", "NotAction", "NotResource", "Resource", "Sid"}


@dataclass(frozen=True)
class Policy:
    """One policy.

    Attributes:
        name: That its statements are reported with.
        kind: One of Statement$SourcePolicyType in IAM's model.
        statements: As they were written.
    """

    name: str
    kind: str
    statements: list[dict[str, Any]]


@dataclass(frozen=True)
class Decision:
    """What policies say of one action on one resource.

    Attributes:
        effect: allowed, explicitDeny or implicitDeny.
        policies: Those with a statement that decided, each once.
        missing_keys: Context keys that statements ask for and the request did not give.
    """

    effect: str
    policies: list[Policy]
    missing_keys: list[str]


def read(name: str, kind: str, text: str) -> Policy:
    """Return the policy that a document holds.

    Raises:
        ValueError: It is none of those that are attached to users, groups and roles.
    """
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    statements = document.get("Statement")
    statements = statements if isinstance(statements, list) else [statements]
    for each in statements:
        if not isinstance(each, dict) or each.get("Effect") not in ("Allow", "Deny"):
            raise ValueError("a statement needs Effect: Allow or Deny")
        if unknown := sorted(each.keys() - _ELEMENTS):
            raise ValueError(f"a statement has {', '.join(unknown)}")
        for one, other in (("Action", "NotAction"), ("Resource", "NotResource")):
            if (one in each) == (other in each):
                raise ValueError(f"a statement needs either {one} or {other}")
        condition = each.get("Condition", {})
        if not isinstance(condition, dict) or not all(isinstance(keys, dict) for keys in condition.values()):
            raise ValueError("Condition is not an object of operators with their keys")
    return Policy(name, kind, statements)


def decide(policies: Iterable[Policy], action: str, resource: str, context: Context) -> Decision:
    """Decide about an action: a Deny that matches wins, then an Allow, and nothing at all is a denial.

    Raises:
        ValueError: A condition cannot be evaluated.
    """
    allows, denies, missing = [], [], set()
    for policy in policies:
        for statement in policy.statements:
            if not _concerns(statement, action, resource, context):
                continue
            missing |= {key for key in keys_of(statement) if key.lower() not in context}
            if holds(statement.get("Condition", {}), context):
                (allows if statement["Effect"] == "Allow" else denies).append(policy)
    effect = EXPLICIT_DENY if denies else ALLOWED if allows else IMPLICIT_DENY
    unique = {id(policy): policy for policy in denies or allows}
    return Decision(effect, list(unique.values()), sorted(missing))


def _concerns(statement: dict[str, Any], action: str, resource: str, context: Context) -> bool:
    is_action = _fits(statement, "Action", lambda pattern: matches(pattern, action, {}, any_case=True))
    return is_action and _fits(statement, "Resource", lambda pattern: matches(pattern, resource, context))


def _fits(statement: dict[str, Any], element: str, is_match: Any) -> bool:
    """Tell whether an element, or the Not form of it, takes a value in."""
    name = element if element in statement else f"Not{element}"
    patterns = statement[name] if isinstance(statement[name], list) else [statement[name]]
    return any(is_match(str(pattern)) for pattern in patterns) == (name == element)
