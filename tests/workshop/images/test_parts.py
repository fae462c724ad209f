"""Manifests of every kind become one that SageMaker takes; a part that is not whole is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from workshop.errors import WorkshopError
from workshop.images.parts import (
    ACCEPTED,
    CONFIG,
    LAYER,
    MANIFEST,
    ImageAddress,
    fetch,
    manifest_for_sagemaker,
)

OCI = "application/vnd.oci.image."
ADDRESS = ImageAddress.of("763104351884.dkr.ecr.us-east-1.amazonaws.com/vllm:0.30.0-gpu")


def described(media_type: str, content: bytes, **more: Any) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return {"mediaType": media_type, "size": len(content), "digest": digest, **more}


def answer(manifest: dict[str, Any], media_type: str = "") -> dict[str, Any]:
    return {"images": [{"imageManifest": json.dumps(manifest), "imageManifestMediaType": media_type}]}


def oci(layer_type: str = f"{OCI}layer.v1.tar+gzip") -> dict[str, Any]:
    """A manifest that does not name its own type, as many of OCI's do not."""
    layer = described(layer_type, b"layer", annotations={"stays": "out"})
    return {"schemaVersion": 2, "config": described(f"{OCI}config.v1+json", b"{}"), "layers": [layer]}


class Registry:
    """A list of platforms cannot be pushed to the sandbox, nor does AWS have one of a fixed content."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def batch_get_image(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        return answer(oci())


def test_an_address_is_taken_apart_and_another_one_refused() -> None:
    assert ADDRESS.repository == {"registryId": "763104351884", "repositoryName": "vllm"}
    assert ADDRESS.tag == "0.30.0-gpu"
    for text in ("vllm/vllm-openai:latest", f"{ADDRESS.text}@sha256:{'0' * 64}", "vllm"):
        with pytest.raises(WorkshopError, match="REPOSITORY:TAG"):
            ImageAddress.of(text)


def test_a_manifest_of_oci_becomes_one_of_docker() -> None:
    manifest = manifest_for_sagemaker(Registry(), ADDRESS, answer(oci(), f"{OCI}manifest.v1+json"))
    assert manifest == {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described(CONFIG, b"{}"),
        "layers": [described(LAYER, b"layer")],
    }


def test_of_a_list_the_image_for_sagemakers_machines_is_asked_for() -> None:
    arm = described(f"{OCI}manifest.v1+json", b"arm", platform={"os": "linux", "architecture": "arm64"})
    amd = described(f"{OCI}manifest.v1+json", b"amd", platform={"os": "linux", "architecture": "amd64"})
    index = {"schemaVersion": 2, "mediaType": f"{OCI}index.v1+json", "manifests": [arm, amd]}
    registry = Registry()
    assert manifest_for_sagemaker(registry, ADDRESS, answer(index))["mediaType"] == MANIFEST
    wanted = {"imageIds": [{"imageDigest": amd["digest"]}], "acceptedMediaTypes": ACCEPTED}
    assert registry.asked == [ADDRESS.repository | wanted]
    with pytest.raises(WorkshopError, match="other platforms than linux/amd64"):
        manifest_for_sagemaker(registry, ADDRESS, answer({**index, "manifests": [arm]}))


def test_an_image_that_is_not_there_and_a_layer_that_docker_does_not_know_are_refused() -> None:
    with pytest.raises(WorkshopError, match="no image 763104351884"):
        manifest_for_sagemaker(Registry(), ADDRESS, {"images": []})
    with pytest.raises(WorkshopError, match="zstd"):
        manifest_for_sagemaker(Registry(), ADDRESS, answer(oci(f"{OCI}layer.v1.tar+zstd")))


def test_what_is_cut_short_changed_or_not_there_is_refused_without_its_address(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(b"{}")
    part = described(CONFIG, b"{}")
    assert fetch(path.as_uri(), part) == b"{}"
    path.write_bytes(b"{")
    with pytest.raises(WorkshopError, match="1 bytes of 2"):
        fetch(path.as_uri(), part)
    path.write_bytes(b"[]")
    with pytest.raises(WorkshopError, match="not what the digest says"):
        fetch(path.as_uri(), part)
    path.unlink()
    with pytest.raises(WorkshopError) as raised:
        fetch(path.as_uri(), part)
    assert str(tmp_path) not in str(raised.value)
