"""moto's IAM and STS with what they lack: the policy simulator, and a caller that is a role.

It answers what somebody's policies say, as the SageMaker SDK asks before a job; calls are checked elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.iam import urls as iam_urls
from moto.iam.exceptions import IAMException, NotFoundException, ValidationError
from moto.iam.models import iam_backends
from moto.iam.responses import IamResponse
from moto.sts import urls as sts_urls
from moto.sts.responses import TokenResponse

from sandbox.iam import roles
from sandbox.iam.conditions import Context, keys_of
from sandbox.iam.policies import ALLOWED, EXPLICIT_DENY, Decision, Policy, decide, read

_MAX_ITEMS = 100
_SOURCE = re.compile(r"arn:[a-z0-9-]+:iam::(\d{12}):(user|group|role)(/(?:.+/)?)([^/]+)")
_ACTION = re.compile(r"[a-zA-Z0-9-]+:[a-zA-Z0-9]+")
# Members that change what the simulator says, and that nothing here evaluates.
_REFUSED = (
    "ResourcePolicy",
    "ResourceOwner",
    "ResourceHandlingOption",
    "OrderedOrganizationPolicyInputList",
    "PolicyExclusionList",
)


def install() -> None:
    """Let moto answer IAM and STS with this module; before its application is made."""
    iam_urls.url_paths["{0}/$"] = Iam.dispatch
    sts_urls.url_paths["{0}/$"] = Sts.dispatch


class InvalidInput(IAMException):
    code = "InvalidInput"


class Iam(IamResponse):
    """The operations that moto does not have, and one whose words differ."""

    @property
    def backend(self) -> Any:
        return roles.with_caller(super().backend)

    def get_role(self) -> ActionResult:
        """Return a role; in AWS's words when it is not there."""
        try:
            return super().get_role()
        except NotFoundException:
            raise _not_found("role", self._get_param("RoleName")) from None

    def simulate_principal_policy(self) -> ActionResult:
        """Tell what the policies of a user, a group or a role say."""
        source = self._get_param("PolicySourceArn")
        policies, boundary = self._policies_of(source)
        caller = self._get_param("CallerArn", source)
        if caller != source:
            raise InvalidInput("The sandbox does not simulate CallerArn: it counts in resource policies.")
        boundary = self._given("PermissionsBoundaryPolicyInputList") or boundary
        return self._simulate([*policies, *self._given("PolicyInputList")], boundary)

    def simulate_custom_policy(self) -> ActionResult:
        """Tell what policies say that come with the request."""
        boundary = self._given("PermissionsBoundaryPolicyInputList")
        return self._simulate(self._given("PolicyInputList"), boundary or None)

    def get_context_keys_for_principal_policy(self) -> ActionResult:
        """List the context keys that somebody's policies ask for."""
        policies, _ = self._policies_of(self._get_param("PolicySourceArn"))
        return _context_keys([*policies, *self._given("PolicyInputList")])

    def get_context_keys_for_custom_policy(self) -> ActionResult:
        """List the context keys that the given policies ask for."""
        return _context_keys(self._given("PolicyInputList"))

    def _simulate(self, policies: list[Policy], boundary: list[Policy] | None) -> ActionResult:
        for member in _REFUSED:
            if self._get_param(member):
                raise InvalidInput(f"The sandbox does not simulate {member} (src/sandbox/README.md).")
        actions, resources = self._get_param("ActionNames"), self._get_param("ResourceArns")
        for action in actions:
            if not _ACTION.fullmatch(action):
                raise InvalidInput(f"Invalid Action Name: {action}")
        context = self._context()
        pairs = [(action, resource) for action in actions for resource in resources or ["*"]]
        start, size = self._page()
        try:
            results = [
                _result(pair, policies, boundary, context, has_resources=bool(resources))
                for pair in pairs[start : start + size]
            ]
        except ValueError as problem:
            raise InvalidInput(f"A condition cannot be evaluated: {problem}") from None
        answer: dict[str, Any] = {"EvaluationResults": results, "IsTruncated": start + size < len(pairs)}
        if answer["IsTruncated"]:
            answer["Marker"] = str(start + size)
        return ActionResult(answer)

    def _context(self) -> Context:
        context: Context = {}
        for entry in self._get_param("ContextEntries", []):
            context[entry.get("ContextKeyName", "").lower()] = entry.get("ContextKeyValues", [])
        return context

    def _page(self) -> tuple[int, int]:
        marker, size = self._get_param("Marker", "0"), int(self._get_param("MaxItems", _MAX_ITEMS))
        if not (marker.isascii() and marker.isdigit() and len(marker) < 10):
            raise ValidationError(f"Invalid Marker: {marker[:40]!r}")
        if not 1 <= size <= 1000:
            raise ValidationError(f"MaxItems must be 1 to 1000, not {size}.")
        return int(marker), size

    def _given(self, member: str) -> list[Policy]:
        """Return the policies that a request carries."""
        texts = self._get_param(member) or []
        return [_read(f"{member}.{number}", "none", text) for number, text in enumerate(texts, 1)]

    def _policies_of(self, arn: str) -> tuple[list[Policy], list[Policy] | None]:
        """Return the policies of a user with those of its groups, of a group or of a role; and the boundary.

        Raises:
            NotFoundException: There is nobody of that name; a role of another account is made.
        """
        found = _SOURCE.fullmatch(arn)
        if found is None:
            raise InvalidInput(f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
        account_id, kind, path, name = found.groups()
        if kind == "role" and account_id != self.current_account:
            return _attached(roles.of_other_account(self.backend, name, path), kind), None
        entity = self._entity(kind, name)
        if entity is None or entity.arn != arn:
            raise _not_found(kind, name)
        policies = _attached(entity, kind)
        if kind == "user":
            for group in self.backend.get_groups_for_user(name):
                policies += _attached(group, "group")
        boundary_arn = getattr(entity, "permissions_boundary_arn", None)
        if not boundary_arn:
            return policies, None
        boundary = self.backend.managed_policies.get(boundary_arn)
        return policies, [_managed(boundary)] if boundary else []

    def _entity(self, kind: str, name: str) -> Any:
        find: Callable[[str], Any] = getattr(self.backend, f"get_{kind}")
        try:
            return find(name)
        except NotFoundException:
            return None


class Sts(TokenResponse):
    """The one operation that differs from moto's."""

    def get_caller_identity(self) -> ActionResult:
        """Name who signed the request: a role, as in SageMaker Studio, for a key that nobody made."""
        key = self.get_access_key()
        backend = iam_backends[self.current_account][self.partition]
        if self.backend.get_assumed_role_from_access_key(key) or backend.get_user_from_access_key_id(key):
            return super().get_caller_identity()
        arn = f"arn:{self.partition}:sts::{self.current_account}:assumed-role/{roles.CALLER_ROLE}"
        user_id = f"AROASANDBOXSANDBOXSAN:{roles.SESSION}"
        return ActionResult(
            {"UserId": user_id, "Account": self.current_account, "Arn": f"{arn}/{roles.SESSION}"}
        )


def _not_found(kind: str, name: str) -> NotFoundException:
    return NotFoundException(f"The {kind} with name {name} cannot be found.")


def _result(
    pair: tuple[str, str],
    policies: list[Policy],
    boundary: list[Policy] | None,
    context: Context,
    *,
    has_resources: bool,
) -> dict[str, Any]:
    """Return the answer for one action on one resource."""
    action, resource = pair
    decision = decide(policies, action, resource, context)
    effect, limits = decision.effect, {}
    if boundary is not None:
        within = decide(boundary, action, resource, context)
        limits = {
            "PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": within.effect == ALLOWED}
        }
        if within.effect != ALLOWED and effect != EXPLICIT_DENY:
            effect = within.effect
    shared = {"MatchedStatements": _statements(decision), "MissingContextValues": decision.missing_keys}
    answer = {
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": effect,
        **shared,
        **limits,
    }
    if has_resources:
        answer["ResourceSpecificResults"] = [
            {"EvalResourceName": resource, "EvalResourceDecision": effect, **shared, **limits}
        ]
    return answer


def _statements(decision: Decision) -> list[dict[str, Any]]:
    return [{"SourcePolicyId": each.name, "SourcePolicyType": each.kind} for each in decision.policies]


def _context_keys(policies: list[Policy]) -> ActionResult:
    keys = {key for policy in policies for statement in policy.statements for key in keys_of(statement)}
    return ActionResult({"ContextKeyNames": sorted(keys)})


def _attached(entity: Any, kind: str) -> list[Policy]:
    """Return the inline and the managed policies of one user, group or role."""
    inline = [_read(name, kind, text) for name, text in entity.policies.items()]
    return inline + [_managed(policy) for policy in entity.managed_policies.values()]


def _managed(policy: Any) -> Policy:
    kind = "aws-managed" if ":iam::aws:" in policy.arn else "user-managed"
    (document,) = [version.document for version in policy.versions if version.is_default]
    return _read(policy.name, kind, document)


def _read(name: str, kind: str, text: str) -> Policy:
    try:
        return read(name, kind, text)
    except ValueError as problem:
        raise InvalidInput(f"Syntax errors in policy {name}: {problem}") from None
