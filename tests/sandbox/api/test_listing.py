"""Lists: filters, order and pages, through boto3."""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Set

import pytest
from botocore.exceptions import ClientError

from sandbox import operations
from sandbox.api import fields, listing, registry, service_model

ROLE = "arn:aws:iam::000000000000:role/service"


@pytest.fixture(scope="module")
def models(sandbox) -> list[str]:
    """Seven models, oldest first; their names are not in the order of their times."""
    names = ["d-news", "a-news", "g-News", "c", "f", "b", "e"]
    for name in names:
        sandbox.client("sagemaker").create_model(
            ModelName=name, PrimaryContainer={"Image": "i"}, ExecutionRoleArn=ROLE
        )
    return names


def listed(sandbox, **request) -> list[str]:
    return [model["ModelName"] for model in sandbox.client("sagemaker").list_models(**request)["Models"]]


def test_the_newest_come_first_unless_asked_otherwise(sandbox, models) -> None:
    assert listed(sandbox) == models[::-1]
    assert listed(sandbox, SortOrder="Ascending") == models
    assert listed(sandbox, SortBy="Name") == sorted(models, reverse=True)
    assert listed(sandbox, SortBy="Name", SortOrder="Ascending") == sorted(models)


def test_names_filter_whatever_their_case(sandbox, models) -> None:
    assert listed(sandbox, NameContains="NEWS") == ["g-News", "a-news", "d-news"]
    assert listed(sandbox, CreationTimeAfter=time.time() + 60) == []
    assert listed(sandbox, CreationTimeBefore=time.time() - 60) == []


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        ({"CreationTimeAfter": 2.5}, ["c", "b"]),  # at that time or after
        ({"CreationTimeBefore": 2.5}, ["a"]),
        ({"LastModifiedTimeAfter": 8.0}, ["a"]),  # after, not at
        ({"LastModifiedTimeBefore": 8.0}, ["c"]),
        ({"StatusEquals": "Failed"}, ["b"]),
        ({"StatusEquals": "Failed", "CreationTimeBefore": 2.5}, []),
        ({"SortBy": "Status", "SortOrder": "Ascending"}, ["b", "a", "c"]),
    ],
)
def test_times_and_states_filter_and_sort(request_: dict[str, object], names: list[str]) -> None:
    assert names_of("ListEndpoints", request_) == names


def test_training_jobs_begin_with_the_oldest() -> None:
    assert names_of("ListTrainingJobs", {}) == ["a", "b", "c"]
    assert names_of("ListTrainingJobs", {"SortOrder": "Descending"}) == ["c", "b", "a"]
    assert names_of("ListEndpoints", {}) == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("operation", "names"),
    [
        ("ListModels", ["c", "b"]),  # "greater than or equal to the specified time"
        ("ListEndpointConfigs", ["c", "b"]),
        ("ListInferenceComponents", ["c"]),  # "created after the specified time"
        ("ListTrainingJobs", ["c"]),
    ],
)
def test_a_creation_time_is_within_its_own_limit_only_where_it_is_documented_so(
    operation: str, names: list[str]
) -> None:
    assert names_of(operation, {"CreationTimeAfter": 2.5}) == names


def test_a_filter_thins_pages_out_where_it_is_documented_so() -> None:
    request = {"StatusEquals": "Failed", "MaxResults": 1}
    assert names_of("ListEndpoints", request) == ["b"]
    pages, token = [], None
    while token or not pages:
        answer = listed_records("ListEndpoints", {**request, **token} if token else request, {"StatusEquals"})
        pages.append(answer["Names"])
        token = {"NextToken": answer["NextToken"]} if answer["NextToken"] else None
    assert pages == [[], ["b"], []]


def names_of(operation: str, request: dict[str, object]) -> list[str]:
    return listed_records(operation, request)["Names"]


def listed_records(
    operation: str, request: dict[str, object], in_page: Set[str] = frozenset()
) -> dict[str, object]:
    """Return what a list of three records answers."""
    records = [
        {"Name": "a", "CreationTime": 1.0, "LastModifiedTime": 9.0, "Status": "InService"},
        {"Name": "b", "CreationTime": 2.5, "LastModifiedTime": 8.0, "Status": "Failed"},
        {"Name": "c", "CreationTime": 3.0, "LastModifiedTime": 7.0, "Status": "InService"},
    ]
    return listing.list_records(
        registry.Call(operation=operation, request=request, region="r", context=None),
        records,
        answer_key="Names",
        name_key="Name",
        summary=lambda record: record["Name"],
        equals={"StatusEquals": "Status"},
        sort_keys={"Status": "Status"},
        in_page=in_page,
    )


def test_a_region_has_its_own(sandbox, models) -> None:
    answer = sandbox.client("sagemaker", "ap-northeast-2").list_models()
    assert answer["Models"] == []


def test_pages_hold_everything_once(sandbox, models) -> None:
    pages = (
        sandbox.client("sagemaker").get_paginator("list_models").paginate(PaginationConfig={"PageSize": 3})
    )
    found = [[model["ModelName"] for model in page["Models"]] for page in pages]
    assert [len(page) for page in found] == [3, 3, 1]
    assert [name for page in found for name in page] == models[::-1]


def test_pages_stay_where_they_are_while_entries_come_and_go(sandbox, models) -> None:
    client = sandbox.client("sagemaker")
    first = client.list_models(MaxResults=3)
    last = first["Models"][-1]["ModelName"]
    client.create_model(ModelName="newer", PrimaryContainer={"Image": "i"}, ExecutionRoleArn=ROLE)
    client.delete_model(ModelName=last)
    try:
        assert listed(sandbox, NextToken=first["NextToken"]) == models[3::-1]
    finally:
        client.delete_model(ModelName="newer")
        models.remove(last)


@pytest.mark.parametrize("token", ["x", "e30=", "WzEsMl0=", "한국"])
def test_a_token_that_is_none_of_ours_is_refused(sandbox, token: str) -> None:
    with pytest.raises(ClientError, match=r"ValidationException.*Invalid NextToken"):
        sandbox.client("sagemaker").list_models(NextToken=token)


def test_a_token_of_another_order_is_refused(sandbox, models) -> None:
    token = sandbox.client("sagemaker").list_models(MaxResults=1)["NextToken"]
    assert listed(sandbox, NextToken=token, SortOrder="Descending") == listed(sandbox)[1:]
    for other in ({"SortBy": "Name"}, {"SortOrder": "Ascending"}):
        with pytest.raises(ClientError, match="Invalid NextToken"):
            sandbox.client("sagemaker").list_models(NextToken=token, **other)


def test_more_results_than_the_model_allows_are_refused(sandbox) -> None:
    with pytest.raises(ClientError, match="less than or equal to 100"):
        sandbox.client("sagemaker").list_models(MaxResults=101)


# The newest come first: sagemaker 3.27 takes the first of ListPipelineVersions for the last version.
ORDER_NOT_DOCUMENTED = {
    "ListPipelineExecutions",
    "ListPipelineExecutionSteps",
    "ListPipelines",
    "ListPipelineVersions",
}


def test_the_order_of_every_implemented_list_is_the_documented_one() -> None:
    names = {name for name in operations.SAGEMAKER.operations if name.startswith("List")} | listing.ASCENDING
    checked = 0
    for name in names:
        order = service_model.service_model().operation_model(name).input_shape.members.get("SortOrder")
        if order is None:
            continue
        if name in ORDER_NOT_DOCUMENTED:
            assert "scending" not in order.documentation, name
            continue
        (documented,) = re.findall(r"default[^.]*(Ascending|Descending)", order.documentation)
        assert (documented == "Ascending") == (name in listing.ASCENDING), name
        checked += 1
    assert checked >= 4


def test_a_creation_time_is_compared_as_every_implemented_list_documents_it() -> None:
    checked = 0
    for name in operations.SAGEMAKER.operations:
        shape = service_model.service_model().operation_model(name).input_shape
        if name.startswith("List") and "CreationTimeAfter" in shape.members:
            documented = shape.members["CreationTimeAfter"].documentation
            assert ("greater than or equal" in documented) == (name in listing.FROM_CREATION_TIME), name
            checked += 1
    assert checked >= 5


def test_every_filter_of_every_implemented_list_is_one_that_the_list_reads() -> None:
    """A member that no code names would be accepted and ignored."""
    read = {"NameContains", "SortBy", "SortOrder", "MaxResults", "NextToken", *listing._TIME_FILTERS}
    checked = 0
    for name, function in operations.SAGEMAKER.operations.items():
        if name.startswith("List") and name != "ListTags":
            shape = service_model.service_model().operation_model(name).input_shape
            members = set(shape.members) - set(fields.structure("sagemaker", shape.name).refused)
            code = inspect.getsource(function)
            assert [member for member in members - read if f'"{member}"' not in code] == [], name
            checked += 1
    assert checked >= 5
