"""What a request asks permission for: actions of IAM, each with the resource that its policy must name.

Most actions are called as their operation is. This holds the others, and which resource is meant; it speaks
of the services that the sandbox answers.

Source: Service Authorization Reference, "Actions, resources, and condition keys" of each service (as of
December 2025); "SageMaker AI API permissions" of its Developer Guide; Amazon S3 User Guide, "Required
permissions for Amazon S3 API operations".
"""

from __future__ import annotations

import gzip
import html
import io
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote

from sandbox.api.registry import ACCOUNT_ID
from sandbox.hosting import bearer_token
from sandbox.iam.conditions import Context
from sandbox.other_services import signed_for
from sandbox.service_requests import MAX_LAYER_PART_BYTES

ANY = "*"
_MAX_BODY_BYTES = MAX_LAYER_PART_BYTES  # of what may be asked, the largest
# Service that a request is signed for -> what its actions begin with.
_PREFIXES = {"monitoring": "cloudwatch", "tagging": "tag"}
_NOUNS = {
    "TrainingJob": "training-job",
    "ProcessingJob": "processing-job",
    "Model": "model",
    "EndpointConfig": "endpoint-config",
    "Endpoint": "endpoint",
    "InferenceComponent": "inference-component",
    "MlflowApp": "mlflow-app",
    "ModelPackage": "model-package",
    "ModelPackageGroup": "model-package-group",
    "Pipeline": "pipeline",
}
_VERBS = re.compile(
    r"(?:Create|Delete|Describe|Update|Stop)([A-Za-z]+?)(?:RuntimeConfig|WeightsAndCapacities)?$"
)
_SAGEMAKER, _EVENTS = "sagemaker.amazonaws.com", "events.amazonaws.com"
_MLFLOW_APP = "HTTP_X_SM_MLFLOW_APP_ARN"  # whatever a client asks of MLflow, this one action covers it
_INVOCATIONS = {
    "invocations": "InvokeEndpoint",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
}
# S3: part of a query -> action, as "METHOD part"; the parts of a bucket's requests and of an object's differ.
_OF_BUCKET = {
    "GET location": "GetBucketLocation", "GET versions": "ListBucketVersions",
    "GET uploads": "ListBucketMultipartUploads", "GET tagging": "GetBucketTagging",
    "PUT tagging": "PutBucketTagging", "DELETE tagging": "PutBucketTagging",
    "GET versioning": "GetBucketVersioning", "PUT versioning": "PutBucketVersioning",
    "GET policy": "GetBucketPolicy", "PUT policy": "PutBucketPolicy", "DELETE policy": "DeleteBucketPolicy",
    "GET cors": "GetBucketCORS", "PUT cors": "PutBucketCORS", "DELETE cors": "PutBucketCORS",
    "GET lifecycle": "GetLifecycleConfiguration", "PUT lifecycle": "PutLifecycleConfiguration",
    "GET encryption": "GetEncryptionConfiguration", "PUT encryption": "PutEncryptionConfiguration",
}  # fmt: skip
_OF_OBJECT = {
    "GET uploadId": "ListMultipartUploadParts", "DELETE uploadId": "AbortMultipartUpload",
    "GET tagging": "GetObjectTagging", "PUT tagging": "PutObjectTagging",
    "DELETE tagging": "DeleteObjectTagging", "GET acl": "GetObjectAcl", "PUT acl": "PutObjectAcl",
    "GET versionId": "GetObjectVersion", "HEAD versionId": "GetObjectVersion",
    "DELETE versionId": "DeleteObjectVersion",
}  # fmt: skip
_PLAIN_OF_BUCKET = {
    "HEAD": "ListBucket",
    "GET": "ListBucket",
    "PUT": "CreateBucket",
    "DELETE": "DeleteBucket",
}
_PLAIN_OF_OBJECT = {
    "HEAD": "GetObject",
    "GET": "GetObject",
    "PUT": "PutObject",
    "POST": "PutObject",
    "DELETE": "DeleteObject",
}
_DELETED = re.compile(rb"<Object>(.*?)</Object>", re.DOTALL)
_KEY = re.compile(rb"<Key>(.*?)</Key>", re.DOTALL)


@dataclass(frozen=True)
class Requested:
    """One action on one resource.

    Attributes:
        action: For example sagemaker:CreateModel.
        resource: Its ARN; "*" for an action that knows none.
        context: What a condition may ask for, beside what every request has.
    """

    action: str
    resource: str
    context: Context = field(default_factory=dict, compare=False)


def requested(environ: dict[str, Any]) -> list[Requested]:
    """Return what a request needs permission for: nothing for one that every caller may make.

    Its body can be read again afterwards. One that cannot be read asks for nothing: it will be refused.

    Raises:
        AwsError: A bearer token that is not valid.
    """
    service, region = signed_for(environ)
    if _MLFLOW_APP in environ and "HTTP_X_AMZ_TARGET" not in environ:
        return [Requested("sagemaker:CallMlflowAppApi", environ[_MLFLOW_APP])]
    if environ["PATH_INFO"].startswith("/endpoints/") and service != "s3":
        return [*_of_runtime(environ, region)]
    if service is None:  # unsigned: nobody's policies are asked
        return []
    if service == "s3":
        return [*_of_s3(environ)]
    operation, members = _operation(environ)
    if not operation:
        return []
    match service:
        case "sagemaker":
            found = _of_sagemaker(operation, members, region)
        case "application-autoscaling":
            found = _of_scaling(operation, members, region)
        case "logs":
            found = _of_logs(operation, members, region)
        case "monitoring":
            found = _of_cloudwatch(operation, members, region)
        case "iam" | "sts":
            found = _of_iam(service, operation, members)
        case "ecr":
            found = _of_ecr(operation, members, region)
        case "events":
            found = _of_events(operation, members, region)
        case _:
            found = [Requested(f"{_PREFIXES.get(service, service)}:{operation}", ANY)]
    return [*found]


def _operation(environ: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the operation of a request in JSON or as a form, and its members."""
    target = environ.get("HTTP_X_AMZ_TARGET")
    raw = _body(environ)
    try:
        if target is not None:
            members = json.loads(raw or b"{}")
            return target.rpartition(".")[2], members if isinstance(members, dict) else {}
        form = dict(parse_qsl(f"{environ.get('QUERY_STRING', '')}&{raw.decode()}", keep_blank_values=True))
        return form.get("Action", ""), form
    except (ValueError, RecursionError):
        return "", {}


def _body(environ: dict[str, Any]) -> bytes:
    raw = environ["wsgi.input"].read(_MAX_BODY_BYTES + 1)
    environ["wsgi.input"] = io.BytesIO(raw)
    if environ.get("HTTP_CONTENT_ENCODING") != "gzip":
        return raw
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(raw)).read(_MAX_BODY_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        return b""


def _of_sagemaker(operation: str, members: dict[str, Any], region: str) -> Iterator[Requested]:
    action, noun = f"sagemaker:{operation}", _VERBS.fullmatch(operation)
    kind = _NOUNS.get(noun[1]) if noun else None
    if noun and kind == "model-package":
        yield from _of_packages(action, members, region)
        return
    if operation == "BatchDescribeModelPackage":
        arns = members.get("ModelPackageArnList", ())
        yield from (Requested(action, str(arn)) for arn in (arns if isinstance(arns, list) else ()))
        return
    if kind is None:
        arns = ("ResourceArn", "Arn", "PipelineExecutionArn", "PipelineArn")
        found = next((members[name] for name in arns if members.get(name)), ANY)
        if found == ANY and "PipelineName" in members:
            found = _arn(region, "pipeline", members["PipelineName"])
        yield Requested(action, str(found))
        return
    # The name of an MLflow App is not in its ARN: a policy for new ones names them all.
    own = str(members.get("Arn") or _arn(region, kind, members.get(f"{noun[1]}Name", ANY)))
    yield Requested(action, own)
    if kind == "endpoint" and "EndpointConfigName" in members:
        yield Requested(action, _arn(region, "endpoint-config", members["EndpointConfigName"]))
    if operation == "CreateInferenceComponent":
        yield Requested(action, _arn(region, "endpoint", members.get("EndpointName", "")))
    if members.get("Tags"):
        yield Requested("sagemaker:AddTags", own, {"sagemaker:taggingaction": [operation]})
    role = members.get("RoleArn") or members.get("ExecutionRoleArn")
    if role:
        yield Requested("iam:PassRole", str(role), {"iam:passedtoservice": [_SAGEMAKER]})


def _of_packages(action: str, members: dict[str, Any], region: str) -> Iterator[Requested]:
    """Versions: what a request says of approval and stage may be the condition of a policy.

    Which number a new version gets is not known when it is asked for.
    """
    life_cycle = members.get("ModelLifeCycle")
    stage = life_cycle if isinstance(life_cycle, dict) else {}
    said = {
        "sagemaker:modelapprovalstatus": members.get("ModelApprovalStatus"),
        "sagemaker:modellifecycle:stage": stage.get("Stage"),
        "sagemaker:modellifecycle:stagestatus": stage.get("StageStatus"),
    }
    context = {key: [str(value)] for key, value in said.items() if value is not None}
    name = members.get("ModelPackageArn") or members.get("ModelPackageName")
    if name is None:
        group = _arn(region, "model-package-group", members.get("ModelPackageGroupName", ""))
        yield Requested(action, group, context)
        name = f"{group.rpartition('/')[2]}/{ANY}"
    own = _arn(region, "model-package", name)
    yield Requested(action, own, context)
    if members.get("Tags"):
        yield Requested("sagemaker:AddTags", own, {"sagemaker:taggingaction": [action.partition(":")[2]]})


def _of_runtime(environ: dict[str, Any], region: str) -> Iterator[Requested]:
    words = environ["PATH_INFO"].split("/")  # "", "endpoints", name, ...
    action = _INVOCATIONS.get(words[-1])
    component = environ.get("HTTP_X_AMZN_SAGEMAKER_INFERENCE_COMPONENT", "")
    if "openai" in words:
        region = bearer_token.region_of(environ.get("HTTP_AUTHORIZATION"))
        yield Requested("sagemaker:CallWithBearerToken", ANY)
        action, component = "InvokeEndpoint", words[4] if words[3] == "inference-components" else ""
    if action:
        yield Requested(f"sagemaker:{action}", _arn(region, "endpoint", unquote(words[2])))
        if component:
            yield Requested(f"sagemaker:{action}", _arn(region, "inference-component", component))


def _of_scaling(operation: str, members: dict[str, Any], region: str) -> Iterator[Requested]:
    """Targets have names of AWS's own in their ARNs; policies tell them apart by what they scale."""
    context = {"application-autoscaling:service-namespace": [str(members.get("ServiceNamespace", ""))]}
    target = f"arn:aws:application-autoscaling:{region}:{ACCOUNT_ID}:scalable-target/{ANY}"
    resource = ANY if operation.startswith("Describe") else target
    yield Requested(f"application-autoscaling:{operation}", resource, context)
    if members.get("Tags"):
        yield Requested("application-autoscaling:TagResource", target, context)


def _of_logs(operation: str, members: dict[str, Any], region: str) -> Iterator[Requested]:
    group = members.get("logGroupName")
    if operation == "DescribeLogGroups" or not group:
        yield Requested(f"logs:{operation}", ANY)
        return
    stream = members.get("logStreamName", "")
    yield Requested(
        f"logs:{operation}", f"arn:aws:logs:{region}:{ACCOUNT_ID}:log-group:{group}:log-stream:{stream}"
    )


def _of_cloudwatch(operation: str, members: dict[str, Any], region: str) -> Iterator[Requested]:
    action = f"cloudwatch:{operation}"
    dashboards = [
        value for name, value in members.items() if re.fullmatch(r"DashboardNames?(\.member\.\d+)?", name)
    ]
    dashboards = [each for value in dashboards for each in (value if isinstance(value, list) else [value])]
    if dashboards:
        for name in dashboards:
            yield Requested(action, f"arn:aws:cloudwatch::{ACCOUNT_ID}:dashboard/{name}")
        if operation == "PutDashboard" and any(name.partition(".")[0] == "Tags" for name in members):
            yield Requested("cloudwatch:TagResource", f"arn:aws:cloudwatch::{ACCOUNT_ID}:dashboard/{name}")
        return
    if "ResourceARN" in members:
        yield Requested(action, str(members["ResourceARN"]))
        return
    if "Alarm" not in operation:
        is_put = operation == "PutMetricData"  # of the others a policy cannot say the namespace
        namespace = {"cloudwatch:namespace": [str(members.get("Namespace", ""))]} if is_put else {}
        yield Requested(action, ANY, namespace)
        return
    names = [
        value for name, value in members.items() if name.startswith("AlarmName") and "Prefix" not in name
    ]
    names = [each for value in names for each in (value if isinstance(value, list) else [value])]
    for name in names or [ANY]:
        yield Requested(action, f"arn:aws:cloudwatch:{region}:{ACCOUNT_ID}:alarm:{name}")


def _of_events(operation: str, members: dict[str, Any], region: str) -> Iterator[Requested]:
    """Rules by their names; the roles of their targets are handed to EventBridge."""
    named = members.get("Rule") or (members.get("Name") if operation.endswith("Rule") else None)
    rule = f"arn:aws:events:{region}:{ACCOUNT_ID}:rule/{named}" if named else ANY
    if operation == "PutEvents":
        rule = f"arn:aws:events:{region}:{ACCOUNT_ID}:event-bus/default"
    resource = str(members.get("ResourceARN") or rule)
    yield Requested(f"events:{operation}", resource)
    if operation == "PutRule" and members.get("Tags"):
        yield Requested("events:TagResource", resource)
    targets = members.get("Targets")
    for target in targets if isinstance(targets, list) else ():
        if isinstance(target, dict) and target.get("RoleArn"):
            passed = {"iam:passedtoservice": [_EVENTS]}
            yield Requested("iam:PassRole", str(target["RoleArn"]), passed)


def _of_ecr(operation: str, members: dict[str, Any], region: str) -> Iterator[Requested]:
    """Repositories by their names; a list without names asks for all of them.

    Source: Amazon ECR User Guide, "Using Tag-Based Access Control" (tags of a new repository).
    """
    registry = f"arn:aws:ecr:{region}:{members.get('registryId', ACCOUNT_ID)}:repository/"
    names = members.get("repositoryNames") or [members.get("repositoryName")]
    arns = [f"{registry}{name}" for name in names if name]
    if operation == "DescribeRepositories":
        arns = arns or [f"{registry}{ANY}"]
    for arn in arns or [str(members.get("resourceArn") or ANY)]:
        yield Requested(f"ecr:{operation}", arn)
        if operation == "CreateRepository" and members.get("tags"):
            yield Requested("ecr:TagResource", arn)


def _of_iam(service: str, operation: str, members: dict[str, Any]) -> Iterator[Requested]:
    if operation == "GetCallerIdentity":  # allowed to everybody, whatever a policy says
        return
    named = f"arn:aws:iam::{ACCOUNT_ID}:role/{members['RoleName']}" if "RoleName" in members else ANY
    arn = members.get("PolicySourceArn") or members.get("RoleArn") or named
    yield Requested(f"{service}:{operation}", str(arn))


def _of_s3(environ: dict[str, Any]) -> Iterator[Requested]:
    method = environ["REQUEST_METHOD"]
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
    bucket, _, key = path.removeprefix("/").partition("/")
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    arn = f"arn:aws:s3:::{bucket}"
    if not bucket:
        yield from [Requested("s3:ListAllMyBuckets", ANY)] if method == "GET" else []
    elif method == "POST" and not key:
        if "delete" in query:
            yield from _of_deletion(arn, _body(environ))
    elif not key:
        action = _s3_action(method, query, _OF_BUCKET, _PLAIN_OF_BUCKET)
        yield from [Requested(f"s3:{action}", arn)] if action else []
    else:
        action = _s3_action(method, query, _OF_OBJECT, _PLAIN_OF_OBJECT)
        yield from [Requested(f"s3:{action}", f"{arn}/{key}")] if action else []
        if source := environ.get("HTTP_X_AMZ_COPY_SOURCE"):
            place = unquote(source).removeprefix("/").partition("?")[0]
            yield Requested("s3:GetObject", f"arn:aws:s3:::{place}")


def _of_deletion(bucket_arn: str, body: bytes) -> Iterator[Requested]:
    """DeleteObjects: every key by itself, an older version by an action of its own."""
    for found in _DELETED.findall(body):
        key = _KEY.search(found)
        action = "DeleteObjectVersion" if b"<VersionId>" in found else "DeleteObject"
        if key:
            yield Requested(
                f"s3:{action}", f"{bucket_arn}/{html.unescape(key[1].decode('utf-8', 'replace'))}"
            )


def _s3_action(
    method: str, query: dict[str, list[str]], special: dict[str, str], plain: dict[str, str]
) -> str | None:
    found = next((special[f"{method} {part}"] for part in query if f"{method} {part}" in special), None)
    return found or plain.get(method)


def _arn(region: str, kind: str, name: Any) -> str:
    """Return the ARN of a resource by its name; of a group or a package it may be given in its place."""
    if str(name).startswith("arn:"):
        return str(name)
    return f"arn:aws:sagemaker:{region}:{ACCOUNT_ID}:{kind}/{str(name).lower()}"
