"""TEI's image: as AWS's SDK names it in every region."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sagemaker.core

from workshop.serving.embeddings import (
    FRAMEWORK,
    IMAGE,
    REGISTRY_ACCOUNTS,
    VERSION,
    embedding_image,
)
from workshop.settings import REGIONS


@pytest.fixture(scope="module")
def sdk() -> dict:
    """What the SDK's own table says of the version; its `image_uris` takes 5 s to import."""
    (folder,) = sagemaker.core.__path__
    table = json.loads((Path(folder) / "image_uri_config" / f"{FRAMEWORK}.json").read_text(encoding="utf-8"))
    return table["inference"]["versions"][VERSION]


def test_the_image_is_the_sdks(sdk: dict) -> None:
    tag = f"{sdk['tag_prefix']}-cpu-{sdk['py_versions'][0]}-{sdk['container_version']['cpu']}"
    assert f"{sdk['repository']}:{tag}" == IMAGE
    assert {region: sdk["registries"][region] for region in REGISTRY_ACCOUNTS} == REGISTRY_ACCOUNTS
    assert set(REGIONS) <= set(REGISTRY_ACCOUNTS)


def test_a_region_that_is_not_listed_is_asked_of_the_sdk(sdk: dict) -> None:
    assert (
        embedding_image("eu-south-1")
        == f"{sdk['registries']['eu-south-1']}.dkr.ecr.eu-south-1.amazonaws.com/{IMAGE}"
    )
