"""The quotas of an account against what the notebooks of a mode will use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from workshop.account.checks import Line, fail, ok, warn
from workshop.account.usage import NOTEBOOK_INSTANCE, Usage, usages
from workshop.aws.session import Aws

_CONSOLE = "https://{region}.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"


@dataclass(frozen=True, kw_only=True)
class Need:
    """A quota, and what it has to be.

    Attributes:
        name: In AWS's words.
        count: Instances at the same time.
        notebooks: That use them.
        is_required: Whether something that has to run here uses them.
    """

    name: str
    count: int
    notebooks: tuple[str, ...]
    is_required: bool


def quota_needs(rows: Iterable[Usage], notebook: str | None) -> list[Need]:
    """Return the quotas of a mode, or those of one of its notebooks.

    Where Jupyter itself runs is no question for a notebook that runs already.
    """
    by_name: dict[str, list[Usage]] = {}
    for row in rows:
        if notebook is None or (row.notebook == notebook and row.kind != NOTEBOOK_INSTANCE):
            by_name.setdefault(row.quota_name, []).append(row)
    return [
        Need(
            name=name,
            count=max(row.count for row in found),
            notebooks=tuple(dict.fromkeys(row.notebook for row in found)),
            # One may leave out what is optional, and run Jupyter on a machine of one's own.
            is_required=notebook is not None
            or any(not row.is_optional and row.kind != NOTEBOOK_INSTANCE for row in found),
        )
        for name, found in by_name.items()
    ]


def quota_lines(aws: Aws, client: Any, notebook: str | None) -> list[Line]:
    """Return a line for every quota that counts."""
    needs = quota_needs(usages(aws.settings), notebook)
    quotas = _quotas(client, {need.name for need in needs})
    return [quota_line(need, quotas.get(need.name), aws.region) for need in needs]


def quota_line(need: Need, quota: dict[str, Any] | None, region: str) -> Line:
    """Compare a quota, as Service Quotas describes it, with what it has to be."""
    tell = fail if need.is_required else warn
    console, notebooks = _CONSOLE.format(region=region), ", ".join(need.notebooks)
    if quota is None:
        found = f"{need.name}: Service Quotas has none of this name in {region} ({notebooks})"
        return warn("quota", found, f"see whether the region has this instance type: {console}")
    value, code = quota["Value"], quota["QuotaCode"]
    found = f"{need.name}: {value:g}, {need.count} needed ({code})"
    if value >= need.count:
        return ok("quota", found)
    step = f"ask for {need.count} or more, which takes hours to days: {console}/{code}"
    return tell("quota", f"{found}, for {notebooks}", step)


def _quotas(client: Any, names: set[str]) -> dict[str, dict[str, Any]]:
    """Return the quotas of these names: the account's own values, and AWS's where it has none.

    There are thousands, and nothing asks by name.
    """
    found: dict[str, dict[str, Any]] = {}
    for operation in ("list_service_quotas", "list_aws_default_service_quotas"):
        for page in client.get_paginator(operation).paginate(ServiceCode="sagemaker"):
            for quota in page["Quotas"]:
                if quota["QuotaName"] in names:
                    found.setdefault(quota["QuotaName"], quota)
            if names <= found.keys():
                return found
    return found
