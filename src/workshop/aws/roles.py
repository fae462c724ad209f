"""The role that jobs and endpoints run as: found, and looked at before anything is uploaded for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from workshop.errors import WorkshopError

SERVICE, RULES = "sagemaker.amazonaws.com", "events.amazonaws.com"
"""Who must be allowed to assume the role: always, and where a rule of EventBridge starts a pipeline."""

# Studio, its spaces and notebook instances have it, and nothing else does.
# Source: sagemaker-core 2.27, Session.get_caller_identity_arn.
METADATA_PATH = Path("/opt/ml/metadata/resource-metadata.json")
_ARN = re.compile(r"arn:[a-z-]+:iam::(?P<account_id>\d{12}):role/(?:.+/)?(?P<name>[^/]+)")
_MAKE_ONE = "make one with the commands in setup/README.md (AWS account), write its ARN to role_arn in"
_REFUSED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")


@dataclass(frozen=True, kw_only=True)
class Role:
    """Hold a role that was looked at.

    Attributes:
        arn: Of the role.
        unsure: Why nobody could look at it, so that it may be missing or unusable; "" when it was looked at.
    """

    arn: str
    unsure: str = ""


def find_role(role_arn: str, mode: str, studio_role: Callable[[], str]) -> str:
    """Return the ARN of the role: the one of the settings, or inside SageMaker its own.

    Outside SageMaker the credentials' own role is no answer: an administrator's or a single sign-on's is a
    role, too, and SageMaker may not assume it.

    Args:
        role_arn: Of the settings; "" for none.
        mode: For the error.
        studio_role: Asks for the role of SageMaker Studio; a ValueError says that there is none.

    Raises:
        WorkshopError: There is none.
    """
    if role_arn:
        return role_arn
    if METADATA_PATH.exists():
        try:
            return studio_role()
        except ValueError:
            pass
    raise WorkshopError(
        found=f'role_arn: "" in mode {mode}, outside SageMaker Studio and its notebook instances',
        expected=f"an IAM role that trusts {SERVICE}, for jobs and endpoints to run as",
        next_step=f"{_MAKE_ONE} workshop.yaml (or set WORKSHOP_ROLE_ARN); in SageMaker Studio it is found "
        "by itself",
    )


def check_role(iam: Any, role_arn: str, account_id: str) -> Role:
    """Look whether SageMaker can use a role: it is there, in this account, and its trust policy says so.

    What its policies allow, the SageMaker SDK asks before a job (iam:SimulatePrincipalPolicy).

    Args:
        iam: boto3's client.
        role_arn: Of the role.
        account_id: Of the caller: a role of another account cannot be handed to a service.

    Raises:
        WorkshopError: SageMaker could not use it.
    """
    from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

    parts = _ARN.fullmatch(role_arn)
    if parts is None or parts["account_id"] != account_id:
        found = "no role" if parts is None else "a role of another account than the credentials"
        raise _error(f"role_arn names {found}: {_masked(role_arn)}")
    try:
        role = iam.get_role(RoleName=parts["name"])["Role"]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _REFUSED:
            return Role(arn=role_arn, unsure=f"you may not look at the role {parts['name']} (iam:GetRole)")
        if code == "NoSuchEntity":
            raise _error(f"no role of the name {parts['name']} in this account") from None
        raise
    except (ConnectionError, HTTPClientError) as error:
        # A network that reaches SageMaker alone, as Studio's may be.
        return Role(arn=role_arn, unsure=f"IAM does not answer ({type(error).__name__})")
    if role["Arn"] != role_arn:
        raise _error(f"a role {parts['name']} with another path: {_masked(role['Arn'])}")
    if not may_assume(role.get("AssumeRolePolicyDocument") or {}, SERVICE):
        raise _error(f"the role {parts['name']}, whose trust policy does not let {SERVICE} assume it")
    return Role(arn=role_arn)


def _error(found: str) -> WorkshopError:
    return WorkshopError(
        found=found,
        expected=f"a role of this account whose trust policy allows sts:AssumeRole to {SERVICE} "
        "(setup/iam/trust-policy.json)",
        next_step=f"{_MAKE_ONE} workshop.yaml (or WORKSHOP_ROLE_ARN); or give that role this trust policy: "
        "aws iam update-assume-role-policy",
    )


def may_assume(trust_policy: Mapping[str, Any], service: str) -> bool:
    """Tell whether a trust policy lets a service assume a role; its conditions are left to AWS."""
    may = False
    for statement in _listed(trust_policy.get("Statement", [])):
        actions = [str(action).lower() for action in _listed(statement.get("Action", []))]
        concerns = service in _services(statement, service) and any(
            fnmatchcase("sts:assumerole", action) for action in actions
        )
        if concerns and statement.get("Effect") == "Deny" and not statement.get("Condition"):
            return False
        may = may or (concerns and statement.get("Effect") == "Allow")
    return may


def _services(statement: Mapping[str, Any], service: str) -> Iterator[str]:
    principal = statement.get("Principal", {})
    if principal == "*":
        yield service
    elif isinstance(principal, Mapping):
        yield from map(str, _listed(principal.get("Service", [])))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _masked(arn: str) -> str:
    """Return an ARN without its account's number."""
    return re.sub(r"\d{12}", "************", arn)
