"""Who one is on AWS, where, and what jobs and endpoints may: identity, region, role and bucket."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workshop.account.checks import Check, Line, fail, ok, warn
from workshop.account.found import reason_of
from workshop.aws.roles import SERVICE
from workshop.aws.session import Aws, check_bucket_region, connect
from workshop.settings import Settings

# What the SageMaker SDK asks of a role before a job; without one of them it refuses the role.
# Source: sagemaker-core 2.27, iam_role_resolver: the actions of its policies whose resource is "*".
SDK_ACTIONS = (
    *("ecr:GetAuthorizationToken", "cloudwatch:PutMetricData"),
    *("ec2:CreateNetworkInterface", "ec2:CreateNetworkInterfacePermission"),
    *("ec2:DeleteNetworkInterface", "ec2:DeleteNetworkInterfacePermission"),
    *("ec2:DescribeNetworkInterfaces", "ec2:DescribeVpcs", "ec2:DescribeDhcpOptions"),
    *("ec2:DescribeSubnets", "ec2:DescribeSecurityGroups"),
)
PIPELINE_ACTIONS = {
    "training-job/pipelines-a": ("sagemaker:CreateTrainingJob", "sagemaker:AddTags"),
    "processing-job/pipelines-a": ("sagemaker:CreateProcessingJob", "sagemaker:AddTags"),
    "model-package-group/news-a": ("sagemaker:CreateModelPackage",),
    "model-package/news-a/1": ("sagemaker:CreateModelPackage",),
}
"""What a pipeline asks for as its role, by what it makes; beside it hands the role on to its jobs."""
OBJECT_ACTIONS, BUCKET_ACTIONS = ("s3:GetObject", "s3:PutObject"), ("s3:ListBucket",)

Tell = Callable[[str, str, str], Line]

_ASSUMED = re.compile(r"arn:[a-z-]+:sts::\d{12}:assumed-role/([^/]+)/")
_NOT_LIMITED = ("AllowedByOrganizations", "AllowedByPermissionsBoundary")
_GRANT = "let your administrator grant it (setup/iam), or look into the console"


def identity(settings: Settings, connected: list[Aws]) -> Line:
    """Connect, without making a bucket, and say who that is; the connection goes into the list."""
    aws = connect(settings, needs_bucket=False)
    arn = aws.client("sts").get_caller_identity()["Arn"]
    connected.append(aws)
    found = f"account {aws.account_id}, {_who(arn)}"
    if arn.endswith(":root"):
        return warn("identity", found, "work as a role or a user: nothing limits what the root user may do")
    return ok("identity", found)


def access_checks(aws: Aws, *, needs_role: bool, tell_of_pipelines: Tell | None = None) -> list[Check]:
    """Return the checks of region, role and bucket; the clients are made here, one after the other.

    Args:
        tell_of_pipelines: Says what a role lacks to run pipelines: `fail` or `warn`; None where none runs.
    """
    iam, s3 = brief_client(aws, "iam"), brief_client(aws, "s3")
    checks = [Check(subject="region", look=lambda: region(aws))]
    if needs_role:
        checks.append(Check(subject="role", look=lambda: role(aws, iam)))
    if tell_of_pipelines:
        look = asked("role", "iam", lambda: role_of_pipelines(aws, iam, tell_of_pipelines))
        checks.append(Check(subject="role", look=look))
    return [*checks, Check(subject="bucket", look=asked("bucket", "s3", lambda: bucket(aws, s3, iam)))]


def brief_client(aws: Aws, service: str) -> Any:
    """Return a client that does not wait for minutes where nothing answers."""
    from botocore.config import Config

    config = Config(connect_timeout=5, retries={"total_max_attempts": 3})
    return aws.boto_session.client(service, config=config)


def asked(subject: str, service: str, look: Callable[[], Any]) -> Callable[[], Any]:
    """Return a look that tells what AWS does not answer as not known: nothing else fails by that."""
    from botocore.exceptions import BotoCoreError, ClientError

    def look_or_warn() -> Any:
        try:
            return look()
        except ClientError as error:
            return warn(subject, f"not known: {reason_of(error, service)}", _GRANT)
        except BotoCoreError as error:
            return warn(subject, f"not known: {reason_of(error, service)}", "check network and proxy")

    return look_or_warn


def region(aws: Aws) -> Line:
    """Compare the region with botocore's list. That the account has it on, STS's answer in it says."""
    session = aws.boto_session
    known = [session.get_available_regions("sagemaker", name) for name in session.get_available_partitions()]
    if aws.region in itertools.chain(*known):
        return ok("region", f"{aws.region}, which has SageMaker and answers this account")
    step = "correct region in workshop.yaml, unless the region is newer than this boto3"
    return warn("region", f"{aws.region}, where this boto3 knows no SageMaker", step)


def role(aws: Aws, iam: Any) -> list[Line]:
    """Look at the role of jobs and endpoints, and at what the SageMaker SDK asks of it."""
    found, name = aws.role, aws.role.arn.rpartition("/")[2]
    trust = ok("role", f"{name}, which SageMaker may assume")
    if found.unsure:
        trust = warn("role", f"{name}: not known whether it can be used: {found.unsure}", _GRANT)
    looks = (lambda: _sdk_actions(iam, found.arn, name), lambda: _bucket_actions(aws, iam, name))
    return [trust, *(asked("role", "iam", look)() for look in looks)]


def _sdk_actions(iam: Any, arn: str, name: str) -> Line:
    denied, unsure = simulate(iam, arn, SDK_ACTIONS)
    if denied:
        step = "attach setup/iam's execution policy to it (setup/README.md), or AmazonSageMakerFullAccess"
        return fail("role", f"{name} lacks what the SageMaker SDK asks of it: {', '.join(denied)}", step)
    if unsure:
        found = f"{name}: your organization's or a boundary's conditions decide on {', '.join(unsure)}"
        return warn("role", found, "start a job to see, or ask your administrator")
    return ok("role", f"{name} has the {len(SDK_ACTIONS)} actions that the SageMaker SDK asks of it")


def role_of_pipelines(aws: Aws, iam: Any, tell: Tell) -> Line:
    """Say whether a pipeline may make jobs and versions as the role: AWS refuses each when it executes."""
    name, partition = aws.role.arn.rpartition("/")[2], aws.role.arn.split(":")[1]
    denied, unsure = simulate(
        iam, aws.role.arn, ("iam:PassRole",), aws.role.arn, {"iam:PassedToService": SERVICE}
    )
    for made, actions in PIPELINE_ACTIONS.items():
        arn = f"arn:{partition}:sagemaker:{aws.region}:{aws.account_id}:{made}"
        of_it = simulate(iam, aws.role.arn, actions, arn)
        denied, unsure = denied + of_it[0], unsure + of_it[1]
    if denied:
        missing = ", ".join(dict.fromkeys(denied))
        step = "attach setup/iam's execution policy to it once more (setup/README.md)"
        return tell("role", f"{name} lacks what a pipeline needs to make jobs and versions: {missing}", step)
    if unsure:
        found = f"{name}: your organization's or a boundary's conditions decide on {', '.join(unsure)}"
        return warn("role", found, "start the pipeline to see, or ask your administrator")
    return ok("role", f"{name} may make what a pipeline makes")


def _bucket_actions(aws: Aws, iam: Any, name: str) -> Line:
    """Say whether the role may use the bucket, as far as its own policies decide, not the bucket's."""
    place = f"arn:{aws.role.arn.split(':')[1]}:s3:::{aws.bucket}"
    denied, unsure = simulate(iam, aws.role.arn, BUCKET_ACTIONS, place)
    of_objects = simulate(iam, aws.role.arn, OBJECT_ACTIONS, f"{place}/{aws.prefix}/a")
    missing = denied + of_objects[0] or unsure + of_objects[1]
    if missing:
        found = f"{name} may not {', '.join(missing)} in {aws.bucket}, unless the bucket's own policy lets it"
        step = "attach setup/iam's execution policy to it, or name a bucket with `sagemaker` in its name"
        return warn("role", found, f"{step} (setup/README.md)")
    return ok("role", f"{name} may read and write the bucket")


def simulate(
    iam: Any,
    arn: str,
    actions: Sequence[str],
    resource: str = "*",
    context: Mapping[str, str] | None = None,
) -> tuple[list[str], list[str]]:
    """Return the actions that somebody's policies deny, and those that the simulator cannot tell.

    Policies of resources, such as a bucket's, are not looked at.

    Args:
        context: What conditions of the policies ask for.
    """
    denied, unsure = [], []
    entries = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for key, value in (context or {}).items()
    ]
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=arn, ActionNames=list(actions), ResourceArns=[resource], ContextEntries=entries
    )
    for result in (result for page in pages for result in page["EvaluationResults"]):
        if result["EvalDecision"] == "allowed":
            continue
        details = result.get("OrganizationsDecisionDetail", {}) | result.get(
            "PermissionsBoundaryDecisionDetail", {}
        )
        is_limited = any(details.get(name) is False for name in _NOT_LIMITED)
        is_sure = result["EvalDecision"] == "explicitDeny" or not (
            is_limited or result.get("MissingContextValues")
        )
        (denied if is_sure else unsure).append(result["EvalActionName"])
    return denied, unsure


def bucket(aws: Aws, s3: Any, iam: Any) -> list[Line]:
    """Look at the bucket: whose and where it is, and whether this person may use it."""
    from botocore.exceptions import ClientError

    try:
        answer = s3.head_bucket(Bucket=aws.bucket, ExpectedBucketOwner=aws.account_id)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code not in ("404", "NoSuchBucket", "NotFound"):
            found = f"{aws.bucket} is another account's, or you may not look at it ({code})"
            step = "name another one in workshop.yaml (bucket:), or leave it empty for one that is made"
            return [fail("bucket", found, step)]
        return [ok("bucket", f"{aws.bucket} is not there yet; the first notebook that needs it makes it")]
    check_bucket_region(aws, answer)
    return [ok("bucket", f"{aws.bucket}, of this account, in {aws.region}"), _person_may(aws, s3, iam)]


def _person_may(aws: Aws, s3: Any, iam: Any) -> Line:
    """Say whether the person may use the bucket: reading is tried, with an object that is not there."""
    from botocore.exceptions import ClientError

    key = f"{aws.prefix}/preflight"
    try:
        s3.head_object(Bucket=aws.bucket, Key=key, ExpectedBucketOwner=aws.account_id)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            return fail("bucket", f"you may not read {aws.bucket} (s3:GetObject)", _GRANT)
    try:
        principal = principal_of(aws, iam)
        place = f"arn:{principal.split(':')[1]}:s3:::{aws.bucket}/{key}" if principal else ""
        denied = simulate(iam, principal, ("s3:PutObject",), place)[0] if principal else []
    except ClientError:  # a person need not be able to ask about itself
        return ok("bucket", "you may read it; whether you may write it, the first upload says, at no cost")
    if denied:
        found = f"you may not s3:PutObject in {aws.bucket}, unless the bucket's own policy lets you"
        return warn("bucket", found, _GRANT)
    return ok("bucket", "you may read and write it")


def principal_of(aws: Aws, iam: Any) -> str:
    """Return who asks, as IAM's simulator wants it; "" for the root user, whom nothing limits."""
    arn = aws.client("sts").get_caller_identity()["Arn"]
    assumed = _ASSUMED.match(arn)
    if assumed:  # whose path only IAM knows
        return iam.get_role(RoleName=assumed[1])["Role"]["Arn"]
    return "" if arn.endswith(":root") else arn


def _who(arn: str) -> str:
    assumed = _ASSUMED.match(arn)
    if assumed:
        return f"role {assumed[1]}"
    kind, _, name = arn.rpartition(":")[2].partition("/")
    return f"{kind} {name.rpartition('/')[2]}".strip()
