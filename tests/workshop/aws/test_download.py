"""A trained model arrives complete and checked, or the folder stays as it was."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from workshop.aws.download import _safetensors_bytes, download_model
from workshop.aws.session import Aws, connect
from workshop.errors import WorkshopError
from workshop.settings import Settings


@pytest.fixture
def aws(account: Settings, request: pytest.FixtureRequest) -> Aws:
    name = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:20]
    return connect(dataclasses.replace(account, bucket=f"news-{name}"))


def weights(value: float) -> bytes:
    return save(
        {"a": np.full((4, 8), value, np.float32), "b": np.zeros(3, np.int8)}, metadata={"format": "pt"}
    )


def model_files(value: float = 1.0) -> dict[str, bytes]:
    return {
        "config.json": b"{}",
        "model.safetensors": weights(value),
        "adapter/adapter_model.safetensors": weights(value + 1),
        "metrics.json": b'{"loss": 1}',
    }


def put(aws: Aws, files: dict[str, bytes], job: str = "job") -> str:
    for name, body in files.items():
        aws.client("s3").put_object(Bucket=aws.bucket, Key=f"out/{job}/output/model/{name}", Body=body)
    return f"s3://{aws.bucket}/out/{job}/output/model/"


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".s3-source.json"
    }


def test_an_uncompressed_model_arrives_as_it_is(aws: Aws, tmp_path: Path) -> None:
    uri = put(aws, {**model_files(), "": b""})  # the console makes empty objects for folders
    folder = download_model(aws, uri, tmp_path / "jobs" / "model")
    assert content(folder) == model_files()
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_a_second_call_downloads_nothing(aws: Aws, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    uri = put(aws, model_files())
    folder = download_model(aws, uri, tmp_path / "model")
    capsys.readouterr()
    assert download_model(aws, uri, tmp_path / "model") == folder
    assert capsys.readouterr().out == ""


def test_another_job_replaces_a_model_of_the_same_size(aws: Aws, tmp_path: Path) -> None:
    download_model(aws, put(aws, model_files(1.0)), tmp_path / "model")
    uri = put(aws, model_files(2.0), "other")
    assert content(download_model(aws, uri, tmp_path / "model")) == model_files(2.0)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir() and path.name != "repo"] == ["model"]


def test_a_model_that_changed_in_its_place_is_fetched_again(aws: Aws, tmp_path: Path) -> None:
    download_model(aws, put(aws, model_files(1.0)), tmp_path / "model")
    uri = put(aws, model_files(2.0))
    assert content(download_model(aws, uri, tmp_path / "model")) == model_files(2.0)


def test_neighbours_with_the_same_beginning_stay_out(aws: Aws, tmp_path: Path) -> None:
    uri = put(aws, model_files())
    aws.client("s3").put_object(Bucket=aws.bucket, Key="out/job/output/model-2/config.json", Body=b"other")
    assert content(download_model(aws, uri.rstrip("/"), tmp_path / "model")) == model_files()


def test_a_compressed_model_is_unpacked(aws: Aws, tmp_path: Path) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, body in model_files().items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    aws.client("s3").put_object(Bucket=aws.bucket, Key="out/model.tar.gz", Body=archive.getvalue())
    folder = download_model(aws, f"s3://{aws.bucket}/out/model.tar.gz", tmp_path / "model")
    assert content(folder) == model_files()


def test_an_archive_cannot_write_outside_of_the_folder(aws: Aws, tmp_path: Path) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../outside"), io.BytesIO())
    aws.client("s3").put_object(Bucket=aws.bucket, Key="out/model.tar.gz", Body=archive.getvalue())
    with pytest.raises(WorkshopError, match="cannot be unpacked"):
        download_model(aws, f"s3://{aws.bucket}/out/model.tar.gz", tmp_path / "deep" / "model")
    assert not list(tmp_path.rglob("outside"))


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"config.json": None}, "no config.json"),
        ({"adapter/adapter_model.safetensors": None}, "no adapter/adapter_model.safetensors"),
        ({"model.safetensors": None}, "no model.safetensors"),
        ({"model.safetensors": weights(1)[:-1]}, "model.safetensors with"),
        ({"adapter/adapter_model.safetensors": b"{}"}, "adapter_model.safetensors with 2 bytes"),
        (
            {
                "model.safetensors.index.json": json.dumps(
                    {"weight_map": {"a": "model-2.safetensors"}}
                ).encode()
            },
            "no model-2.safetensors",
        ),
    ],
)
def test_an_incomplete_model_leaves_the_folder_as_it_was(
    aws: Aws, tmp_path: Path, changed: dict[str, bytes | None], found: str
) -> None:
    download_model(aws, put(aws, model_files(), "good"), tmp_path / "model")
    files = {name: body for name, body in {**model_files(5.0), **changed}.items() if body is not None}
    with pytest.raises(WorkshopError, match=found):
        download_model(aws, put(aws, files, "bad"), tmp_path / "model")
    assert content(tmp_path / "model") == model_files()


def test_large_weights_stay_in_s3(aws: Aws, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    files = model_files() | {"model.safetensors.index.json": json.dumps(index).encode()}
    del files["model.safetensors"]
    uri = put(aws, {**files, "model-1.safetensors": b"w" * 3000, "model-2.safetensors": b"w" * 3000})
    folder = download_model(aws, uri, tmp_path / "model", max_file_bytes=1000)
    assert content(folder) == files
    assert capsys.readouterr().out.count("stays in S3") == 2


def test_nothing_there_names_what_to_run(aws: Aws, tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match="nothing at"):
        download_model(aws, f"s3://{aws.bucket}/out/none/", tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_the_size_of_real_weights_is_in_their_header() -> None:
    path = Path(__file__).parents[3] / "src" / "sample" / "base" / "model" / "model.safetensors"
    assert _safetensors_bytes(path) == path.stat().st_size
