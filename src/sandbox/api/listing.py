"""List operations: filters, sorting and pages, the same for every kind of resource."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.registry import Call

Record = dict[str, Any]
DEFAULT_MAX_RESULTS = 10
_TIME_FILTERS = {
    "CreationTimeAfter": ("CreationTime", float.__gt__),
    "CreationTimeBefore": ("CreationTime", float.__lt__),
    "LastModifiedTimeAfter": ("LastModifiedTime", float.__gt__),
    "LastModifiedTimeBefore": ("LastModifiedTime", float.__lt__),
}


def list_records(
    call: Call,
    records: list[Record],
    *,
    answer_key: str,
    name_key: str,
    summary: Callable[[Record], Record],
    equals: dict[str, str] | None = None,
    sort_keys: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Answer a List operation.

    Args:
        call: With NameContains, time filters, SortBy, SortOrder, MaxResults and NextToken.
        records: All records of the kind.
        answer_key: Member of the answer that holds the list, for example TrainingJobSummaries.
        name_key: Member of a record that is its name.
        summary: Makes a record's summary.
        equals: Filter -> member it must equal, for example StatusEquals -> TrainingJobStatus.
        sort_keys: SortBy value -> member; name and creation time when None.

    Raises:
        AwsError: ValidationException for a NextToken that is not one of ours.
    """
    request = call.request
    kept = [record for record in records if _passes(record, request, name_key, equals or {})]
    sort_keys = {"Name": name_key, "CreationTime": "CreationTime", **(sort_keys or {})}
    member = sort_keys.get(request.get("SortBy", "CreationTime"), "CreationTime")
    # AWS sorts newest first for most lists, and by name where the name is asked for.
    is_descending = request.get("SortOrder", "Descending") == "Descending"
    kept.sort(key=lambda record: (record.get(member, ""), record[name_key]), reverse=is_descending)
    after = _read_token(request.get("NextToken"))
    if after:
        names = [record[name_key] for record in kept]
        kept = kept[names.index(after) + 1 :] if after in names else []
    size = int(request.get("MaxResults", DEFAULT_MAX_RESULTS))
    page = kept[:size]
    answer: dict[str, Any] = {answer_key: [summary(record) for record in page]}
    if len(kept) > size:
        answer["NextToken"] = _token(page[-1][name_key])
    return answer


def _passes(record: Record, request: dict[str, Any], name_key: str, equals: dict[str, str]) -> bool:
    if request.get("NameContains", "").lower() not in record[name_key].lower():
        return False
    if any(name in request and record.get(member) != request[name] for name, member in equals.items()):
        return False
    return all(
        compare(float(record[member]), float(request[name]))
        for name, (member, compare) in _TIME_FILTERS.items()
        if name in request
    )


def _token(name: str) -> str:
    return base64.urlsafe_b64encode(json.dumps({"after": name}).encode()).decode()


def _read_token(token: str | None) -> str | None:
    if not token:
        return None
    try:
        return json.loads(base64.urlsafe_b64decode(token))["after"]
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise validation_error(f"Invalid NextToken: {token[:40]}") from None
