"""Every operation of AWS that code and notebooks call with boto3 exists, with the members it is given."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import botocore.session
import pytest
from botocore import xform_name

from .repository_code import notebook_trees, source_trees

# What operations begin with; dict.update(StatusCode=...) is none.
VERBS = (
    *("create_", "describe_", "list_", "delete_", "update_", "put_", "get_", "invoke_", "add_", "stop_"),
    *("register_", "deregister_", "head_", "copy_", "filter_", "simulate_", "batch_"),
)
SERVICES = (
    *("sagemaker", "sagemaker-runtime", "s3", "sts", "iam", "logs", "cloudwatch"),
    *("application-autoscaling", "service-quotas", "pricing", "ecr", "events"),
)
_SESSION = botocore.session.get_session()
# Python name of an operation -> names of its members, in each service that has it.
MEMBERS: dict[str, list[set[str]]] = {}
for _service in SERVICES:
    _model = _SESSION.get_service_model(_service)
    for _name in _model.operation_names:
        _shape = _model.operation_model(_name).input_shape
        MEMBERS.setdefault(xform_name(_name), []).append(set(_shape.members if _shape else ()))


def requests() -> Iterator[tuple[str, str]]:
    """Yield (operation, member) for calls whose keywords are written as boto3's are: with a capital."""
    for _, tree in (*notebook_trees(), *source_trees(having=r"\b[A-Z]\w*=[^=]")):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            members = [keyword.arg for keyword in node.keywords if keyword.arg and keyword.arg[0].isupper()]
            for member in members:
                if node.func.attr.startswith(VERBS):
                    yield node.func.attr, member


REQUESTS = sorted(set(requests()))


def test_requests_are_looked_at() -> None:
    assert len(REQUESTS) >= 30
    assert ("describe_training_job", "TrainingJobName") in REQUESTS


@pytest.mark.parametrize(("operation", "member"), REQUESTS)
def test_the_operation_has_the_member(operation: str, member: str) -> None:
    assert operation in MEMBERS, "no operation of that name in any service that is used"
    assert any(member in members for members in MEMBERS[operation])
