"""An error of AWS about an endpoint or a component says what to do next."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from workshop.aws.errors import explain, explained
from workshop.errors import WorkshopError

NO_CAPACITY = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress "
    "(if configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
)
NO_ROOM = (
    "There is not enough hardware resources on the instances for this endpoint to create a copy of the "
    "inference component."
)
BUSY = 'Cannot delete inference component "arn" while it is in state UPDATE_RC_IN_PROGRESS.'


def error(
    code: str, message: str, operation: str = "CreateInferenceComponent", **more: object
) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}, **more}, operation)


@pytest.mark.parametrize(
    ("code", "message", "parts"),
    [
        ("ValidationError", NO_CAPACITY, ["NoCapacityInvocationFailures", "a copy comes by itself"]),
        ("ValidationException", NO_ROOM, ["room for a copy", "host memory first"]),
        ("ValidationException", "MaximumBatchSize must be between 5% and 50% of the copy count of the "
         "inference component: found 2 COPY_COUNT of 2 copies.", ["at most half", "more copies first"]),
        ("ValidationException", BUSY, ["nothing else is changing", "wait until it is InService"]),
        ("ValidationException", "The instance type has 4 accelerators, 64 are required.",
         ["component_num_gpus"]),
        ("ValidationException", "Value '{...}' at 'specification.container.environment' failed to satisfy "
         "constraint: Member must have length less than or equal to 16", ["at most 16 variables", "Model"]),
        ("ValidationException", "Inference component a is an adapter inference component.",
         ["no adapter itself"]),
        ("ValidationException", "Cannot delete endpoint with inference component associated. Please delete "
         "inference component and try it again.", ["delete its components first", "before their base"]),
        ("ValidationException", 'Could not find inference component "arn".', ["in this account and region"]),
        ("ValidationException", "Inference component a is not in service.", ["InService", "waits for it"]),
        ("ValidationException", "Cannot create already existing endpoint.", ["not taken"]),
        ("ResourceLimitExceeded", "The account-level service limit 'ml.g5.12xlarge' is 0 Instances.",
         ["Service Quotas"]),
        ("InsufficientInstanceCapacity", "Unable to provision requested ML compute capacity.",
         ["g6 or g6e"]),
        ("AccessDeniedException", "User is not authorized", ["administrator"]),
        ("AccessDeniedException", "not authorized to perform: sagemaker:CallWithBearerToken",
         ["policy allows sagemaker:CallWithBearerToken", "setup/iam/person-policy.json"]),
        ("AccessDeniedException", "User: x is not authorized to perform: iam:PassRole on resource: arn:aws:i"
         "am::1:role/adapter because no identity-based policy allows the iam:PassRole action",
         ["policy allows iam:PassRole", "setup/iam/person-policy.json"]),
        ("403", "Forbidden [missing: iam:GetRole; compare]", ["policy allows iam:GetRole", "person-policy"]),
        ("AccessDeniedException", "Authentication failed: the token does not begin with x",
         ["your role needs sagemaker:CallWithBearerToken"]),
        ("ThrottlingException", "Rate exceeded", ["wait a moment"]),
        ("ValidationException", "something new", ["correct what it names"]),
    ],
)  # fmt: skip
def test_aws_own_words_come_with_what_to_do(code: str, message: str, parts: list[str]) -> None:
    shown = explain(error(code, message))
    said = message.partition(" [missing:")[0]
    assert shown.found == f"CreateInferenceComponent was refused ({code}): {said}"
    for part in parts:
        assert part in f"{shown.expected} {shown.next_step}"


def test_a_containers_refusal_names_the_engines_limit() -> None:
    body = json.dumps({"error": "`inputs` must have less than 1792 tokens. Given: 1900", "error_type": "v"})
    refused = error("ModelError", "Received client error (422)", OriginalStatusCode=422, OriginalMessage=body)
    assert "MAX_INPUT_TOKENS = 1792" in explain(refused, "tgi").expected
    assert "ModelError" in explain(refused).found


def test_errors_of_aws_in_the_block_are_explained_and_others_pass() -> None:
    with pytest.raises(WorkshopError, match="has no capacity"), explained("tgi"):
        raise error("ValidationError", NO_CAPACITY, "InvokeEndpoint")
    with pytest.raises(KeyError), explained():
        raise KeyError("mine")
    with explained():
        pass
