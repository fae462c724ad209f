"""What two notebooks need beyond the others: a role that rules start pipelines as, and the right to push."""

from __future__ import annotations

from typing import Any

from workshop.account.access import Tell, principal_of, simulate
from workshop.account.checks import Line, ok, warn
from workshop.account.usage import MONITORING_NOTEBOOK
from workshop.aws.roles import RULES, may_assume
from workshop.aws.session import Aws

RULE_NOTEBOOKS = (MONITORING_NOTEBOOK,)
PUSHING_NOTEBOOKS = ("07-Own-Image",)
PUSH_ACTIONS = (
    *("ecr:CreateRepository", "ecr:TagResource", "ecr:PutImageTagMutability"),
    *("ecr:BatchCheckLayerAvailability", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart"),
    *("ecr:CompleteLayerUpload", "ecr:PutImage"),
)
START = "sagemaker:StartPipelineExecution"
_ATTACH = "attach setup/iam's policies once more (setup/README.md)"


def role_of_rules(aws: Aws, iam: Any, tell: Tell) -> Line:
    """Say whether a rule may start a pipeline as the role: AWS says it in a metric alone, and afterwards."""
    name, partition = aws.role.arn.rpartition("/")[2], aws.role.arn.split(":")[1]
    trust = iam.get_role(RoleName=name)["Role"].get("AssumeRolePolicyDocument") or {}
    if not may_assume(trust, RULES):
        found = f"{name}: its trust policy does not let {RULES} assume it, so that no rule starts a pipeline"
        step = "give it the trust policy of setup/iam: aws iam update-assume-role-policy (setup/README.md)"
        return tell("role", found, step)
    pipeline = f"arn:{partition}:sagemaker:{aws.region}:{aws.account_id}:pipeline/news-a"
    denied, unsure = simulate(iam, aws.role.arn, (START,), pipeline)
    if denied:
        return tell("role", f"{name} lacks what a rule needs to start a pipeline: {START}", _ATTACH)
    if unsure:
        found = f"{name}: your organization's or a boundary's conditions decide on {START}"
        return warn("role", found, "let the rule start the pipeline to see, or ask your administrator")
    return ok("role", f"a rule of EventBridge may start a pipeline as {name}")


def push_line(aws: Aws, iam: Any, tell: Tell) -> Line:
    """Say whether the person may make a repository of the workshop's and push an image to it."""
    from botocore.exceptions import ClientError

    try:
        principal = principal_of(aws, iam)
        partition = principal.split(":")[1] if principal else "aws"
        place = f"arn:{partition}:ecr:{aws.region}:{aws.account_id}:repository/news-a"
        denied, unsure = simulate(iam, principal, PUSH_ACTIONS, place) if principal else ([], [])
    except ClientError:  # a person need not be able to ask about itself
        return ok("push", "whether you may push an image, the first request says, at no cost")
    if denied:
        return tell("push", f"you may not push an image of the workshop's: {', '.join(denied)}", _ATTACH)
    if unsure:
        found = f"your organization's or a boundary's conditions decide on {', '.join(unsure)}"
        return warn("push", found, "push to see, or ask your administrator")
    return ok("push", "you may make a repository of the workshop's and push an image to it")
