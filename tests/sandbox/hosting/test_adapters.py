"""Adapter components: loaded by the copies of their base while those serve, and chosen by name."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.sandbox.hosting.components import ARN, specification

BUCKET = "adapters"
LMI = "763104351884.dkr.ecr.us-east-1.amazonaws.com/djl-inference:0.38.0-lmi29.0.0-cu130"


def put(components: Any, key: str, **files: bytes) -> str:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as writer:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            writer.addfile(info, io.BytesIO(content))
    s3 = components.hosting.sandbox.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=key, Body=packed.getvalue())
    return f"s3://{BUCKET}/{key}"


def put_light(components: Any, key: str, content: str) -> str:
    """Put an adapter of the test container, which only reports what is in its configuration."""
    return put(components, key, **{"adapter_config.json": content.encode()})


def adapter_of(base: str, url: str) -> dict[str, Any]:
    return {"BaseInferenceComponentName": base, "Container": {"ArtifactUrl": url}}


@pytest.fixture(scope="module")
def endpoint(components: Any) -> str:
    return components.endpoint()


@pytest.fixture
def base(components: Any, endpoint: str) -> Any:
    """A component with two copies."""
    name = components.deploy(endpoint, num_copies=2)
    yield name
    components.delete(name)


@pytest.fixture
def adapter(components: Any, endpoint: str, base: str) -> Any:
    """An adapter component, as AWS's examples create one: no variant, no compute, no copies."""
    url = put_light(components, "first.tar.gz", "first")
    given = {"Specification": adapter_of(base, url), "RuntimeConfig": None, "VariantName": None}
    name = components.deploy(endpoint, **given)
    yield name
    components.delete(name)


def adapters_told(components: Any, endpoint: str, name: str, num_copies: int = 2) -> set[str | None]:
    """Return what all copies say of the adapter that a request is for."""
    reported: dict[int, str | None] = {}
    while len(reported) < num_copies:
        answer = components.ask(endpoint, name)
        reported[answer["pid"]] = answer["adapter"]
    return set(reported.values())


def test_every_copy_of_the_base_loads_the_adapter_and_requests_choose_it(
    components: Any, endpoint: str, base: str, adapter: str
) -> None:
    described = components.describe(adapter)
    assert described["Specification"]["BaseInferenceComponentName"] == base
    assert described["VariantName"] == "AllTraffic"
    assert "RuntimeConfig" not in described
    assert adapters_told(components, endpoint, adapter) == {"first"}
    assert adapters_told(components, endpoint, base) == {None}
    other = put_light(components, "other.tar.gz", "other")
    second = components.deploy(endpoint, Specification=adapter_of(base, other), RuntimeConfig=None)
    assert adapters_told(components, endpoint, second) == {"other"}
    assert adapters_told(components, endpoint, adapter) == {"first"}
    components.delete(second)
    assert set(components.ask(endpoint, base)["adapters"]) == {adapter}
    with pytest.raises(ClientError, match="not found"):
        components.ask(endpoint, second)


def test_copies_that_come_later_have_the_adapters_before_their_first_request(
    components: Any, endpoint: str, base: str, adapter: str
) -> None:
    components.kill_a_copy(endpoint, base, 2)
    assert adapters_told(components, endpoint, adapter) == {"first"}
    with components.load(endpoint, adapter) as load:
        components.scale(base, 3)
        components.update(base, Specification=specification({"VERSION": "2"}), RuntimeConfig={"CopyCount": 1})
    assert load.failures == []
    assert {answer["adapter"] for answer in load.answers} == {"first"}
    assert components.ask(endpoint, adapter)["environ"]["VERSION"] == "2"
    components.scale(base, 2)


def test_an_adapter_is_replaced_while_it_is_asked_and_stays_when_the_new_one_is_refused(
    components: Any, endpoint: str, base: str, adapter: str
) -> None:
    url = put_light(components, "second.tar.gz", "second")
    with components.load(endpoint, adapter) as load:
        updated = components.update(adapter, Specification={"Container": {"ArtifactUrl": url}})
    assert load.failures == []
    assert {answer["adapter"] for answer in load.answers} <= {"first", "second"}
    assert updated["Specification"] == adapter_of(base, url)
    assert adapters_told(components, endpoint, adapter) == {"second"}
    refused = put_light(components, "refused.tar.gz", "REFUSED_ADAPTER")
    failed = components.update(adapter, Specification={"Container": {"ArtifactUrl": refused}})
    assert failed["InferenceComponentStatus"] == "InService"
    assert "was answered with 400 cannot load /opt/ml/adapters/" in failed["FailureReason"]
    assert failed["Specification"] == adapter_of(base, url)
    components.scale(base, 3)
    assert adapters_told(components, endpoint, adapter, 3) == {"second"}


def test_an_adapter_that_a_copy_can_not_be_given_leaves_the_one_before(
    components: Any, endpoint: str, base: str, adapter: str
) -> None:
    """A file in the place of the folder stands for a full disk."""
    folder = next((components.hosting.sandbox.home / "components").glob(f"*/{base}/*/adapters"))
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.touch()
    url = put_light(components, "second.tar.gz", "second")
    failed = components.update(adapter, Specification={"Container": {"ArtifactUrl": url}})
    assert failed["InferenceComponentStatus"] == "InService"
    assert f"The adapter {adapter} can not be given to a copy" in failed["FailureReason"]
    folder.unlink()
    aside.rename(folder)
    components.scale(base, 3)
    assert adapters_told(components, endpoint, adapter, 3) == {"first"}


def test_a_container_that_refuses_an_adapter_and_a_missing_archive_fail_the_component(
    components: Any, endpoint: str, base: str
) -> None:
    for url, reason in (
        (put_light(components, "no.tar.gz", "REFUSED_ADAPTER"), "can not load or unload the adapter"),
        (f"s3://{BUCKET}/missing.tar.gz", "Failed to download model data"),
    ):
        given = {"Specification": adapter_of(base, url), "RuntimeConfig": None}
        name = components.create(endpoint, **given)
        failed = components.wait(name)
        assert failed["InferenceComponentStatus"] == "Failed"
        assert reason in failed["FailureReason"]
        assert components.ask(endpoint, base)["adapters"] == {}
        components.delete(name)


def test_the_order_of_base_and_adapters_is_kept(
    components: Any, endpoint: str, base: str, adapter: str
) -> None:
    client = components.sagemaker
    with pytest.raises(ClientError, match=f'"{ARN}/{base}" is a base inference component for one or more'):
        client.delete_inference_component(InferenceComponentName=base)
    url = put_light(components, "on.tar.gz", "on")
    for members, message in (
        ({"Specification": adapter_of(adapter, url)}, f'"{ARN}/{adapter}" is an adapter'),
        ({"Specification": adapter_of(base, url), "EndpointName": "other"}, "is on endpoint"),
    ):
        with pytest.raises(ClientError, match=f"ValidationException.*{message}"):
            components.create(endpoint, "refused", RuntimeConfig=None, **members)
    starting = components.create(endpoint, environment={"START_DELAY_S": "0.5"})
    with pytest.raises(ClientError, match="is Creating; it must be InService"):
        components.create(endpoint, "refused", RuntimeConfig=None, Specification=adapter_of(starting, url))
    components.wait(starting)
    components.delete(starting)
    with pytest.raises(ClientError, match="is an adapter: it has no copies"):
        components.scale(adapter, 2)
    with pytest.raises(ClientError, match="can not leave its base"):
        components.update(adapter, Specification=adapter_of("another", url))
    components.scale(base, 0)
    with pytest.raises(ClientError, match="Inference Component has no capacity"):
        components.ask(endpoint, adapter)


def test_the_server_of_this_repository_answers_with_the_adapter(
    components: Any, endpoint: str, request: Any, tmp_path: Path
) -> None:
    """A real LoRA adapter, random but for its seed, beside the sample model in LMI's container."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folder = request.config.rootpath / "src" / "sample" / "base" / "model"
    torch.manual_seed(1)
    config = LoraConfig(r=4, lora_alpha=64, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(folder), config).save_pretrained(tmp_path)
    names = ("adapter_config.json", "adapter_model.safetensors")
    url = put(components, "real.tar.gz", **{name: (tmp_path / name).read_bytes() for name in names})
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    given = {
        "Container": {
            "Image": LMI,
            "ArtifactUrl": put(components, "model.tar.gz", **files),
            "Environment": {"HF_MODEL_ID": "/opt/ml/model", "OPTION_ENABLE_LORA": "true"},
        },
        "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 1024},
    }
    base = components.deploy(endpoint, Specification=given)
    adapter = components.deploy(endpoint, Specification=adapter_of(base, url), RuntimeConfig=None)

    def text(name: str) -> str:
        body = {"inputs": "서울", "parameters": {"max_new_tokens": 16}}
        answer = components.hosting.runtime.invoke_endpoint(
            EndpointName=endpoint,
            InferenceComponentName=name,
            ContentType="application/json",
            Body=json.dumps(body),
        )
        return json.loads(answer["Body"].read())["generated_text"]

    assert text(adapter) != text(base)
    (lines,) = components.log_lines(base).values()
    assert any(f"Registered adapter {adapter} from /opt/ml/adapters/" in line for line in lines)
    components.delete(adapter)
    components.delete(base)
