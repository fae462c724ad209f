"""Requests are checked as AWS does, in its words."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.model import ShapeResolver, StructureShape

from sandbox.api import service_model
from sandbox.api.constraints import violations
from sandbox.api.errors import AwsError
from sandbox.api.patterns import compiled


def check(operation: str, request: Any) -> AwsError:
    with pytest.raises(AwsError) as caught:
        service_model.check_request(operation, request)
    return caught.value


LENGTHS = (
    "Member must have length less than or equal to {}, Member must have length greater than or equal to 0"
)
VPC = {"Subnets": ["a"], "SecurityGroupIds": ["s"]}


@pytest.mark.parametrize(
    ("request_", "value", "place", "constraint"),
    [
        ({"ModelName": None}, None, "modelName", "Member must not be null"),
        (
            {"ModelName": "m!"},
            "m!",
            "modelName",
            r"Member must satisfy regular expression pattern: [a-zA-Z0-9]([\-a-zA-Z0-9]*[a-zA-Z0-9])?",
        ),
        (
            {"ModelName": "m" * 64},
            "m" * 64,
            "modelName",
            "Member must have length less than or equal to 63",
        ),
        (
            {"PrimaryContainer": {"Mode": "Both"}},
            "Both",
            "primaryContainer.mode",
            "Member must satisfy enum value set: [SingleModel, MultiModel]",
        ),
        (
            {"PrimaryContainer": {"Environment": {"A": "x" * 1025, "B": "y"}}},
            f"{{A={'x' * 1025}, B=y}}",
            "primaryContainer.environment",
            f"Map value must satisfy constraint: [{LENGTHS.format(1024)},"
            r" Member must satisfy regular expression pattern: [\S\s]*]",
        ),
        (
            {"PrimaryContainer": {"Environment": {"1": "x"}}},
            "{1=x}",
            "primaryContainer.environment",
            f"Map keys must satisfy constraint: [{LENGTHS.format(1024)},"
            " Member must satisfy regular expression pattern: [a-zA-Z_][a-zA-Z0-9_]*]",
        ),
        (
            {"VpcConfig": {**VPC, "SecurityGroupIds": []}},
            "[]",
            "vpcConfig.securityGroupIds",
            "Member must have length greater than or equal to 1",
        ),
        (
            {"VpcConfig": {**VPC, "Subnets": ["a b"]}},
            "[a b]",
            "vpcConfig.subnets",
            f"Member must satisfy constraint: [{LENGTHS.format(32)},"
            " Member must satisfy regular expression pattern: [-0-9a-zA-Z]+]",
        ),
        (
            {"Tags": [{"Key": "a", "Value": "b"}, {"Key": "a", "Value": "#"}]},
            "#",
            "tags.2.member.value",
            r"Member must satisfy regular expression pattern: ([\p{L}\p{Z}\p{N}_.:/=+\-@]*)",
        ),
    ],
)
def test_a_violation_is_reported_in_the_words_of_aws(
    request_: Any, value: str | None, place: str, constraint: str
) -> None:
    error = check("CreateModel", {"ModelName": "m", **request_})
    shown = "null" if value is None else f"'{value}'"
    assert error.code == "ValidationException"
    assert error.message == (
        f"1 validation error detected: Value {shown} at '{place}' failed to satisfy constraint: {constraint}"
    )


def test_all_violations_stand_in_one_message() -> None:
    error = check("ListModels", {"MaxResults": 0, "SortBy": "Size", "SortOrder": "Up"})
    assert error.message.startswith("3 validation errors detected: Value '0' at 'maxResults' failed")
    assert error.message.count("; ") == 2


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ([], "START_ARRAY can not be converted to a Structure"),
        (None, "NULL_VALUE can not be converted to a Structure"),
        ({"MaxResults": "1"}, "STRING_VALUE can not be converted to a Integer"),
        ({"MaxResults": True}, "TRUE_VALUE can not be converted to a Integer"),
        ({"MaxResults": 1.5}, "DECIMAL_VALUE can not be converted to a Integer"),
        ({"MaxResults": 2**31}, "NUMBER_VALUE can not be converted to a Integer"),
        ({"NameContains": 1}, "NUMBER_VALUE can not be converted to a String"),
        ({"CreationTimeAfter": "yesterday"}, "STRING_VALUE can not be converted to a Timestamp"),
        ({"CreationTimeAfter": 1e300}, "DECIMAL_VALUE can not be converted to a Timestamp"),
    ],
)
def test_a_wrong_type_is_a_serialization_error(request_: Any, message: str) -> None:
    error = check("ListModels", request_)
    assert (error.code, error.message) == ("SerializationException", message)


def test_what_aws_does_not_know_is_ignored_and_nulls_are_absent() -> None:
    request = {"NameContains": "a", "SortBy": None, "Colour": "red"}
    assert service_model.check_request("ListModels", request) == {"NameContains": "a"}
    nested = {"ModelName": "m", "PrimaryContainer": {"Image": "i", "Colour": 1, "Mode": None}}
    assert service_model.check_request("CreateModel", nested)["PrimaryContainer"] == {"Image": "i"}


@pytest.fixture
def clock_of_seoul(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A time without a zone is UTC, wherever the machine is."""
    with monkeypatch.context() as environment:
        environment.setenv("TZ", "Asia/Seoul")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    "given", [1767225600, 1767225600.0, "2026-01-01T00:00:00Z", "2026-01-01T09:00:00+09:00", "2026-01-01"]
)
def test_a_time_comes_in_seconds_or_in_iso_8601(given: Any, clock_of_seoul: None) -> None:
    assert service_model.check_request("ListModels", {"CreationTimeAfter": given}) == {
        "CreationTimeAfter": 1767225600.0
    }


def test_the_size_of_a_blob_is_that_of_its_bytes() -> None:
    shape = ShapeResolver({"B": {"type": "blob", "max": 3}}).get_shape_by_name("B")
    assert list(violations(shape, "YWJj")) == []  # three bytes in four characters
    assert len(list(violations(shape, "YWJjZA=="))) == 1
    with pytest.raises(AwsError, match="can not be converted to a Blob"):
        list(violations(shape, "한국"))


def test_an_answer_of_ours_that_aws_could_not_give_is_found() -> None:
    assert service_model.check_answer("ListModels", {"Models": [], "NextToken": None}) == {"Models": []}
    for wrong in ({}, {"Models": [], "Total": 0}, {"Models": [{"ModelName": "m"}]}):
        with pytest.raises(AssertionError):
            service_model.check_answer("ListModels", wrong)


@pytest.mark.parametrize(("service", "num_patterns"), [("sagemaker", 240), ("sagemaker-runtime", 10)])
def test_every_pattern_of_the_models_compiles_without_a_warning(service: str, num_patterns: int) -> None:
    model, seen, patterns = service_model.service_model(service), set(), set()

    def walk(shape: Any) -> None:
        if shape is None or shape.name in seen:
            return
        seen.add(shape.name)
        patterns.add(shape.metadata.get("pattern"))
        inner = shape.members.values() if isinstance(shape, StructureShape) else ()
        for child in (*inner, *(getattr(shape, name, None) for name in ("member", "key", "value"))):
            walk(child)

    for name in model.operation_names:
        walk(model.operation_model(name).input_shape)
        walk(model.operation_model(name).output_shape)
    assert len(patterns) > num_patterns
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for pattern in patterns - {None}:
            compiled(pattern)


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        (
            r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)",
            ["한국어 뉴스", "\u1112\u1161\u11ab", "Ⅷ", "a\u3000b", ""],
            ["#", "a\tb", "😀", "e\u0301"],
        ),
        (r"[\p{L}\p{M}\p{Z}\p{S}\p{N}\p{P}]*", ["e\u0301 😀 #", "한"], ["a\tb", "\u200b"]),
        (r"[\p{L}_]+", ["한_é"], ["1", "Ⅷ"]),
        (r"arn:[\p{Alnum}\-]+:x", ["arn:aws-cn:x"], ["arn:é:x"]),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", ["한 😀\t"], ["\n"]),
        (r"([\p{L}\p{Z}\p{N}_.:\/=+\-@]*)${1,128}", ["a b"], ["a#"]),
        (r"[\w:]+", ["sha256:a_b"], ["한", "①"]),
        (r"\d{12}", ["000000000000"], ["٣" * 12]),
        (r"\p{ASCII}*", ['text/plain; a="b"\t'], ["한"]),
        (r"\A\S[\p{Print}]*\z", ["a b~"], [" a", "a\n", "a\t", "aé"]),
    ],
)
def test_a_pattern_of_java_means_the_same(pattern: str, fits: list[str], does_not: list[str]) -> None:
    assert [text for text in fits if not compiled(pattern).fullmatch(text)] == []
    assert [text for text in does_not if compiled(pattern).fullmatch(text)] == []
