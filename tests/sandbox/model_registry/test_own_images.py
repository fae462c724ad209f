"""An image pushed to one's own repository, through boto3 as it is, and deployed from there."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.sandbox.hosting.conftest import IMAGE, ROLE, Hosting
from tests.sandbox.model_registry.test_groups import refused

REGISTRY = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
OCI_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
PART_BYTES = 10 << 20
BASE_NAME = "org.opencontainers.image.base.name"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def repository(sandbox: Any) -> Iterator[str]:
    ecr = sandbox.client("ecr")
    ecr.create_repository(repositoryName="news/serving", tags=[{"Key": "workshop", "Value": "news"}])
    yield "news/serving"
    sandbox.client("ecr").delete_repository(repositoryName="news/serving", force=True)


def push_layer(ecr: Any, repository: str, content: bytes) -> str:
    """Upload a layer in parts as ECR wants them, and return its digest."""
    upload = ecr.initiate_layer_upload(repositoryName=repository)
    assert upload["partSize"] == PART_BYTES
    for first in range(0, len(content), PART_BYTES):
        part = content[first : first + PART_BYTES]
        ecr.upload_layer_part(
            repositoryName=repository, uploadId=upload["uploadId"], partFirstByte=first,
            partLastByte=first + len(part) - 1, layerPartBlob=part,
        )  # fmt: skip
    completed = ecr.complete_layer_upload(
        repositoryName=repository, uploadId=upload["uploadId"], layerDigests=[digest_of(content)]
    )
    assert completed["layerDigest"] == digest_of(content)
    return completed["layerDigest"]


def manifest_of(config: bytes, layer: bytes, **members: Any) -> str:
    def described(media_type: str, content: bytes) -> dict[str, Any]:
        return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}

    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": described(CONFIG_TYPE, config),
            "layers": [described(LAYER_TYPE, layer)],
            **members,
        }
    )


def push(
    ecr: Any,
    repository: str,
    tag: str,
    *,
    env: list[str] | None = None,
    is_annotated: bool = False,
    **labels: str,
) -> str:
    """Push an image, its labels in its configuration or as annotations of its manifest; return its digest."""
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": [f"TAG={tag}", *(env or [])], "Labels": None if is_annotated else labels},
            "rootfs": {"type": "layers", "diff_ids": []},
        }
    ).encode()
    layer = f"a layer of {tag}".encode()
    for content in (config, layer):
        push_layer(ecr, repository, content)
    more = {"annotations": labels} if is_annotated else {}
    answer = ecr.put_image(
        repositoryName=repository, imageManifest=manifest_of(config, layer, **more), imageTag=tag,
        imageManifestMediaType=MANIFEST_TYPE,
    )  # fmt: skip
    return answer["image"]["imageId"]["imageDigest"]


def test_an_image_is_its_manifest_and_all_that_it_names(sandbox: Any, repository: str) -> None:
    ecr = sandbox.client("ecr")
    digest = push(ecr, repository, "1", **{BASE_NAME: IMAGE})
    (image,) = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "1"}])["images"]
    assert digest == digest_of(image["imageManifest"].encode()) == image["imageId"]["imageDigest"]
    (details,) = ecr.describe_images(repositoryName=repository)["imageDetails"]
    manifest = json.loads(image["imageManifest"])
    assert details["imageSizeInBytes"] == sum(
        each["size"] for each in (manifest["config"], *manifest["layers"])
    )
    assert (details["imageTags"], details["imageDigest"]) == (["1"], digest)
    layers = [manifest["config"]["digest"], manifest["layers"][0]["digest"]]
    found = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=layers)["layers"]
    assert [each["layerAvailability"] for each in found] == ["AVAILABLE"] * 2
    (token,) = ecr.get_authorization_token()["authorizationData"]
    assert timedelta(hours=11) < token["expiresAt"] - datetime.now(UTC) < timedelta(hours=13)


def test_a_layer_comes_in_parts_of_five_mebibytes_and_more_and_is_fetched_from_its_image(
    sandbox: Any, repository: str
) -> None:
    ecr, of = sandbox.client("ecr"), {"repositoryName": repository}
    large = b"0123456789abcdef" * (PART_BYTES // 16) + b"the rest"
    digest = push_layer(ecr, repository, large)
    assert (
        refused(ecr.get_download_url_for_layer, **of, layerDigest=digest)[0] == "LayerInaccessibleException"
    )
    push_layer(ecr, repository, b"{}")
    ecr.put_image(**of, imageManifest=manifest_of(b"{}", large), imageTag="large")
    url = ecr.get_download_url_for_layer(**of, layerDigest=digest)["downloadUrl"]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=60) as answer:
        assert digest_of(answer.read()) == digest
    upload = {**of, "uploadId": ecr.initiate_layer_upload(**of)["uploadId"]}
    for first, part in ((0, b"too small"), (9, b"to be followed")):
        ecr.upload_layer_part(
            **upload, partFirstByte=first, partLastByte=first + len(part) - 1, layerPartBlob=part
        )
    small = digest_of(b"too smallto be followed")
    assert (
        refused(ecr.complete_layer_upload, **upload, layerDigests=[small])[0] == "LayerPartTooSmallException"
    )
    gap = {"partFirstByte": 99, "partLastByte": 99, "layerPartBlob": b"x"}
    assert refused(ecr.upload_layer_part, **upload, **gap)[0] == "InvalidLayerPartException"
    longer = {"partFirstByte": 23, "partLastByte": 29, "layerPartBlob": b"x"}
    assert refused(ecr.upload_layer_part, **upload, **longer)[0] == "InvalidLayerPartException"
    for digest in ("sha256:0", f"sha256:{'0' * 300}", "md5:0"):
        code, _ = refused(ecr.get_download_url_for_layer, **of, layerDigest=digest)
        assert code == "InvalidParameterException"
    for tag in ("a b/c", ".hidden", "한글", "t" * 129):
        code, _ = refused(ecr.put_image, **of, imageManifest=manifest_of(b"{}", large), imageTag=tag)
        assert code == "InvalidParameterException"


def test_an_immutable_tag_stays_where_it_is_after_a_restart_too(sandbox: Any, repository: str) -> None:
    ecr, of = sandbox.client("ecr"), {"repositoryName": repository}
    first = push(ecr, repository, "1")
    push(ecr, repository, "2")
    (other,) = ecr.batch_get_image(**of, imageIds=[{"imageTag": "2"}])["images"]
    filters = [{"filterType": "WILDCARD", "filter": "*-latest"}]
    ecr.put_image_tag_mutability(
        **of, imageTagMutability="IMMUTABLE_WITH_EXCLUSION", imageTagMutabilityExclusionFilters=filters
    )
    sandbox.restart(kill=True)
    ecr = sandbox.client("ecr")
    code, message = refused(ecr.put_image, **of, imageManifest=other["imageManifest"], imageTag="1")
    assert code == "ImageTagAlreadyExistsException"
    assert message.endswith("because the tag is immutable.")
    (kept,) = ecr.describe_images(**of, imageIds=[{"imageTag": "1"}])["imageDetails"]
    assert kept["imageDigest"] == first
    (again,) = ecr.batch_get_image(**of, imageIds=[{"imageTag": "1"}])["images"]
    for manifest in (again["imageManifest"], other["imageManifest"]):
        ecr.put_image(**of, imageManifest=manifest, imageTag="app-latest")
    ecr.put_image_tag_mutability(**of, imageTagMutability="MUTABLE")
    ecr.put_image(**of, imageManifest=other["imageManifest"], imageTag="1")
    (moved,) = ecr.describe_images(**of, imageIds=[{"imageTag": "app-latest"}])["imageDetails"]
    assert sorted(moved["imageTags"]) == ["1", "2", "app-latest"]
    assert refused(ecr.delete_repository, **of)[0] == "RepositoryNotEmptyException"


def test_a_scan_is_refused_and_not_made_up(sandbox: Any, repository: str) -> None:
    ecr, image = sandbox.client("ecr"), {"repositoryName": "news/serving", "imageId": {"imageTag": "1"}}
    push(ecr, repository, "1")
    for operation in (ecr.start_image_scan, ecr.describe_image_scan_findings):
        assert refused(operation, **image)[0] == "UnknownOperationException"


def test_a_manifest_of_oci_is_pushed_and_not_deployed(hosting: Hosting, repository: str) -> None:
    ecr = hosting.sandbox.client("ecr")
    for content in (b"{}", b"a layer"):
        push_layer(ecr, repository, content)
    ecr.put_image(
        repositoryName=repository, imageTag="oci", imageManifestMediaType=OCI_MANIFEST_TYPE,
        imageManifest=manifest_of(b"{}", b"a layer", mediaType=OCI_MANIFEST_TYPE),
    )  # fmt: skip
    image = f"{REGISTRY}/{repository}:oci"
    with pytest.raises(ClientError) as raised:
        hosting.sagemaker.create_model(
            ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": image}
        )
    assert raised.value.response["Error"]["Message"] == (
        f"Unsupported manifest media type {OCI_MANIFEST_TYPE} for image {image}. Ensure that valid manifest"
        " media type is used for specified image."
    )


def test_what_is_not_what_it_says_or_not_there_is_refused_by_its_code(sandbox: Any, repository: str) -> None:
    ecr = sandbox.client("ecr")
    push(ecr, repository, "1")
    of = {"repositoryName": repository}

    def completed(content: bytes, digest: str) -> str:
        upload = {**of, "uploadId": ecr.initiate_layer_upload(**of)["uploadId"]}
        if content:
            ecr.upload_layer_part(
                **upload, partFirstByte=0, partLastByte=len(content) - 1, layerPartBlob=content
            )
        return refused(ecr.complete_layer_upload, **upload, layerDigests=[digest])[0]

    assert completed(b"other", digest_of(b"content")) == "InvalidLayerException"
    assert completed(b"a layer of 1", digest_of(b"a layer of 1")) == "LayerAlreadyExistsException"
    assert completed(b"", digest_of(b"")) == "EmptyUploadException"
    unknown = refused(
        ecr.complete_layer_upload,
        **of,
        uploadId="00000000-0000-4000-8000-000000000000",
        layerDigests=["sha256:0"],
    )
    assert unknown[0] == "UploadNotFoundException"
    missing = manifest_of(b"no such config", b"no such layer")
    for manifest, more, code in (
        (missing, {}, "LayersNotFoundException"),
        (missing, {"imageDigest": f"sha256:{'0' * 64}"}, "ImageDigestDoesNotMatchException"),
        ("{}", {}, "InvalidParameterException"),
        ("[]", {}, "InvalidParameterException"),
        ("no JSON", {}, "InvalidParameterException"),
    ):
        assert refused(ecr.put_image, **of, imageManifest=manifest, imageTag="2", **more)[0] == code
    assert (
        refused(ecr.put_image, repositoryName="absent", imageManifest="{}")[0]
        == "RepositoryNotFoundException"
    )
    assert [each["imageTags"] for each in ecr.describe_images(**of)["imageDetails"]] == [["1"]]


@pytest.mark.parametrize(
    "name", ["absent:1", "news/serving:2", "news/serving", f"news/serving@sha256:{'0' * 64}"]
)
def test_a_model_of_an_image_that_was_not_pushed_is_refused(
    hosting: Hosting, repository: str, name: str
) -> None:
    push(hosting.sandbox.client("ecr"), repository, "1", **{BASE_NAME: IMAGE})
    image = f"{REGISTRY}/{name}"
    with pytest.raises(ClientError) as raised:
        hosting.sagemaker.create_model(
            ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": image}
        )
    assert raised.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": f"Requested image {image} not found.",
    }


def test_a_pushed_image_serves_as_its_base_by_tag_and_by_digest(hosting: Hosting, repository: str) -> None:
    ecr = hosting.sandbox.client("ecr")
    first = push(ecr, repository, "latest", env=["A=image", "B=image", "PATH=/opt/bin"], **{BASE_NAME: IMAGE})
    tagged = f"{REGISTRY}/{repository}"
    by_tag = hosting.deploy(container={"Image": tagged}, environment={"A": "model"})
    (variant,) = hosting.sagemaker.describe_endpoint(EndpointName=by_tag)["ProductionVariants"]
    deployed = variant["DeployedImages"][0]
    assert deployed["SpecifiedImage"] == tagged
    assert deployed["ResolvedImage"] == f"{tagged}@{first}"
    environ = hosting.ask(by_tag)["environ"]
    assert (environ["TAG"], environ["A"], environ["B"]) == ("latest", "model", "image")
    assert environ["PATH"] != "/opt/bin"
    # Another image takes the tag: the endpoint stays what it was, and the first one is found by its digest.
    push(ecr, repository, "other", env=["B=second"], is_annotated=True, **{BASE_NAME: IMAGE})
    (image,) = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "other"}])["images"]
    ecr.put_image(repositoryName=repository, imageManifest=image["imageManifest"], imageTag="latest")
    weights = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 2}]
    hosting.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=by_tag, DesiredWeightsAndCapacities=weights
    )
    hosting.wait(by_tag)
    assert {hosting.ask(by_tag)["environ"]["B"] for _ in range(4)} == {"image"}
    untagged = ecr.describe_images(repositoryName=repository, imageIds=[{"imageDigest": first}])
    assert "imageTags" not in untagged["imageDetails"][0]
    by_digest = hosting.deploy(container={"Image": f"{tagged}@{first}"})
    again = hosting.deploy(container={"Image": f"{tagged}:latest"})
    assert hosting.ask(by_digest)["environ"]["B"] == "image"
    assert hosting.ask(again)["environ"]["B"] == "second"
    for name in (by_tag, by_digest, again):
        hosting.sagemaker.delete_endpoint(EndpointName=name)


def test_an_image_that_does_not_say_what_it_is_built_on_fails_to_deploy(
    hosting: Hosting, repository: str
) -> None:
    push(hosting.sandbox.client("ecr"), repository, "plain")
    name = hosting.create(container={"Image": f"{REGISTRY}/{repository}:plain"})
    described = hosting.wait(name)
    assert described["EndpointStatus"] == "Failed"
    assert BASE_NAME in described["FailureReason"]
    hosting.sagemaker.delete_endpoint(EndpointName=name)


def test_a_pushed_image_outlives_a_kill_and_is_gone_when_it_is_deleted(
    hosting: Hosting, repository: str
) -> None:
    ecr = hosting.sandbox.client("ecr")
    digest = push(ecr, repository, "kept", **{BASE_NAME: IMAGE})
    before = ecr.describe_images(repositoryName=repository)["imageDetails"]
    made_at = ecr.describe_repositories()["repositories"][0]["createdAt"]
    hosting.sandbox.restart(kill=True)
    ecr = hosting.sandbox.client("ecr")
    assert ecr.describe_images(repositoryName=repository)["imageDetails"] == before
    (kept,) = ecr.describe_repositories()["repositories"]
    assert kept["createdAt"] == made_at
    tags = ecr.list_tags_for_resource(resourceArn=kept["repositoryArn"])["tags"]
    assert (kept["repositoryName"], tags) == (repository, [{"Key": "workshop", "Value": "news"}])
    name = hosting.deploy(container={"Image": f"{REGISTRY}/{repository}:kept"})
    hosting.sagemaker.delete_endpoint(EndpointName=name)
    ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])
    assert ecr.describe_images(repositoryName=repository)["imageDetails"] == []
    ecr.delete_repository(repositoryName=repository)
    assert ecr.describe_repositories()["repositories"] == []
    ecr.create_repository(repositoryName=repository)
