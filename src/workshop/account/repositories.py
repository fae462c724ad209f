"""The workshop's repositories of images in ECR: their tags say whose they are, their images cost storage."""

from __future__ import annotations

from collections.abc import Iterator

from workshop.account.found import Found, Problem, noted
from workshop.account.ownership import MODE_TAG, Ownership
from workshop.aws.session import Aws
from workshop.aws.transfer import size_text

KIND = "Repository"


def find_repositories(aws: Aws, ownership: Ownership, problems: list[Problem]) -> Iterator[Found]:
    """Yield every repository of the workshop's, with what its images take.

    Layers that several images share are counted with each of them: ECR tells no more.

    Args:
        ownership: Says whose a repository is.
        problems: Get what AWS refuses to say.
    """
    ecr = aws.client("ecr")
    with noted(problems, "the list of repositories", "ecr"):
        for page in ecr.get_paginator("describe_repositories").paginate():
            for one in page["repositories"]:
                name, made_at = one["repositoryName"], one["createdAt"]
                tags: dict[str, str] | None = None
                with noted(problems, f"the tags of {name}", "ecr"):
                    listed = ecr.list_tags_for_resource(resourceArn=one["repositoryArn"])["tags"]
                    tags = {tag["Key"]: tag["Value"] for tag in listed}
                sources = ownership.sources(KIND, name, tags, made_at)
                if sources:
                    yield Found(
                        kind=KIND,
                        name=name,
                        sources=sources,
                        mode=(tags or {}).get(MODE_TAG, aws.mode),
                        made_at=made_at,
                        what=_images_text(aws, name, problems),
                    )


def _images_text(aws: Aws, name: str, problems: list[Problem]) -> str:
    with noted(problems, f"the images of {name}", "ecr"):
        pages = aws.client("ecr").get_paginator("describe_images").paginate(repositoryName=name)
        sizes = [image["imageSizeInBytes"] for page in pages for image in page["imageDetails"]]
        return f"{len(sizes)} images, {size_text(sum(sizes))}"
    return "images not known"
