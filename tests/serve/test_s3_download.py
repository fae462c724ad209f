"""A model's files from S3, by the real client from a real server."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from processes.errors import UserError
from serve.container_paths import ContainerPaths
from serve.s3_download import download
from serve.settings import read_settings

OBJECTS = {
    "models/news/config.json": b"{}",
    "models/news/serving.properties": b"option.max_model_len=77\n",
    "models/news/deep/a.bin": bytes(range(256)),
    "models/news/": b"",
    "models/news-other/config.json": b"[]",
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def environ(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a container of the sandbox has, and a bucket with two models."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    client: Any = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
    client.create_bucket(Bucket="bucket")
    for key, body in OBJECTS.items():
        client.put_object(Bucket="bucket", Key=key, Body=body)
    return {"AWS_ENDPOINT_URL": url, "SERVING_DOWNLOAD_DIR": str(tmp_path / "downloads")}


@pytest.mark.parametrize(
    "address", ["s3://bucket/models/news/", "s3://bucket/models/news", " s3://bucket/models/news/* "]
)
def test_a_prefix_is_brought_with_its_folders_and_not_its_neighbours(address: str, environ: dict) -> None:
    folder = download(address, environ, ContainerPaths(), origin="HF_MODEL_ID")
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    assert files == {
        "config.json": b"{}",
        "serving.properties": b"option.max_model_len=77\n",
        "deep/a.bin": bytes(range(256)),
    }
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_server_that_starts_again_does_not_download_again(
    environ: dict, caplog: pytest.LogCaptureFixture
) -> None:
    first = download("s3://bucket/models/news/", environ, ContainerPaths(), origin="HF_MODEL_ID")
    (first / "config.json").write_text("kept")
    with caplog.at_level(logging.INFO):
        again = download(
            "s3://bucket/models/news",
            environ | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
            ContainerPaths(),
            origin="x",
        )
    assert (again, (again / "config.json").read_text()) == (first, "kept")
    assert "has been downloaded already" in caplog.text


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("s3://bucket/models/none/", "with no objects under it"),
        ("s3://no-bucket/models/", "NoSuchBucket"),
    ],
)
def test_what_is_not_there_is_named_and_leaves_nothing(address: str, found: str, environ: dict) -> None:
    with pytest.raises(UserError, match=found) as caught:
        download(address, environ, ContainerPaths(), origin="HF_MODEL_ID")
    assert caught.value.found.startswith(f"HF_MODEL_ID = {address!r}, ")
    assert list(Path(environ["SERVING_DOWNLOAD_DIR"], "download").iterdir()) == []


def test_without_an_address_of_s3_nobody_is_asked(environ: dict) -> None:
    with pytest.raises(UserError, match="without AWS_ENDPOINT_URL"):
        download(
            "s3://bucket/models/news/",
            environ | {"AWS_ENDPOINT_URL": ""},
            ContainerPaths(),
            origin="HF_MODEL_ID",
        )


def test_lmi_reads_the_properties_that_came_with_the_model(environ: dict) -> None:
    given = environ | {"SERVE_DIALECT": "lmi", "HF_MODEL_ID": "s3://bucket/models/news/"}
    settings = read_settings([], given)
    assert settings.max_total_tokens == 77
    assert (settings.model_dir / "config.json").is_file()
    assert (settings.model.store_name, settings.model.store_url) == ("news", "s3://bucket/models/news/")
    assert settings.model.known_names == {"lmi", "s3://bucket/models/news/"}


def test_lmis_option_in_the_models_own_file_brings_the_weights(environ: dict, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "serving.properties").write_text("option.model_id=s3://bucket/models/news-other/")
    given = environ | {"SERVE_DIALECT": "lmi", "SERVE_OPT_ML_DIR": str(tmp_path)}
    settings = read_settings([], given)
    assert settings.model_dir.is_relative_to(tmp_path / "downloads")  # and not below this machine's /opt/ml
    assert (settings.model_dir / "config.json").read_bytes() == b"[]"
    assert (settings.model.store_name, settings.max_total_tokens) == ("model", None)
    gone = given | {"SERVING_DOWNLOAD_DIR": str(tmp_path / "other"), "AWS_ENDPOINT_URL": ""}
    with pytest.raises(UserError, match=r"option\.model_id \(serving\.properties\) = 's3://"):
        read_settings([], gone | {"AWS_ENDPOINT_URL_S3": ""})


def test_vllm_serves_a_prefix_under_its_address(environ: dict) -> None:
    given = environ | {"SERVE_DIALECT": "vllm", "SM_VLLM_MODEL": "s3://bucket/models/news/"}
    settings = read_settings([], given)
    assert (settings.model_dir / "config.json").is_file()
    assert settings.model.names == ("s3://bucket/models/news/",)
