"""Service Quotas for SageMaker: how many instances of a type an account may use, for what.

An account has GRANTED of each here; AWS's default is 0, as a new account often finds it. A value that was set
(values.py) is enforced, too.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from sandbox.account.values import Values
from sandbox.api.errors import AwsError
from sandbox.api.listing import page_of
from sandbox.api.registry import ACCOUNT_ID, Call, Service

TABLE = Path(__file__).with_name("quotas.yaml")
SERVICE_CODE = "sagemaker"
GRANTED, DEFAULT = 4.0, 0.0


def _check(call: Call) -> None:
    call.context.faults.raise_for(call.operation, region=call.region, service="servicequotas")
    code = call.request["ServiceCode"]
    if code != SERVICE_CODE:
        raise AwsError(
            "NoSuchResourceException",
            f"The sandbox has quotas of {SERVICE_CODE} only, not of {code} (src/sandbox/README.md).",
        )


SERVICE_QUOTAS = Service(
    name="service-quotas", title="Service Quotas", target="ServiceQuotasV20190624", check=_check
)
operation = SERVICE_QUOTAS.operation


@cache
def codes() -> dict[str, str]:
    """Return the name of every quota with its code."""
    import yaml

    kinds = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return {
        f"{instance_type} for {kind} usage": code
        for kind, types in kinds.items()
        for instance_type, code in types.items()
    }


def granted() -> Values:
    """Return what an account has of each quota, by its name."""
    return Values(dict.fromkeys(codes(), GRANTED))


def check_quota(call: Call, kind: str, instance_type: str, *, in_use: int, more: int) -> None:
    """Make sure that an account may use more instances, as far as a quota was set.

    Args:
        call: Of the request that wants them.
        kind: Of use: a first level of quotas.yaml.
        in_use: Instances of this type that are used for it now.
        more: That the request wants.

    Raises:
        AwsError: ResourceLimitExceeded.
    """
    name = f"{instance_type} for {kind} usage"
    limit = call.context.quotas.changed(name)
    if limit is None or in_use + more <= limit:
        return
    raise AwsError(
        "ResourceLimitExceeded",
        f"The account-level service limit '{name}' is {limit:.0f} Instances, with current utilization of"
        f" {in_use} Instances and a request delta of {more} Instances. Please use AWS Service Quotas to"
        " request an increase for this quota. If AWS Service Quotas is not available, contact AWS support to"
        " request an increase for this quota.",
    )


@operation("ListServiceQuotas")
def list_service_quotas(call: Call) -> dict[str, Any]:
    """List what the account has; every quota here is of the whole account."""
    request, wanted = call.request, call.request.get("QuotaCode")
    found = [
        _applied(call, name)
        for name, code in codes().items()
        if wanted in (None, code) and request.get("QuotaAppliedAtLevel") != "RESOURCE"
    ]
    return _page(call, found)


@operation("ListAWSDefaultServiceQuotas")
def list_aws_default_service_quotas(call: Call) -> dict[str, Any]:
    return _page(call, [_default(call, name) for name in codes()])


@operation("GetServiceQuota")
def get_service_quota(call: Call) -> dict[str, Any]:
    return {"Quota": _applied(call, _name_of(call))}


@operation("GetAWSDefaultServiceQuota")
def get_aws_default_service_quota(call: Call) -> dict[str, Any]:
    return {"Quota": _default(call, _name_of(call))}


def _name_of(call: Call) -> str:
    code = call.request["QuotaCode"]
    found = [name for name, its_code in codes().items() if its_code == code]
    if not found:
        raise AwsError("NoSuchResourceException", f"The sandbox has no quota {code} of {SERVICE_CODE}.")
    return found[0]


def _applied(call: Call, name: str) -> dict[str, Any]:
    quota = _quota(call, name, ACCOUNT_ID)
    return {**quota, "Value": call.context.quotas.get(name), "QuotaAppliedAtLevel": "ACCOUNT"}


def _default(call: Call, name: str) -> dict[str, Any]:
    return {**_quota(call, name, ""), "Value": DEFAULT}


def _quota(call: Call, name: str, account_id: str) -> dict[str, Any]:
    code = codes()[name]
    return {
        "ServiceCode": SERVICE_CODE,
        "ServiceName": "Amazon SageMaker",
        "QuotaArn": f"arn:aws:servicequotas:{call.region}:{account_id}:{SERVICE_CODE}/{code}",
        "QuotaCode": code,
        "QuotaName": name,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


def _page(call: Call, quotas: list[dict[str, Any]]) -> dict[str, Any]:
    page, token = page_of(
        quotas,
        place=lambda quota: [quota["QuotaCode"]],
        is_descending=False,
        of_list=call.operation,
        request=call.request,
    )
    return {"Quotas": page, "NextToken": token}
