"""Images of AWS's own registries are there, whole, as far as the sandbox emulates them."""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

AWS = "763104351884"
linux = pytest.mark.skipif(sys.platform != "linux", reason="limits of another process")
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture
def ecr(sandbox: Any) -> Any:
    return sandbox.client("ecr")


@pytest.mark.parametrize("name", ["huggingface-pytorch-training", "djl-inference", "vllm"])
def test_an_image_that_is_emulated_is_there_with_every_tag(ecr: Any, name: str) -> None:
    tags = [{"imageTag": "one"}, {"imageTag": "two"}]
    answer = ecr.batch_get_image(registryId=AWS, repositoryName=name, imageIds=tags)
    assert [image["imageId"]["imageTag"] for image in answer["images"]] == ["one", "two"]
    assert {image["registryId"] for image in answer["images"]} == {AWS}
    digests = {image["imageId"]["imageDigest"] for image in answer["images"]}
    assert len(digests) == 2, "another tag is another image"
    assert answer["failures"] == []


def fetch(url: str, **headers: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, headers=headers), timeout=60) as answer:
        return answer.read()


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_an_emulated_image_is_whole_and_what_its_digests_say_after_a_restart_too(sandbox: Any) -> None:
    of = {"registryId": AWS, "repositoryName": "djl-inference"}
    ecr = sandbox.client("ecr")
    (image,) = ecr.batch_get_image(**of, imageIds=[{"imageTag": "0.38.0"}])["images"]
    assert digest_of(image["imageManifest"].encode()) == image["imageId"]["imageDigest"]
    manifest = json.loads(image["imageManifest"])
    assert manifest["mediaType"] == image["imageManifestMediaType"]
    sandbox.restart(kill=True)
    ecr = sandbox.client("ecr")
    by_digest = {"imageDigest": image["imageId"]["imageDigest"]}
    again = ecr.batch_get_image(**of, imageIds=[by_digest, {"imageDigest": f"sha256:{'0' * 64}"}])
    assert [each["imageManifest"] for each in again["images"]] == [image["imageManifest"]]
    assert [each["failureCode"] for each in again["failures"]] == ["ImageNotFound"]

    def layer(described: dict[str, Any]) -> bytes:
        answer = ecr.get_download_url_for_layer(**of, layerDigest=described["digest"])
        content = fetch(answer["downloadUrl"])
        assert (len(content), digest_of(content)) == (described["size"], described["digest"])
        assert answer["downloadUrl"].startswith(sandbox.url)
        assert fetch(answer["downloadUrl"], Range="bytes=2-5") == content[2:6]
        assert fetch(answer["downloadUrl"], Range="bytes=3-") == content[3:]
        return content

    diff_ids = [digest_of(gzip.decompress(layer(each))) for each in manifest["layers"]]
    assert json.loads(layer(manifest["config"]))["rootfs"]["diff_ids"] == diff_ids


def test_a_layer_nobody_was_told_of_has_no_address_and_an_address_is_no_guess(sandbox: Any) -> None:
    ecr, digest = sandbox.client("ecr"), f"sha256:{'0' * 64}"
    with pytest.raises(ClientError, match="LayersNotFoundException"):
        ecr.get_download_url_for_layer(registryId=AWS, repositoryName="vllm", layerDigest=digest)
    with pytest.raises(ClientError, match="RepositoryNotFoundException"):
        ecr.get_download_url_for_layer(registryId=AWS, repositoryName="xgboost", layerDigest=digest)
    with pytest.raises(urllib.error.HTTPError) as raised:
        fetch(f"{sandbox.url}/_sandbox/layers/guessed")
    assert raised.value.code == 403


def test_another_one_is_not_in_a_registry_of_aws(ecr: Any) -> None:
    with pytest.raises(ClientError, match=f"'xgboost' does not exist in the registry with id '{AWS}'"):
        ecr.batch_get_image(registryId=AWS, repositoryName="xgboost", imageIds=[{"imageTag": "1"}])


def test_a_repository_of_ones_own_has_what_was_pushed(ecr: Any) -> None:
    ecr.create_repository(repositoryName="djl-inference")
    answer = ecr.batch_get_image(repositoryName="djl-inference", imageIds=[{"imageTag": "1"}])
    assert [each["failureCode"] for each in answer["failures"]] == ["ImageNotFound"]


def push(ecr: Any, repository: str, tag: str) -> None:
    """Push an image of a configuration alone."""
    config = json.dumps({"tag": tag}).encode()
    of = {"repositoryName": repository}
    upload = {**of, "uploadId": ecr.initiate_layer_upload(**of)["uploadId"]}
    ecr.upload_layer_part(**upload, partFirstByte=0, partLastByte=len(config) - 1, layerPartBlob=config)
    ecr.complete_layer_upload(**upload, layerDigests=[digest_of(config)])
    described = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config)}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": []}
    manifest["config"] = {**described, "digest": digest_of(config)}
    ecr.put_image(**of, imageManifest=json.dumps(manifest), imageTag=tag, imageManifestMediaType=MANIFEST)


@linux
def test_what_cannot_be_written_has_not_happened(sandbox: Any) -> None:
    ecr, process = sandbox.client("ecr"), psutil.Process(sandbox.pid)
    name = "/".join(["long"] * 51)  # a repository's may have 256 characters, a file's name fewer
    ecr.create_repository(repositoryName=name)
    push(ecr, name, "before")
    unlimited = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (0, unlimited[1]))  # every file is full
    try:
        for refused in (
            lambda: push(ecr, name, "during"),
            lambda: ecr.create_repository(repositoryName="news/during"),
            lambda: ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "before"}]),
        ):
            with pytest.raises(ClientError, match="InsufficientStorage"):
                refused()
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, unlimited)
    push(ecr, name, "during")
    ecr.create_repository(repositoryName="news/during")
    sandbox.restart(kill=True)
    ecr = sandbox.client("ecr")
    found = ecr.list_images(repositoryName=name)["imageIds"]
    assert sorted(each["imageTag"] for each in found) == ["before", "during"]
    for each in (name, "news/during"):
        ecr.delete_repository(repositoryName=each, force=True)


def test_what_is_pushed_at_the_same_time_is_kept_whole(sandbox: Any) -> None:
    ecr = sandbox.client("ecr")
    ecr.create_repository(repositoryName="news/many")
    path = sandbox.home / "ecr" / "us-east-1" / "news%2Fmany.json"

    def is_kept(tag: str) -> bool:
        push(ecr, "news/many", tag)
        kept = json.loads(path.read_text(encoding="utf-8"))
        return any(tag in image["tags"] for image in kept["images"])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(is_kept, [f"t{number}" for number in range(24)]))
    ecr.delete_repository(repositoryName="news/many", force=True)
