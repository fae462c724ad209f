"""What boto3's requests ask permission for: actions and resources as policies of AWS name them."""

from __future__ import annotations

import base64
import functools
import io
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import boto3
import pytest

from sandbox.iam.requested import requested

REGION, ACCOUNT = "us-east-1", "000000000000"
SM = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
LOGS = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group"
TARGETS = f"arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/*"
ALARM = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm"
RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule"
DASHBOARD = f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/news-d"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/news"
TAGS = [{"Key": "workshop", "Value": "news"}]
VARIANT = {"VariantName": "v", "ModelName": "news", "InitialInstanceCount": 1, "InstanceType": "ml.g5.xlarge"}
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "inference-component/news",
    "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
}
KEY = {"Bucket": "news-b", "Key": "a/가.txt"}
OBJECT = "arn:aws:s3:::news-b/a/가.txt"
BUCKET = "arn:aws:s3:::news-b"
# service, operation, its members -> action and resource, in order.
CALLS: list[tuple[str, str, dict[str, Any], list[tuple[str, str]]]] = [
    (
        "sagemaker",
        "create_model",
        {"ModelName": "News-1", "PrimaryContainer": {"Image": "x"}, "ExecutionRoleArn": ROLE, "Tags": TAGS},
        [
            ("sagemaker:CreateModel", f"{SM}:model/news-1"),
            ("sagemaker:AddTags", f"{SM}:model/news-1"),
            ("iam:PassRole", ROLE),
        ],
    ),
    (
        "events",
        "put_rule",
        {"Name": "news-r", "EventPattern": "{}", "Tags": TAGS},
        [("events:PutRule", f"{RULE}/news-r"), ("events:TagResource", f"{RULE}/news-r")],
    ),
    (
        "events",
        "put_targets",
        {"Rule": "news-r", "Targets": [{"Id": "t", "Arn": f"{SM}:pipeline/news", "RoleArn": ROLE}]},
        [("events:PutTargets", f"{RULE}/news-r"), ("iam:PassRole", ROLE)],
    ),
    ("events", "list_rules", {"NamePrefix": "news-"}, [("events:ListRules", "*")]),
    (
        "events",
        "list_tags_for_resource",
        {"ResourceARN": f"{RULE}/news-r"},
        [("events:ListTagsForResource", f"{RULE}/news-r")],
    ),
    (
        "cloudwatch",
        "put_dashboard",
        {"DashboardName": "news-d", "DashboardBody": "{}", "Tags": TAGS},
        [("cloudwatch:PutDashboard", DASHBOARD), ("cloudwatch:TagResource", DASHBOARD)],
    ),
    (
        "cloudwatch",
        "delete_dashboards",
        {"DashboardNames": ["news-d"]},
        [("cloudwatch:DeleteDashboards", DASHBOARD)],
    ),
    (
        "cloudwatch",
        "list_tags_for_resource",
        {"ResourceARN": DASHBOARD},
        [("cloudwatch:ListTagsForResource", DASHBOARD)],
    ),
    ("cloudwatch", "list_dashboards", {"DashboardNamePrefix": "news-"}, [("cloudwatch:ListDashboards", "*")]),
    (
        "sagemaker",
        "create_mlflow_app",
        {"Name": "n", "ArtifactStoreUri": "s3://b/m", "RoleArn": ROLE, "Tags": TAGS},
        [
            ("sagemaker:CreateMlflowApp", f"{SM}:mlflow-app/*"),
            ("sagemaker:AddTags", f"{SM}:mlflow-app/*"),
            ("iam:PassRole", ROLE),
        ],
    ),
    (
        "sagemaker",
        "update_mlflow_app",
        {"Arn": f"{SM}:mlflow-app/app-A1", "Name": "n"},
        [("sagemaker:UpdateMlflowApp", f"{SM}:mlflow-app/app-A1")],
    ),
    (
        "sagemaker",
        "create_presigned_mlflow_app_url",
        {"Arn": f"{SM}:mlflow-app/app-A1"},
        [("sagemaker:CreatePresignedMlflowAppUrl", f"{SM}:mlflow-app/app-A1")],
    ),
    ("sagemaker", "list_mlflow_apps", {}, [("sagemaker:ListMlflowApps", "*")]),
    (
        "sagemaker",
        "create_pipeline",
        {"PipelineName": "News", "PipelineDefinition": "{}", "RoleArn": ROLE, "Tags": TAGS},
        [
            ("sagemaker:CreatePipeline", f"{SM}:pipeline/news"),
            ("sagemaker:AddTags", f"{SM}:pipeline/news"),
            ("iam:PassRole", ROLE),
        ],
    ),
    (
        "sagemaker",
        "start_pipeline_execution",
        {"PipelineName": "News"},
        [("sagemaker:StartPipelineExecution", f"{SM}:pipeline/news")],
    ),
    (
        "sagemaker",
        "list_pipeline_executions",
        {"PipelineName": f"{SM}:pipeline/news"},
        [("sagemaker:ListPipelineExecutions", f"{SM}:pipeline/news")],
    ),
    (
        "sagemaker",
        "describe_pipeline_execution",
        {"PipelineExecutionArn": f"{SM}:pipeline/news/execution/e"},
        [("sagemaker:DescribePipelineExecution", f"{SM}:pipeline/news/execution/e")],
    ),
    (
        "sagemaker",
        "update_pipeline_version",
        {"PipelineArn": f"{SM}:pipeline/news", "PipelineVersionId": 1},
        [("sagemaker:UpdatePipelineVersion", f"{SM}:pipeline/news")],
    ),
    (
        "sagemaker",
        "create_endpoint_config",
        {"EndpointConfigName": "c", "ProductionVariants": [VARIANT]},
        [("sagemaker:CreateEndpointConfig", f"{SM}:endpoint-config/c")],
    ),
    (
        "sagemaker",
        "create_endpoint",
        {"EndpointName": "e", "EndpointConfigName": "c"},
        [
            ("sagemaker:CreateEndpoint", f"{SM}:endpoint/e"),
            ("sagemaker:CreateEndpoint", f"{SM}:endpoint-config/c"),
        ],
    ),
    (
        "sagemaker",
        "update_endpoint_weights_and_capacities",
        {"EndpointName": "e", "DesiredWeightsAndCapacities": [{"VariantName": "v"}]},
        [("sagemaker:UpdateEndpointWeightsAndCapacities", f"{SM}:endpoint/e")],
    ),
    (
        "sagemaker",
        "create_inference_component",
        {"InferenceComponentName": "i", "EndpointName": "e", "Specification": {"ModelName": "m"}},
        [
            ("sagemaker:CreateInferenceComponent", f"{SM}:inference-component/i"),
            ("sagemaker:CreateInferenceComponent", f"{SM}:endpoint/e"),
        ],
    ),
    (
        "sagemaker",
        "update_inference_component_runtime_config",
        {"InferenceComponentName": "i", "DesiredRuntimeConfig": {"CopyCount": 1}},
        [("sagemaker:UpdateInferenceComponentRuntimeConfig", f"{SM}:inference-component/i")],
    ),
    (
        "sagemaker",
        "stop_training_job",
        {"TrainingJobName": "t"},
        [("sagemaker:StopTrainingJob", f"{SM}:training-job/t")],
    ),
    (
        "sagemaker",
        "create_processing_job",
        {
            "ProcessingJobName": "P",
            "ProcessingResources": {"ClusterConfig": {"VolumeSizeInGB": 1}},
            "AppSpecification": {"ImageUri": "x"},
            "RoleArn": ROLE,
            "Tags": TAGS,
        },
        [
            ("sagemaker:CreateProcessingJob", f"{SM}:processing-job/p"),
            ("sagemaker:AddTags", f"{SM}:processing-job/p"),
            ("iam:PassRole", ROLE),
        ],
    ),
    (
        "sagemaker",
        "delete_processing_job",
        {"ProcessingJobName": "p"},
        [("sagemaker:DeleteProcessingJob", f"{SM}:processing-job/p")],
    ),
    ("sagemaker", "list_processing_jobs", {}, [("sagemaker:ListProcessingJobs", "*")]),
    ("sagemaker", "list_tags", {"ResourceArn": f"{SM}:model/m"}, [("sagemaker:ListTags", f"{SM}:model/m")]),
    ("sagemaker", "list_endpoints", {}, [("sagemaker:ListEndpoints", "*")]),
    (
        "sagemaker-runtime",
        "invoke_endpoint",
        {"EndpointName": "e", "InferenceComponentName": "i", "Body": b"{}"},
        [
            ("sagemaker:InvokeEndpoint", f"{SM}:endpoint/e"),
            ("sagemaker:InvokeEndpoint", f"{SM}:inference-component/i"),
        ],
    ),
    (
        "sagemaker-runtime",
        "invoke_endpoint_with_response_stream",
        {"EndpointName": "e", "Body": b"{}"},
        [("sagemaker:InvokeEndpointWithResponseStream", f"{SM}:endpoint/e")],
    ),
    (
        "application-autoscaling",
        "deregister_scalable_target",
        TARGET,
        [("application-autoscaling:DeregisterScalableTarget", TARGETS)],
    ),
    (
        "application-autoscaling",
        "describe_scalable_targets",
        {"ServiceNamespace": "sagemaker"},
        [("application-autoscaling:DescribeScalableTargets", "*")],
    ),
    (
        "cloudwatch",
        "delete_alarms",
        {"AlarmNames": ["a", "b"]},
        [("cloudwatch:DeleteAlarms", f"{ALARM}:a"), ("cloudwatch:DeleteAlarms", f"{ALARM}:b")],
    ),
    (
        "cloudwatch",
        "describe_alarms",
        {"AlarmNamePrefix": "a"},
        [("cloudwatch:DescribeAlarms", f"{ALARM}:*")],
    ),
    ("cloudwatch", "list_metrics", {}, [("cloudwatch:ListMetrics", "*")]),
    ("logs", "describe_log_groups", {"logGroupNamePrefix": "/aws"}, [("logs:DescribeLogGroups", "*")]),
    (
        "logs",
        "get_log_events",
        {"logGroupName": "/g", "logStreamName": "s"},
        [("logs:GetLogEvents", f"{LOGS}:/g:log-stream:s")],
    ),
    ("logs", "delete_log_group", {"logGroupName": "/g"}, [("logs:DeleteLogGroup", f"{LOGS}:/g:log-stream:")]),
    ("ecr", "get_authorization_token", {}, [("ecr:GetAuthorizationToken", "*")]),
    (
        "ecr",
        "describe_images",
        {"registryId": "763104351884", "repositoryName": "news"},
        [("ecr:DescribeImages", f"arn:aws:ecr:{REGION}:763104351884:repository/news")],
    ),
    (
        "iam",
        "get_role",
        {"RoleName": "workshop-sample"},
        [("iam:GetRole", f"arn:aws:iam::{ACCOUNT}:role/workshop-sample")],
    ),
    (
        "iam",
        "simulate_principal_policy",
        {"PolicySourceArn": ROLE, "ActionNames": ["s3:GetObject"]},
        [("iam:SimulatePrincipalPolicy", ROLE)],
    ),
    ("sts", "get_caller_identity", {}, []),
    ("s3", "create_bucket", {"Bucket": "news-b"}, [("s3:CreateBucket", BUCKET)]),
    ("s3", "put_object", {**KEY, "Body": b"1"}, [("s3:PutObject", OBJECT)]),
    ("s3", "head_bucket", {"Bucket": "news-b"}, [("s3:ListBucket", BUCKET)]),
    ("s3", "head_object", KEY, [("s3:GetObject", OBJECT)]),
    ("s3", "list_object_versions", {"Bucket": "news-b"}, [("s3:ListBucketVersions", BUCKET)]),
    ("s3", "list_multipart_uploads", {"Bucket": "news-b"}, [("s3:ListBucketMultipartUploads", BUCKET)]),
    (
        "s3",
        "put_bucket_tagging",
        {"Bucket": "news-b", "Tagging": {"TagSet": TAGS}},
        [("s3:PutBucketTagging", BUCKET)],
    ),
    (
        "s3",
        "copy_object",
        {"Bucket": "news-b", "Key": "b", "CopySource": "news-b/c"},
        [("s3:PutObject", f"{BUCKET}/b"), ("s3:GetObject", f"{BUCKET}/c")],
    ),
    (
        "s3",
        "create_multipart_upload",
        {"Bucket": "news-b", "Key": "large"},
        [("s3:PutObject", f"{BUCKET}/large")],
    ),
    ("s3", "abort_multipart_upload", {**KEY, "UploadId": "u"}, [("s3:AbortMultipartUpload", OBJECT)]),
    ("s3", "list_parts", {**KEY, "UploadId": "u"}, [("s3:ListMultipartUploadParts", OBJECT)]),
    (
        "s3",
        "delete_objects",
        {"Bucket": "news-b", "Delete": {"Objects": [{"Key": "x&y"}, {"Key": "z", "VersionId": "1"}]}},
        [("s3:DeleteObject", f"{BUCKET}/x&y"), ("s3:DeleteObjectVersion", f"{BUCKET}/z")],
    ),
    ("s3", "list_buckets", {}, [("s3:ListAllMyBuckets", "*")]),
]


class PreparedError(Exception):
    """Ends a call before it is sent."""


@functools.cache
def client(service: str) -> Any:
    session = boto3.Session("sample", "sample", region_name=REGION)
    made = session.client(service, endpoint_url="http://127.0.0.1:1")

    def stop(request: Any, **_: Any) -> None:
        raise PreparedError(request)

    made.meta.events.register("before-send", stop)
    return made


def environ_of(service: str, operation: str, members: dict[str, Any]) -> dict[str, Any]:
    """Return WSGI's variables of the request that boto3 makes."""
    with pytest.raises(PreparedError) as caught:
        getattr(client(service), operation)(**members)
    request = caught.value.args[0]
    place, body = urlsplit(request.url), request.body or b""
    body = body.encode() if isinstance(body, str) else body.read() if hasattr(body, "read") else body
    headers = {
        f"HTTP_{name.upper().replace('-', '_')}": value.decode() if isinstance(value, bytes) else value
        for name, value in request.headers.items()
    }
    return {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": unquote(place.path).encode().decode("latin-1"),
        "QUERY_STRING": place.query,
        "CONTENT_TYPE": headers.get("HTTP_CONTENT_TYPE", ""),
        "wsgi.input": io.BytesIO(body),
        "body": body,
        **headers,
    }


@pytest.mark.parametrize(
    ("service", "operation", "members", "expected"), CALLS, ids=[one[1] for one in CALLS]
)
def test_a_request_asks_for_the_actions_of_its_operation(
    service: str, operation: str, members: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    environ = environ_of(service, operation, members)
    assert [(each.action, each.resource) for each in requested(environ)] == expected
    assert environ["wsgi.input"].read() == environ["body"], "it can be read again"


def test_a_role_is_passed_to_sagemaker_and_a_target_is_one_of_it() -> None:
    _, passed = requested(
        environ_of(
            "sagemaker",
            "create_model",
            {"ModelName": "m", "PrimaryContainer": {"Image": "x"}, "ExecutionRoleArn": ROLE},
        )
    )
    assert passed.context == {"iam:passedtoservice": ["sagemaker.amazonaws.com"]}
    (target,) = requested(environ_of("application-autoscaling", "deregister_scalable_target", TARGET))
    assert target.context == {"application-autoscaling:service-namespace": ["sagemaker"]}


def bearer_token(region: str) -> str:
    """Return a token as the SDK makes one; its signature is not compared."""
    now = datetime.now(UTC)
    query = {
        "Action": "CallWithBearerToken",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"sample/{now:%Y%m%d}/{region}/sagemaker/aws4_request",
        "X-Amz-Date": f"{now:%Y%m%dT%H%M%SZ}",
        "X-Amz-Expires": "60",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Signature": "0" * 64,
    }
    url = f"sagemaker.amazonaws.com/?{urlencode(query)}"
    return f"sagemaker-api-key-{base64.b64encode(url.encode()).decode()}"


def test_openais_client_asks_for_the_token_and_the_endpoint() -> None:
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/endpoints/News/inference-components/one/openai/v1/chat/completions",
        "HTTP_AUTHORIZATION": f"Bearer {bearer_token('us-west-2')}",
        "wsgi.input": io.BytesIO(b""),
    }
    place = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}"
    assert [(each.action, each.resource) for each in requested(environ)] == [
        ("sagemaker:CallWithBearerToken", "*"),
        ("sagemaker:InvokeEndpoint", f"{place}:endpoint/news"),
        ("sagemaker:InvokeEndpoint", f"{place}:inference-component/one"),
    ]


@pytest.mark.parametrize("body", [b"[1]", b"{", b"\xff"])
def test_what_cannot_be_read_asks_for_nothing_by_name(body: bytes) -> None:
    environ = environ_of("sagemaker", "list_models", {}) | {"wsgi.input": io.BytesIO(body)}
    assert [each.resource for each in requested(environ)] in ([], ["*"])
