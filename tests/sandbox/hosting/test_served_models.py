"""Models as users of the serving images bring them: from S3, by a file of properties, under a name."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.serve.server_process import BASE, TEMPLATE

from workshop.serving.engines import serving_image

BUCKET = "test-served-models"
PREFIX = f"s3://{BUCKET}/trained/"
CHAT = {"messages": [{"role": "user", "content": "뉴스"}], "max_tokens": 4, "temperature": 0}


@pytest.fixture(scope="module", autouse=True)
def model(hosting: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Put a model into S3, and an archive that has nothing but a file of properties that names it."""
    folder = Path(shutil.copytree(BASE, tmp_path_factory.mktemp("models") / "trained"))
    shutil.copy(TEMPLATE, folder / "chat_template.jinja")
    s3 = hosting.sandbox.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for path in filter(Path.is_file, folder.rglob("*")):
        s3.upload_file(str(path), BUCKET, f"trained/{path.relative_to(folder).as_posix()}")
    properties = (
        f"engine=Python\noption.model_id={PREFIX}\noption.rolling_batch=vllm\noption.max_model_len=300\n"
    )
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        member = tarfile.TarInfo("mymodel/serving.properties")
        member.size = len(properties)
        tar.addfile(member, io.BytesIO(properties.encode()))
    s3.put_object(Bucket=BUCKET, Key="mymodel.tar.gz", Body=archive.getvalue())


def container(engine: str, **members: Any) -> dict[str, Any]:
    return {"Image": serving_image(engine, region="us-east-1", instance_type="ml.g5.xlarge"), **members}


def files() -> dict[str, Any]:
    source = {"S3Uri": PREFIX, "S3DataType": "S3Prefix", "CompressionType": "None"}
    return {"ModelDataSource": {"S3DataSource": source}}


def ask(hosting: Any, name: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = hosting.runtime.invoke_endpoint(
        EndpointName=name, ContentType="application/json", Body=json.dumps(body)
    )
    return json.loads(answer["Body"].read())


def log_of(hosting: Any, name: str) -> str:
    return "\n".join(line for lines in hosting.log_lines(name).values() for line in lines)


@pytest.mark.parametrize(
    ("engine", "environment", "answered"),
    [
        ("lmi", {"HF_MODEL_ID": PREFIX}, "lmi"),
        ("lmi", {"OPTION_MODEL_ID": PREFIX}, "lmi"),
        ("vllm", {"SM_VLLM_MODEL": PREFIX}, PREFIX),
    ],
)
def test_a_container_reads_its_model_from_the_sandboxs_s3(
    hosting: Any, engine: str, environment: dict, answered: str
) -> None:
    name = hosting.deploy(container=container(engine), environment=environment)
    assert ask(hosting, name, CHAT)["model"] == answered
    assert f"from {PREFIX}" in log_of(hosting, name)
    hosting.delete(name)


def test_an_archive_with_a_file_of_properties_alone_serves_what_that_names(hosting: Any) -> None:
    given = container("lmi", ModelDataUrl=f"s3://{BUCKET}/mymodel.tar.gz")
    name = hosting.deploy(container=given, environment={"OPTION_MAX_MODEL_LEN": "900"})
    assert ask(hosting, name, {"inputs": "뉴스", "parameters": {"max_new_tokens": 3}})["generated_text"]
    with pytest.raises(hosting.runtime.exceptions.ModelError) as caught:
        ask(hosting, name, {"inputs": "뉴스", "parameters": {"max_new_tokens": 400}})
    assert "300" in str(caught.value)
    hosting.delete(name)


@pytest.mark.parametrize("engine", ["vllm", "lmi", "tgi"])
def test_the_models_path_is_its_name_in_the_request(hosting: Any, engine: str) -> None:
    environment = {"SM_VLLM_MODEL" if engine == "vllm" else "HF_MODEL_ID": "/opt/ml/model"}
    name = hosting.deploy(container=container(engine, **files()), environment=environment)
    answer = ask(hosting, name, CHAT | {"model": "/opt/ml/model"})
    assert answer["model"] == ("lmi" if engine == "lmi" else "/opt/ml/model")
    if engine == "tgi":  # which has no adapter here: any name is the model's
        other = ask(hosting, name, CHAT | {"model": "other"})
        told = json.dumps(other)
        assert other["model"] == "other"
    else:
        with pytest.raises(hosting.runtime.exceptions.ModelError) as caught:
            ask(hosting, name, CHAT | {"model": "other"})
        told = str(caught.value)
        assert "/opt/ml/model" in told
    assert "/sm-" not in told + json.dumps(answer) + log_of(hosting, name)
    hosting.delete(name)


def test_a_served_name_is_the_models(hosting: Any) -> None:
    name = hosting.deploy(
        container=container("vllm", **files()), environment={"SM_VLLM_SERVED_MODEL_NAME": "news"}
    )
    assert ask(hosting, name, CHAT | {"model": "news"})["model"] == "news"
    hosting.delete(name)


@pytest.mark.parametrize(
    ("engine", "environment", "told"),
    [
        (
            "lmi",
            {"HF_MODEL_ID": "meta-llama/Llama-3.1-8B"},
            "'meta-llama/Llama-3.1-8B', which is no folder here",
        ),
        ("lmi", {"HF_MODEL_ID": f"s3://{BUCKET}/nothing/"}, "with no objects under it"),
        ("lmi", {}, "nothing in /opt/ml/model, and no HF_MODEL_ID"),
        ("tgi", {"HF_MODEL_ID": PREFIX}, "TGI's image takes what is none for a name of the hub"),
        ("tgi", {}, "HF_MODEL_ID must be set"),
        (
            "vllm",
            {"SM_VLLM_MODEL": PREFIX, "SM_VLLM_KV_CACHE_DTYPE": "fp8"},
            "SM_VLLM_KV_CACHE_DTYPE = 'fp8'",
        ),
    ],
)
def test_what_is_not_offered_fails_with_the_reason_in_the_log(
    hosting: Any, engine: str, environment: dict, told: str
) -> None:
    name = hosting.create(container=container(engine), environment=environment)
    assert hosting.wait(name)["EndpointStatus"] == "Failed"
    assert told in log_of(hosting, name)
    assert "/sm-" not in log_of(hosting, name)
    hosting.delete(name)
