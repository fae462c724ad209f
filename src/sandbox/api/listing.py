"""List operations: filters, sorting and pages, the same for every kind of resource."""

from __future__ import annotations

import base64
import json
import operator
from collections.abc import Callable
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.registry import Call

Record = dict[str, Any]
DEFAULT_MAX_RESULTS = 10
# The API reference says which lists begin with the oldest; a test compares it with botocore's copy.
ASCENDING = frozenset(
    {"ListModelPackageGroups", "ListModelPackages", "ListProcessingJobs", "ListTrainingJobs"}
)
_TIME_FILTERS = {
    "CreationTimeAfter": ("CreationTime", operator.ge),
    "CreationTimeBefore": ("CreationTime", operator.lt),
    "LastModifiedTimeAfter": ("LastModifiedTime", operator.gt),
    "LastModifiedTimeBefore": ("LastModifiedTime", operator.lt),
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

    A page begins after the place of its predecessor's last entry in the order, so that what is added or
    deleted meanwhile moves no entry to another page.

    Args:
        call: With NameContains, time filters, SortBy, SortOrder, MaxResults and NextToken.
        records: All records of the kind.
        answer_key: Member of the answer that holds the list, for example TrainingJobSummaries.
        name_key: Member of a record that is its name.
        summary: Makes a record's summary.
        equals: Filter -> member it must equal, for example StatusEquals -> TrainingJobStatus.
        sort_keys: SortBy value -> member; name and creation time when None.

    Raises:
        AwsError: ValidationException for a NextToken that is not of this list in this order.
    """
    request = call.request
    sort_keys = {"Name": name_key, "CreationTime": "CreationTime", **(sort_keys or {})}
    sort_by = request.get("SortBy", "CreationTime")
    order = request.get("SortOrder", "Ascending" if call.operation in ASCENDING else "Descending")
    member, is_descending = sort_keys[sort_by], order == "Descending"

    def place(record: Record) -> list[Any]:
        return [record[member], record[name_key]]

    kept = [record for record in records if _passes(record, request, name_key, equals or {})]
    kept.sort(key=place, reverse=is_descending)
    list_in_order = f"{call.operation} {sort_by} {order}"
    if "NextToken" in request:
        after = _read_token(request["NextToken"], list_in_order)
        is_later = operator.lt if is_descending else operator.gt
        kept = [record for record in kept if is_later(place(record), after)]
    size = request.get("MaxResults", DEFAULT_MAX_RESULTS)
    page = kept[:size]
    answer: dict[str, Any] = {answer_key: [summary(record) for record in page]}
    if len(kept) > size:
        answer["NextToken"] = _token(list_in_order, place(page[-1]))
    return answer


def _passes(record: Record, request: dict[str, Any], name_key: str, equals: dict[str, str]) -> bool:
    if request.get("NameContains", "").lower() not in record[name_key].lower():
        return False
    if any(name in request and record.get(member) != request[name] for name, member in equals.items()):
        return False
    return all(
        compare(record[member], request[name])
        for name, (member, compare) in _TIME_FILTERS.items()
        if name in request
    )


def _token(list_in_order: str, place: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([list_in_order, place]).encode()).decode()


def _read_token(token: str, list_in_order: str) -> list[Any]:
    try:
        of_list, place = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError):
        of_list, place = None, []
    if of_list != list_in_order:
        raise validation_error("Invalid NextToken: it is not of this list in this order.")
    return place
