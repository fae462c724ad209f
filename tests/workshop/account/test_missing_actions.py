"""Each action of the policies taken away: the error names the action and the policy to amend."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import httpx2
import openai
import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session
from tests import permissions_record
from tests.permissions_record import EXECUTION, PERSON, ROLE_ARN, actions, unseen, without
from tests.sandbox.conftest import RunningSandbox
from tests.workshop.account.foreign import job_request

from workshop.aws.denied import EXECUTION_POLICY, PERSON_POLICY, advice_for_role, is_denied
from workshop.aws.errors import explain, explain_openai
from workshop.aws.session import PREFIX, Aws
from workshop.errors import WorkshopError
from workshop.training.follow import follow

NAME = "news-x"
GROUP = "/aws/sagemaker/Endpoints/news-x"
RUN = f"arn:aws:sagemaker:us-east-1:000000000000:pipeline/{NAME}/execution/a1b2c3"
CALLABLE = [action for action in actions(PERSON) if action not in unseen(PERSON)]
REPOSITORY = f"arn:aws:ecr:us-east-1:000000000000:repository/{NAME}"
RULE = f"arn:aws:events:us-east-1:000000000000:rule/{NAME}"
DASHBOARD = f"arn:aws:cloudwatch::000000000000:dashboard/{NAME}"
# Action -> service of boto3, operation and what is more than its required members, where they differ.
CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    **{
        f"ecr:{name}": ("ecr", name, {"repositoryName": NAME})
        for name in (
            *("CreateRepository", "PutImageTagMutability", "BatchCheckLayerAvailability", "PutImage"),
            *("InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload"),
            *("DescribeImages", "DeleteRepository"),
        )
    },
    "ecr:TagResource": ("ecr", "CreateRepository", {"repositoryName": NAME}),  # as sagemaker:AddTags
    "ecr:ListTagsForResource": ("ecr", "ListTagsForResource", {"resourceArn": REPOSITORY}),
    # The session adds the tags of rules and dashboards, too.
    "events:TagResource": ("events", "PutRule", {"EventPattern": '{"source": ["news"]}'}),
    "events:ListTagsForResource": ("events", "ListTagsForResource", {"ResourceARN": RULE}),
    "cloudwatch:TagResource": ("cloudwatch", "PutDashboard", {"DashboardBody": '{"widgets": []}'}),
    "cloudwatch:ListTagsForResource": ("cloudwatch", "ListTagsForResource", {"ResourceARN": DASHBOARD}),
    "cloudwatch:PutMetricData": (
        "cloudwatch",
        "PutMetricData",
        {"Namespace": "KoreanNews", "MetricData": []},
    ),
    "iam:PassRole": ("sagemaker", "CreateModel", {"ExecutionRoleArn": ROLE_ARN}),
    **{
        f"logs:{name}": ("logs", name, {"logGroupName": GROUP})
        for name in ("DescribeLogStreams", "GetLogEvents")
    },
    "s3:DeleteObjectVersion": ("s3", "DeleteObject", {"VersionId": "1"}),
    "s3:ListAllMyBuckets": ("s3", "ListBuckets", {}),  # boto3 does, and goes on without
    "s3:ListBucket": ("s3", "ListObjectsV2", {}),
    "s3:ListBucketMultipartUploads": ("s3", "ListMultipartUploads", {}),
    "s3:ListBucketVersions": ("s3", "ListObjectVersions", {}),
    "sagemaker:AddTags": ("sagemaker", "CreateModel", {}),  # the session adds the tags
    "sagemaker:CreateModelPackage": ("sagemaker", "CreateModelPackage", {"ModelPackageGroupName": NAME}),
    "sagemaker:ListPipelineExecutionSteps": (
        "sagemaker",
        "ListPipelineExecutionSteps",
        {"PipelineExecutionArn": RUN},
    ),
    "sagemaker:InvokeEndpoint": ("sagemaker-runtime", "InvokeEndpoint", {}),
    "sagemaker:InvokeEndpointWithResponseStream": (
        "sagemaker-runtime",
        "InvokeEndpointWithResponseStream",
        {},
    ),
}
SERVICES = {"servicequotas": "service-quotas"}
APP = "arn:aws:sagemaker:us-east-1:000000000000:mlflow-app/app-X"
# No calls of boto3: OpenAI's client and MLflow's, each in a test of its own.
OF_OTHER_CLIENTS = ("sagemaker:CallWithBearerToken", "sagemaker:CallMlflowAppApi")
VALUES = {
    "Arn": APP,
    "ClientRequestToken": "x" * 32,
    "Key": f"{PREFIX}/x",
    "PipelineExecutionArn": RUN,
    "ServiceNamespace": "sagemaker",
    "logGroupName": GROUP,
    "PolicySourceArn": ROLE_ARN,
    "ResourceArn": f"arn:aws:sagemaker:us-east-1:000000000000:model/{NAME}",
    "RoleArn": ROLE_ARN,
    "RoleName": ROLE_ARN.rpartition("/")[2],
    "repositoryName": "huggingface-pytorch-training",
}


@pytest.fixture
def call(policed_aws: Aws) -> Callable[[str], Any]:
    """Make the call that an action allows, with no more than it has to name."""

    def made(action: str) -> Any:
        prefix, _, name = action.partition(":")
        service, operation, more = CALLS.get(action, (SERVICES.get(prefix, prefix), name, {}))
        model = _service(service).operation_model(operation)
        members = {**_required(model.input_shape, policed_aws.bucket), **more}
        return getattr(policed_aws.client(service), _snake(operation))(**members)

    return made


@cache
def _service(name: str) -> Any:
    return get_session().get_service_model(name)


def _snake(operation: str) -> str:
    from botocore import xform_name

    return xform_name(operation)


def _required(shape: Any, bucket: str) -> dict[str, Any]:
    """Return the members that a request must have, named as the workshop names things."""
    named = {**VALUES, "Bucket": bucket}
    return {
        name: named.get(name) or _value(shape.members[name], bucket)
        for name in (shape.required_members if shape else ())
    }


def _value(shape: Any, bucket: str) -> Any:
    match shape.type_name:
        case "structure":
            return _required(shape, bucket)
        case "list":
            return [_value(shape.member, bucket)]
        case "integer" | "long" | "double" | "float":
            return 1
        case "boolean":
            return False
        case "blob":
            return b"{}"
        case "timestamp":
            return 0
    return shape.enum[0] if getattr(shape, "enum", None) else NAME


def denied(call: Callable[[str], Any], action: str) -> ClientError | None:
    """Return the error when a call is refused for want of a right; any other answer is none."""
    try:
        call(action)
    except ClientError as error:
        return error if is_denied(error.response["Error"]["Code"]) else None
    return None


@pytest.mark.parametrize("action", [each for each in CALLABLE if each not in OF_OTHER_CLIENTS])
def test_an_action_that_is_taken_away_is_named_with_the_policy(
    policed: RunningSandbox, call: Callable[[str], Any], action: str
) -> None:
    assert denied(call, action) is None, "the whole policy allows it"
    permissions_record.enforce(policed, person=without(PERSON, action))
    error = denied(call, action)
    permissions_record.enforce(policed)
    assert error is not None
    explained = explain(error)
    for text in (str(error), f"{explained.expected} {explained.next_step}"):
        assert action in text
        assert PERSON_POLICY in text
    assert PERSON_POLICY not in explained.found


@pytest.mark.parametrize(
    ("operation", "action", "members"),
    [("head_bucket", "s3:ListBucket", {}), ("head_object", "s3:GetObject", {"Key": VALUES["Key"]})],
)
def test_a_head_that_is_refused_without_a_word_is_named_too(
    policed: RunningSandbox, policed_aws: Aws, operation: str, action: str, members: dict[str, str]
) -> None:
    permissions_record.enforce(policed, person=without(PERSON, action))
    with pytest.raises(ClientError) as caught:
        getattr(policed_aws.client("s3"), operation)(Bucket=policed_aws.bucket, **members)
    assert caught.value.response["Error"]["Code"] == "403"
    assert action in str(caught.value)
    assert action in explain(caught.value).expected


def test_deleting_objects_that_may_not_be_deleted_names_the_action(
    policed: RunningSandbox, policed_aws: Aws
) -> None:
    permissions_record.enforce(policed, person=without(PERSON, "s3:DeleteObject"))
    s3 = policed_aws.client("s3")
    answer = s3.delete_objects(Bucket=policed_aws.bucket, Delete={"Objects": [{"Key": VALUES["Key"]}]})
    assert "s3:DeleteObject" in answer["Errors"][0]["Message"]


def test_mlflows_client_is_told_which_action_is_missing(
    policed: RunningSandbox, policed_aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow
    from sagemaker_mlflow.session import use_session

    monkeypatch.setenv("SAGEMAKER_MLFLOW_CUSTOM_ENDPOINT", policed.url)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", APP)
    permissions_record.enforce(policed, person=without(PERSON, "sagemaker:CallMlflowAppApi"))
    with use_session(policed_aws.boto_session):
        with pytest.raises(mlflow.exceptions.MlflowException, match="sagemaker:CallMlflowAppApi"):
            mlflow.MlflowClient(APP).search_experiments()
        permissions_record.enforce(policed)
        with pytest.raises(mlflow.exceptions.MlflowException) as allowed:
            mlflow.MlflowClient(APP).search_experiments()
    assert "CallMlflowAppApi" not in str(allowed.value), "there is no such App, and that is what it says"


@pytest.mark.parametrize("action", ["sagemaker:CallWithBearerToken", "sagemaker:InvokeEndpoint"])
def test_openais_client_is_told_which_action_is_missing(
    policed: RunningSandbox, policed_aws: Aws, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    from sagemaker.core.token_generator import generate_token

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    permissions_record.enforce(policed, person=without(PERSON, action))
    client = openai.OpenAI(
        base_url=f"{policed.url}/endpoints/{NAME}/openai/v1",
        api_key=generate_token(region="us-east-1"),
        max_retries=0,
        http_client=httpx2.Client(trust_env=False),
    )
    with pytest.raises(openai.PermissionDeniedError) as caught:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    explained = explain_openai(caught.value)
    assert action in explained.expected
    assert PERSON_POLICY in explained.next_step


def test_a_job_whose_role_lacks_an_action_ends_with_its_name_and_the_roles_policy(
    policed: RunningSandbox, policed_aws: Aws
) -> None:
    policed_aws.client("s3").put_object(
        Bucket=policed_aws.bucket, Key=f"{PREFIX}/code/x/program.py", Body=b"print(1)"
    )
    job = job_request(NAME, policed_aws.bucket, f"{PREFIX}/code/x", policed_aws.uri("training"))
    permissions_record.enforce(policed, execution=without(EXECUTION, "s3:GetObject"))
    policed_aws.client("sagemaker").create_training_job(**{**job, "RoleArn": ROLE_ARN})
    with pytest.raises(WorkshopError, match="Data download failed") as caught:
        follow(policed_aws, NAME, 600)
    assert "the role that it runs as lacks s3:GetObject" in caught.value.next_step
    assert EXECUTION_POLICY in caught.value.next_step


@pytest.mark.parametrize(
    ("reason", "action"),
    [
        (
            'Also ensure that the role has "s3:GetObject" permissions and that the object is there.',
            "s3:GetObject",
        ),
        ("The role 'r' does not have BatchGetImage permission for the image: 'i'.", "ecr:BatchGetImage"),
        ("ClientError: Access denied", "an action"),
        ("AlgorithmError: ExecuteUserScriptError: PermissionError: /root", ""),
        ("CapacityError: Unable to provision requested ML compute capacity.", ""),
    ],
)
def test_the_reason_of_a_failure_names_what_the_role_lacks(reason: str, action: str) -> None:
    advice = advice_for_role(reason)
    assert bool(advice) is bool(action)
    assert not action or f"lacks {action}:" in advice
