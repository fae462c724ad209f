"""A resource by its ARN; the names in ARNs are in lower case, those of records as they were given."""

from __future__ import annotations

from sandbox.api.registry import ACCOUNT_ID, Call


def resource_of(call: Call, arn: str) -> tuple[str, str] | None:
    """Return kind and name of the resource that an ARN names; None when there is none in this region."""
    *_, region, account, resource = arn.split(":", 5)
    kind, _, name = resource.partition("/")
    if (region, account) != (call.region, ACCOUNT_ID):
        return None
    for given in call.context.resources.names(kind, call.region):
        if given.lower() == name.lower():
            return kind, given
    return None
