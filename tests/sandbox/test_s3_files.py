"""Files to and from the sandbox's own S3."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sandbox.s3_files import S3Error, S3Files, bucket_and_key, files_below

BUCKET = "files-bucket"
KEYS = [
    "data/train/a.txt",
    "data/train/deep/b.txt",
    "data/train.jsonl",
    "data/training/c.txt",
    "data/other/d.txt",
    "odd/한글 & 100%+?#.txt",
    "marked/folder/",
    "marked/file",
]


@pytest.fixture(scope="module")
def s3(sandbox: Any) -> S3Files:
    client = sandbox.client("s3")
    client.create_bucket(Bucket=BUCKET)
    for key in KEYS:
        client.put_object(Bucket=BUCKET, Key=key, Body=b"" if key.endswith("/") else key.encode())
    return S3Files(client)


def downloaded(s3: S3Files, prefix: str, folder: Path) -> dict[str, str]:
    """Return relative path -> key of what a prefix gives."""
    number = s3.download(f"s3://{BUCKET}/{prefix}", folder)
    found = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert number == len(found)
    return found


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("data/train/", {"a.txt": "data/train/a.txt", "deep/b.txt": "data/train/deep/b.txt"}),
        (
            "data/train",
            {
                "a.txt": "data/train/a.txt",
                "deep/b.txt": "data/train/deep/b.txt",
                "train.jsonl": "data/train.jsonl",
                "training/c.txt": "data/training/c.txt",
            },
        ),
        ("data/train.jsonl", {"train.jsonl": "data/train.jsonl"}),
        ("data/o", {"other/d.txt": "data/other/d.txt"}),
        ("odd/", {"한글 & 100%+?#.txt": "odd/한글 & 100%+?#.txt"}),
        ("marked", {"file": "marked/file"}),
        ("nothing", {}),
    ],
)
def test_a_prefix_is_read_as_aws_reads_it(
    s3: S3Files, tmp_path: Path, prefix: str, expected: dict[str, str]
) -> None:
    assert downloaded(s3, prefix, tmp_path) == expected


def test_the_mark_of_an_empty_folder_is_a_folder(s3: S3Files, tmp_path: Path) -> None:
    s3.download(f"s3://{BUCKET}/marked/", tmp_path)
    assert (tmp_path / "folder").is_dir()


def test_a_whole_bucket_is_a_prefix_too(s3: S3Files, tmp_path: Path) -> None:
    found = downloaded(s3, "", tmp_path)
    assert set(found) == {key for key in KEYS if not key.endswith("/")}


@pytest.mark.parametrize("bucket", ["files-bucket-that-is-not-there", "my bucket", "<your-bucket>", "버킷"])
def test_a_bucket_that_is_not_there_or_cannot_be_is_none(s3: S3Files, bucket: str) -> None:
    assert s3.has_bucket(BUCKET)
    assert not s3.has_bucket(bucket)


@pytest.mark.parametrize("key", ["bad/../../outside.txt", "bad//../../outside.txt"])
def test_a_key_never_leaves_the_folder(s3: S3Files, sandbox: Any, tmp_path: Path, key: str) -> None:
    sandbox.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"x")
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    with pytest.raises(S3Error, match="leaves the folder"):
        s3.download(f"s3://{BUCKET}/bad/", folder)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    sandbox.client("s3").delete_object(Bucket=BUCKET, Key=key)


def test_a_key_that_is_file_and_folder_says_so(s3: S3Files, sandbox: Any, tmp_path: Path) -> None:
    for key in ("both/a", "both/a/b"):
        sandbox.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"x")
    with pytest.raises(S3Error, match="both/a"):
        s3.download(f"s3://{BUCKET}/both/", tmp_path)


def test_every_page_of_keys_is_read(s3: S3Files) -> None:
    whole = list(s3.keys(f"s3://{BUCKET}/data/"))
    assert whole == sorted(key for key in KEYS if key.startswith("data/"))
    assert list(s3.keys(f"s3://{BUCKET}/data/", page_size=2)) == whole


def test_an_upload_is_read_by_boto3(s3: S3Files, sandbox: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(9_000_000))
    s3.upload(path, f"s3://{BUCKET}/up/한글 a+b.bin")
    body = sandbox.client("s3").get_object(Bucket=BUCKET, Key="up/한글 a+b.bin")["Body"].read()
    assert body == path.read_bytes()


def test_a_file_whose_name_is_not_utf8_says_so(s3: S3Files, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt"))
    path.touch()
    with pytest.raises(S3Error, match=r"b'caf\\xe9.txt' is not UTF-8"):
        s3.upload(path, f"s3://{BUCKET}/up/{path.name}")


def test_a_missing_bucket_is_reported_as_s3_says_it(s3: S3Files, tmp_path: Path) -> None:
    assert s3.has_bucket(BUCKET)
    assert not s3.has_bucket("no-such-bucket")
    with pytest.raises(S3Error, match=r"^NoSuchBucket \(404\): The specified bucket does not exist$"):
        s3.download("s3://no-such-bucket/x", tmp_path)
    (tmp_path / "f").touch()
    with pytest.raises(S3Error, match="NoSuchBucket"):
        s3.upload(tmp_path / "f", "s3://no-such-bucket/x")
    assert s3.has_bucket(BUCKET)


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("s3://b", ("b", "")),
        ("s3://b/", ("b", "")),
        ("s3://b/k/e?y#1", ("b", "k/e?y#1")),
        ("https://b/k", ("b", "k")),
    ],
)
def test_parts_of_a_uri(uri: str, parts: tuple[str, str]) -> None:
    assert bucket_and_key(uri) == parts


def test_files_come_in_the_order_of_writing(tmp_path: Path) -> None:
    for number, name in enumerate(["z", "a", "m"]):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (number, number))
    assert [path.name for path in files_below(tmp_path)] == ["z", "a", "m"]
