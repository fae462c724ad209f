"""List operations: filters, sorting and pages, the same for every kind of resource."""

from __future__ import annotations

import base64
import json
import operator
from collections.abc import Callable, Set
from functools import partial
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.registry import Call

Record = dict[str, Any]
DEFAULT_MAX_RESULTS = 10
# The API reference says which lists begin with the oldest; a test compares it with botocore's copy.
ASCENDING = frozenset(
    {"ListModelPackageGroups", "ListModelPackages", "ListProcessingJobs", "ListTrainingJobs"}
)
# Of the others it says "created after"; another test compares this one.
FROM_CREATION_TIME = frozenset({"ListEndpointConfigs", "ListEndpoints", "ListModels"})
_TIME_FILTERS = {
    "CreatedAfter": ("CreationTime", operator.gt),
    "CreatedBefore": ("CreationTime", operator.lt),
    "CreationTimeAfter": ("CreationTime", operator.gt),
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
    in_page: Set[str] = frozenset(),
    order_key: str | None = None,
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
        in_page: Filters that thin a page out after its records were taken: it may be empty, with a NextToken.
        order_key: Member that orders by name, no two the same; the name when None.

    Raises:
        AwsError: ValidationException for a NextToken that is not of this list in this order.
    """
    request = call.request
    order_key = order_key or name_key
    sort_keys = {"Name": order_key, "CreationTime": "CreationTime", **(sort_keys or {})}
    sort_by = request.get("SortBy", "CreationTime")
    order = request.get("SortOrder", "Ascending" if call.operation in ASCENDING else "Descending")
    filters = _filters(call, name_key, equals or {})
    before = [passes for name, passes in filters.items() if name not in in_page]
    within = [passes for name, passes in filters.items() if name in in_page]
    page, token = page_of(
        [record for record in records if all(passes(record) for passes in before)],
        place=lambda record: [record[sort_keys[sort_by]], record[order_key]],
        is_descending=order == "Descending",
        of_list=f"{call.operation} {sort_by} {order}",
        request=request,
    )
    found = [summary(record) for record in page if all(passes(record) for passes in within)]
    return {answer_key: found, "NextToken": token}


def page_of(
    records: list[Record],
    *,
    place: Callable[[Record], list[Any]],
    is_descending: bool,
    of_list: str,
    request: dict[str, Any],
) -> tuple[list[Record], str | None]:
    """Return the page that a request asks for, and the token of the next one if there is one.

    A page begins after the place of its predecessor's last entry in the order, so that what is added or
    deleted meanwhile moves no entry to another page.

    Args:
        records: What is listed, in any order.
        place: A record's place in the order, as JSON has it; no two have the same.
        is_descending: The order is from the last place to the first.
        of_list: What list and order it is: a token of another one is refused.
        request: With MaxResults and NextToken.

    Raises:
        AwsError: ValidationException for a NextToken that is not of this list in this order.
    """
    kept = sorted(records, key=place, reverse=is_descending)
    if "NextToken" in request:
        after = _read_token(request["NextToken"], of_list)
        is_later = operator.lt if is_descending else operator.gt
        kept = [record for record in kept if is_later(place(record), after)]
    size = request.get("MaxResults", DEFAULT_MAX_RESULTS)
    page = kept[:size]
    return page, _token(of_list, place(page[-1])) if len(kept) > size else None


def _filters(call: Call, name_key: str, equals: dict[str, str]) -> dict[str, Callable[[Record], bool]]:
    """Return the filters that a request has: name -> whether a record passes it."""
    request, found = call.request, {}
    if "NameContains" in request:
        part = request["NameContains"].lower()
        found["NameContains"] = lambda record: part in record[name_key].lower()
    for name in equals.keys() & request.keys():
        found[name] = partial(_has, member=equals[name], value=request[name])
    for name in _TIME_FILTERS.keys() & request.keys():
        member, compare = _TIME_FILTERS[name]
        if name == "CreationTimeAfter" and call.operation in FROM_CREATION_TIME:
            compare = operator.ge
        found[name] = partial(_compares, member=member, compare=compare, value=request[name])
    return found


def _has(record: Record, *, member: str, value: str) -> bool:
    return record.get(member) == value


def _compares(record: Record, *, member: str, compare: Callable[[Any, Any], bool], value: float) -> bool:
    return compare(record[member], value)


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
