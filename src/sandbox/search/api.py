"""The operation Search: which records an expression finds, in which order, page by page."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sandbox.api.errors import validation_error
from sandbox.api.listing import page_of
from sandbox.api.registry import Call, operation
from sandbox.search import properties
from sandbox.search.expression import as_number, matcher
from sandbox.search.properties import GROUP, HYPERPARAMETER, Property
from sandbox.search.resources import RESOURCES, Searched


@operation("Search")
def search(call: Call) -> dict[str, Any]:
    request, searched = call.request, _searched(call.request)
    sort_by = _sort_property(request, searched)
    order = request.get("SortOrder", "Descending")
    found = _found(call, searched)
    page, token = page_of(
        found,
        place=lambda record: _place(record, sort_by, searched, is_descending=order == "Descending"),
        is_descending=order == "Descending",
        of_list=f"Search {searched.member} {sort_by.name} {order} {_digest(request.get('SearchExpression'))}",
        request=request,
    )
    return {
        "Results": [{searched.member: record} for record in page],
        "NextToken": token,
        "TotalHits": {"Value": len(found), "Relation": "EqualTo"},
    }


def _searched(request: dict[str, Any]) -> Searched:
    resource = request["Resource"]
    if resource not in RESOURCES:
        raise validation_error(
            f"The sandbox does not search Resource = {resource}; it searches {', '.join(RESOURCES)}."
        )
    return RESOURCES[resource]


def _found(call: Call, searched: Searched) -> list[dict[str, Any]]:
    expression, matches = call.request.get("SearchExpression"), None
    if expression is not None:
        matches = matcher(expression, searched.shape, searched.property_name)
    if call.request.get("CrossAccountFilterOption") == "CrossAccount":
        return []  # of other accounts, and there are none
    return [record for record in searched.records(call) if matches is None or matches(record)]


def _sort_property(request: dict[str, Any], searched: Searched) -> Property:
    name = searched.property_name(request.get("SortBy", searched.default_sort))
    found = properties.find(searched.shape, name)
    if found.kind == GROUP:
        raise validation_error(f"SortBy must name a property with a value, not {name}.")
    return found


def _place(
    record: dict[str, Any], sort_by: Property, searched: Searched, *, is_descending: bool
) -> list[Any]:
    """Return a record's place in the order; those without the property are last in both directions."""
    name = properties.find(searched.shape, searched.name).values(record)
    values = sort_by.values(record)
    if sort_by.kind == HYPERPARAMETER:  # numbers before other text
        values = [
            [as_number(text) is None, text if as_number(text) is None else as_number(text)] for text in values
        ]
    if not values:
        return [not is_descending, None, name]
    return [is_descending, (max if is_descending else min)(values), name]


def _digest(expression: Any) -> str:
    return hashlib.sha256(json.dumps(expression, sort_keys=True).encode()).hexdigest()[:16]
