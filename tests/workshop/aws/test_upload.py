"""Data and weights reach S3 once, checked by hash, and no token reaches anything but the hub."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workshop.aws import upload
from workshop.aws.session import Aws, connect
from workshop.aws.transfer import stored
from workshop.aws.upload import upload_base_model, upload_dataset
from workshop.entries import DATASET_NAMES, DatasetState
from workshop.errors import WorkshopError
from workshop.news.table import SPLITS
from workshop.settings import Settings

TOKEN = "hf-token-of-a-person"
COMMIT = "a" * 40


@pytest.fixture
def aws(account: Settings, request: pytest.FixtureRequest) -> Aws:
    """A bucket of the test's own."""
    name = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:20]
    return connect(dataclasses.replace(account, bucket=f"news-{name}"))


def write_data(settings: Settings, text: str) -> DatasetState:
    for name in DATASET_NAMES:
        for split in SPLITS:
            path = settings.data_dir / name / split / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(
                json.dumps({"row": f"{text} {split}"}, ensure_ascii=False) + "\n", encoding="utf-8"
            )
    return DatasetState.of_folder(settings, notebook="01")


def objects(aws: Aws, prefix: str = "") -> dict[str, int]:
    return stored(aws.client("s3"), aws.bucket, prefix)


def test_the_splits_become_channels(aws: Aws) -> None:
    dataset = write_data(aws.settings, "뉴스")
    uris = upload_dataset(aws, aws.settings, dataset)
    assert set(uris) == {"train", "validation", "test"}
    for split, uri in uris.items():
        assert uri == f"s3://{aws.bucket}/korean-news-llama3/data/debug/small/{split}/"
        key = f"korean-news-llama3/data/debug/small/{split}/{split}.jsonl"
        body = aws.client("s3").get_object(Bucket=aws.bucket, Key=key)["Body"].read()
        assert body == dataset.split_path("small", split).read_bytes()
    assert len(objects(aws)) == 3


def test_only_changed_data_is_sent_again(aws: Aws, capsys: pytest.CaptureFixture) -> None:
    dataset = write_data(aws.settings, "가나")
    upload_dataset(aws, aws.settings, dataset)
    capsys.readouterr()
    upload_dataset(aws, aws.settings, dataset)
    assert capsys.readouterr().out.count("already there") == 3
    changed = write_data(aws.settings, "다라")  # of the same length
    uris = upload_dataset(aws, aws.settings, changed)
    assert "already there" not in capsys.readouterr().out
    key = uris["train"].removeprefix(f"s3://{aws.bucket}/") + "train.jsonl"
    assert "다라" in aws.client("s3").get_object(Bucket=aws.bucket, Key=key)["Body"].read().decode()


def write_model(folder: Path, **files: bytes) -> Settings:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {"model.safetensors": b"w" * 100, "config.json": b"{}", **files}.items():
        (folder / name).write_bytes(content)


def test_a_model_folder_goes_up_without_other_formats(aws: Aws, capsys: pytest.CaptureFixture) -> None:
    folder = aws.settings.repo_dir / "src" / "base"
    write_model(folder, **{"chat_template.jinja": b"{}", "pytorch_model.bin": b"w", "README.md": b"r"})
    (folder / "original").mkdir()
    (folder / "original" / "consolidated.safetensors").write_bytes(b"w")
    settings = dataclasses.replace(aws.settings, base_model="src/base")
    uri = upload_base_model(aws, settings)
    assert uri == f"s3://{aws.bucket}/korean-news-llama3/base-model/src/base/"
    names = {key.rpartition("/")[2] for key in objects(aws)}
    assert names == {"model.safetensors", "config.json", "chat_template.jinja"}
    capsys.readouterr()
    assert upload_base_model(aws, settings) == uri
    assert capsys.readouterr().out.count("already there") == 3


def test_weights_of_the_same_size_are_not_taken_for_the_same(aws: Aws) -> None:
    folder = aws.settings.repo_dir / "base"
    settings = dataclasses.replace(aws.settings, base_model="base")
    write_model(folder)
    upload_base_model(aws, settings)
    write_model(folder, **{"model.safetensors": b"v" * 100})
    uri = upload_base_model(aws, settings)
    key = uri.removeprefix(f"s3://{aws.bucket}/") + "model.safetensors"
    assert aws.client("s3").get_object(Bucket=aws.bucket, Key=key)["Body"].read() == b"v" * 100


def test_weights_of_an_earlier_version_do_not_stay_beside_the_new_ones(aws: Aws) -> None:
    folder = aws.settings.repo_dir / "base"
    settings = dataclasses.replace(aws.settings, base_model="base")
    write_model(folder, **{"model-00002-of-00002.safetensors": b"w"})
    upload_base_model(aws, settings)
    (folder / "model-00002-of-00002.safetensors").unlink()
    upload_base_model(aws, settings)
    assert {key.rpartition("/")[2] for key in objects(aws)} == {"model.safetensors", "config.json"}


def test_a_folder_elsewhere_does_not_tell_its_path(aws: Aws, tmp_path: Path) -> None:
    write_model(tmp_path / "private" / "llama")
    uri = upload_base_model(
        aws, dataclasses.replace(aws.settings, base_model=str(tmp_path / "private" / "llama"))
    )
    assert uri.endswith("/base-model/llama/")


def test_a_folder_without_weights_is_refused(aws: Aws) -> None:
    (aws.settings.repo_dir / "base").mkdir()
    (aws.settings.repo_dir / "base" / "config.json").write_text("{}")
    with pytest.raises(WorkshopError, match=r"no \*\.safetensors"):
        upload_base_model(aws, dataclasses.replace(aws.settings, base_model="base"))


def test_a_file_in_parts_arrives_whole(aws: Aws) -> None:
    content = os.urandom(20_000_000)
    folder = aws.settings.repo_dir / "base"
    write_model(folder, **{"model.safetensors": content})
    uri = upload_base_model(aws, dataclasses.replace(aws.settings, base_model="base"))
    key = uri.removeprefix(f"s3://{aws.bucket}/") + "model.safetensors"
    answer = aws.client("s3").get_object(Bucket=aws.bucket, Key=key)
    assert answer["ETag"].strip('"').rpartition("-")[2] == "3"
    assert hashlib.sha256(answer["Body"].read()).hexdigest() == answer["Metadata"]["sha256"]


# the hub


class Hub(BaseHTTPRequestHandler):
    """A small Hugging Face hub: the two routes that a model's download takes."""

    protocol_version = "HTTP/1.1"
    files: dict[str, bytes] = {}  # noqa: RUF012
    failure: tuple[int, str] | None = None
    downloads: list[str] = []  # noqa: RUF012
    tokens: set[str] = set()  # noqa: RUF012
    watched: Path | None = None
    num_files_here: list[int] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.tokens.add(self.headers.get("authorization", ""))
        if self.failure:
            self._send(self.failure[0], b"{}", {"X-Error-Code": self.failure[1]})
        elif self.path.startswith("/api/models/"):
            siblings = [
                {"rfilename": name, "size": len(body), "lfs": _lfs(name, body)}
                for name, body in self.files.items()
            ]
            info = {"_id": "1", "id": "meta/Llama", "sha": COMMIT, "siblings": siblings, "private": False}
            self._send(200, json.dumps(info).encode(), {"Content-Type": "application/json"})
        else:
            name = self.path.rpartition(f"/resolve/{COMMIT}/")[2]
            body = self.files[name]
            if self.command == "GET":
                self.downloads.append(name)
                if self.watched:
                    self.num_files_here.append(
                        len([path for path in self.watched.glob("*") if path.is_file()])
                    )
            etag = hashlib.sha256(body).hexdigest()
            self._send(200, body, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})

    do_HEAD = do_GET  # noqa: N815

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None: ...


def _lfs(name: str, body: bytes) -> dict | None:
    if not name.endswith(".safetensors"):
        return None
    return {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 100}


@pytest.fixture
def hub() -> Iterator[type[Hub]]:
    class Own(Hub):
        files = {  # noqa: RUF012
            "model-00001-of-00002.safetensors": os.urandom(3000),
            "model-00002-of-00002.safetensors": os.urandom(2000),
            "model.safetensors.index.json": b"{}",
            "config.json": b'{"a": 1}',
            "tokenizer.json": b"{}",
            "original/consolidated.00.pth": b"w" * 5000,
            "original/params.json": b"{}",
            "USE_POLICY.md": b"u",
        }
        downloads: list[str] = []  # noqa: RUF012
        tokens: set[str] = set()  # noqa: RUF012
        num_files_here: list[int] = []  # noqa: RUF012

    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Own.url = f"http://127.0.0.1:{server.server_port}"
    yield Own
    server.shutdown()
    server.server_close()


def upload_in_process(aws: Aws, hub_url: str) -> subprocess.CompletedProcess[str]:
    """Upload a model of the hub in a process of its own: the hub's address is read at import."""
    code = f"""
from pathlib import Path
from workshop.aws.session import connect
from workshop.errors import WorkshopError
from workshop.settings import load_settings
from workshop.aws.upload import upload_base_model
settings = load_settings(Path({str(aws.settings.repo_dir)!r}))
try:
    print("uri", upload_base_model(connect(settings), settings))
except WorkshopError as error:
    print(error)
"""
    variables = {
        "WORKSHOP_MODE": "debug",
        "WORKSHOP_BASE_MODEL": "meta/Llama",
        "WORKSHOP_BUCKET": aws.bucket,
        "HF_ENDPOINT": hub_url,
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )


def test_a_hub_model_goes_up_file_by_file_and_leaves_no_copy_here(aws: Aws, hub: type[Hub]) -> None:
    hub.watched = aws.settings.home / "base-model-download"
    done = upload_in_process(aws, hub.url)
    prefix = "korean-news-llama3/base-model/meta/Llama/"
    assert f"uri s3://{aws.bucket}/{prefix}" in done.stdout
    wanted = {name for name in hub.files if "/" not in name and not name.endswith(".md")}
    assert objects(aws) == {prefix + name: len(hub.files[name]) for name in wanted}
    assert set(hub.downloads) == wanted
    assert hub.num_files_here == [0] * len(wanted), "more than one file was here at a time"
    assert not (aws.settings.home / "base-model-download").exists()
    assert hub.tokens == {f"Bearer {TOKEN}"}
    for key in objects(aws):
        answer = aws.client("s3").get_object(Bucket=aws.bucket, Key=key)
        assert TOKEN not in json.dumps(answer["Metadata"])
    assert TOKEN not in done.stdout + done.stderr
    hub.downloads.clear()
    assert upload_in_process(aws, hub.url).stdout.count("already there") == len(wanted)
    assert hub.downloads == []


def test_a_changed_shard_of_the_same_size_is_fetched_again(aws: Aws, hub: type[Hub]) -> None:
    upload_in_process(aws, hub.url)
    hub.files["model-00002-of-00002.safetensors"] = os.urandom(2000)
    hub.downloads.clear()
    upload_in_process(aws, hub.url)
    assert hub.downloads == ["model-00002-of-00002.safetensors"]


@pytest.mark.parametrize(
    ("failure", "parts"),
    [
        (
            (403, "GatedRepo"),
            ["gated", "accept its licence at https://huggingface.co/meta/Llama", "hf auth login"],
        ),
        ((401, "GatedRepo"), ["gated", "hf auth login"]),
        ((401, "RepoNotFound"), ["no model meta/Llama", "base_model in workshop.yaml"]),
        ((403, ""), ["answered 403", "hf auth login"]),
        ((500, ""), ["answered 500", "later"]),
    ],
)
def test_a_hub_that_refuses_says_what_to_do(
    aws: Aws, hub: type[Hub], failure: tuple[int, str], parts: list[str]
) -> None:
    hub.failure = failure
    said = upload_in_process(aws, hub.url).stdout
    for part in parts:
        assert part in said
    assert objects(aws) == {}


def test_no_network_is_not_called_no_access(aws: Aws) -> None:
    assert "no connection to the hub" in upload_in_process(aws, "http://127.0.0.1:1").stdout


def test_a_full_disk_is_noticed_before_the_download(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = shutil._ntuple_diskusage(100, 99, 1)  # a full disk cannot be made without root
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(WorkshopError, match="1 B free"):
        upload._check_disk(tmp_path / "new", upload._ModelFile("model.safetensors", 5_000_000_000, ""))
