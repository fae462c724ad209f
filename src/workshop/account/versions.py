"""The versions of the workshop's models: those in its groups, which give them their tags."""

from __future__ import annotations

from collections.abc import Iterator

from workshop.account.found import Found, Problem, noted
from workshop.aws.session import Aws


def find_versions(aws: Aws, groups: list[Found], problems: list[Problem]) -> Iterator[Found]:
    """Yield every version in groups that were found; it is whose its group is.

    Args:
        groups: Of the kind ModelPackageGroup.
        problems: Get what AWS refuses to say.
    """
    pages = aws.client("sagemaker").get_paginator("list_model_packages")
    for group in groups:
        with noted(problems, f"the versions of {group.name}"):
            for page in pages.paginate(ModelPackageGroupName=group.name):
                for version in page["ModelPackageSummaryList"]:
                    yield Found(
                        kind="ModelPackage",
                        name=f"{group.name}/{version['ModelPackageVersion']}",
                        sources=group.sources,
                        mode=group.mode,
                        made_at=version["CreationTime"],
                        what=version.get("ModelApprovalStatus", ""),
                        details={"arn": version["ModelPackageArn"]},
                    )
