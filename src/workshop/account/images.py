"""The container images of a mode's notebooks: whether AWS's registry has them in the region."""

from __future__ import annotations

import re
from typing import Any

from workshop.account.checks import Line, fail, ok, warn
from workshop.account.containers import TRAINING_NOTEBOOK
from workshop.account.usage import (
    ENDPOINT,
    MONITORING_NOTEBOOK,
    ON_COMPONENTS,
    PIPELINE_NOTEBOOK,
    ROLLOUT_NOTEBOOK,
    usages,
)
from workshop.endpoint.plan import component_engines
from workshop.prices import PROCESSING_JOB, SPOT_TRAINING_JOB, TRAINING_JOB
from workshop.serving.embeddings import embedding_image
from workshop.serving.engines import REGISTRY_ACCOUNT, REGISTRY_REGIONS, common_cuda, serving_image
from workshop.settings import Settings

TRAINING_IMAGE = "huggingface-pytorch-training:2.9.0-transformers5.3.0-gpu-py312-cu130-ubuntu22.04"
"""Of notebooks 03 and 03-1, as the SDK's `image_uris` has it, whose import takes 4 s."""

TRAINING_IMAGE_ARGUMENTS = {
    "framework": "huggingface",
    "version": "5.3.0",
    "base_framework_version": "pytorch2.9.0",
    "py_version": "py312",
    "image_scope": "training",
}

_ADDRESS = re.compile(r"(?P<registry>\d{12})\.dkr\.ecr\.[\w-]+\.[\w.]+/(?P<name>[^:]+):(?P<tag>.+)")
_NOT_FOR_OTHERS = "no resource-based policy allows"
_MISSING = "choose another region in workshop.yaml, or an image that is there: {page}"
_PAGE = "https://aws.github.io/deep-learning-containers/"


def images_of(settings: Settings, notebook: str | None) -> list[str]:
    """Return the addresses of the images of a mode, or of one of its notebooks; no network is needed."""
    rows = [row for row in usages(settings) if notebook in (None, row.notebook)]
    images = [
        training_image(settings.region, row.instance_type)
        for row in rows
        if row.kind in (TRAINING_JOB, SPOT_TRAINING_JOB, PROCESSING_JOB) or row.notebook == TRAINING_NOTEBOOK
    ]
    images += [embedding_image(settings.region) for row in rows if row.makes_vectors]
    for row in (row for row in rows if row.kind == ENDPOINT and not row.makes_vectors):
        machine = row.instance_type
        engines, cuda = (settings.serving_engine,), 13  # the newest, as notebook 04 asks the SDK for it
        if row.notebook in (MONITORING_NOTEBOOK, PIPELINE_NOTEBOOK):
            cuda = common_cuda(engines, machine)
        if row.notebook == ROLLOUT_NOTEBOOK:
            engines = ("vllm",)
            cuda = common_cuda(engines, machine)
        if row.notebook in ON_COMPONENTS:
            engines = tuple(component_engines(settings).values())
            cuda = common_cuda(engines, machine)
        images += [
            serving_image(engine, region=settings.region, instance_type=machine, cuda=cuda)
            for engine in engines
        ]
    return list(dict.fromkeys(images))


def training_image(region: str, instance_type: str) -> str:
    """Return the address of the training image in AWS's registry."""
    if region in REGISTRY_REGIONS:
        return f"{REGISTRY_ACCOUNT}.dkr.ecr.{region}.amazonaws.com/{TRAINING_IMAGE}"
    from sagemaker.core import image_uris

    return image_uris.retrieve(region=region, instance_type=instance_type, **TRAINING_IMAGE_ARGUMENTS)


def image_line(ecr: Any, address: str) -> Line:
    """Ask a registry for an image's manifest, which is what a pull does first.

    DescribeImages says more; AWS's registries allow it to nobody else ("no resource-based policy allows").

    Source: jetstack/version-checker, issue 122; aws/sagemaker-python-sdk, issue 4064.
    """
    from botocore.exceptions import ClientError

    parts = _ADDRESS.fullmatch(address)
    step = _MISSING.format(page=_PAGE)
    if parts is None:
        return fail("image", f"{address} is not an address in a registry", step)
    try:
        answer = ecr.batch_get_image(
            registryId=parts["registry"],
            repositoryName=parts["name"],
            imageIds=[{"imageTag": parts["tag"]}],
        )
    except ClientError as error:
        if _NOT_FOR_OTHERS in error.response["Error"].get("Message", ""):
            found = f"{parts['name']}:{parts['tag']}: not known, its registry lets no other account ask"
            return warn("image", found, "nothing to do: whether it is there, SageMaker's own pull says")
        if error.response["Error"]["Code"] != "RepositoryNotFoundException":
            raise
        answer = {}
    if not answer.get("images"):
        return fail("image", f"no image {parts['name']}:{parts['tag']} in this region's registry", step)
    return ok("image", f"{parts['name']}:{parts['tag']}")
