"""S3 outlives the process: everything below is compared before and after a kill -9."""

from __future__ import annotations

import hashlib
import io
import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

BUCKET = "news-bucket"
REGION = "ap-northeast-2"
KEYS = [
    "plain.txt", "폴더/뉴스 기사.json", "../escape", "/absolute", "a//b", "dir/", "a b+c%2F&=?#", "emoji-😀",
    "x" * 1024, "e\u0301-nfd", "bucket.json", "back\\slash", ".",
]  # fmt: skip
PARTS = os.urandom(17 << 20)
TAG = [{"Key": "workshop", "Value": "뉴스"}]


@dataclass
class Seen:
    """What a client saw in S3."""

    objects: dict[str, Any]
    listed: list[Any]
    versions: tuple[Any, Any]
    version_bodies: dict[str, bytes]
    configuration: list[Any]
    buckets: list[Any]


def without_metadata(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def facts(client: Any, key: str) -> dict[str, Any]:
    answer = without_metadata(client.get_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED"))
    answer["Body"] = answer["Body"].read()
    answer["Tags"] = client.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"]
    return answer


def see(sandbox) -> Seen:
    client = sandbox.client("s3")
    listed = client.list_objects_v2(Bucket=BUCKET)["Contents"]
    versions = client.list_object_versions(Bucket="versioned")
    bodies = {
        version["VersionId"]: client.get_object(Bucket="versioned", Key="k", VersionId=version["VersionId"])
        for version in versions["Versions"]
    }
    calls = ("location", "tagging", "policy", "lifecycle_configuration", "encryption", "versioning")
    regional = sandbox.client("s3", REGION)
    configuration = [getattr(regional, f"get_bucket_{call}")(Bucket="configured") for call in calls]
    configuration.append(regional.get_public_access_block(Bucket="configured"))
    return Seen(
        objects={item["Key"]: facts(client, item["Key"]) for item in listed},
        listed=listed,
        versions=(versions["Versions"], versions["DeleteMarkers"]),
        version_bodies={name: answer["Body"].read() for name, answer in bodies.items()},
        configuration=[without_metadata(answer) for answer in configuration],
        buckets=client.list_buckets()["Buckets"],
    )


def put_objects(s3: Any) -> None:
    s3.create_bucket(Bucket=BUCKET)
    for number, key in enumerate(KEYS):
        metadata = {"my_key": "v", "n": str(number)}
        s3.put_object(Bucket=BUCKET, Key=key, Body=os.urandom(number * 20_000), Metadata=metadata)
    s3.put_object(
        Bucket=BUCKET,
        Key="described",
        Body=b"text",
        ContentType="text/plain; charset=utf-8",
        ContentEncoding="identity",
        CacheControl="no-store",
        ChecksumAlgorithm="SHA256",
        Tagging="a=1&b=2",
        StorageClass="STANDARD_IA",
    )
    s3.put_object_tagging(Bucket=BUCKET, Key="plain.txt", Tagging={"TagSet": TAG})
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "plain.txt"})
    s3.upload_fileobj(io.BytesIO(PARTS), BUCKET, "parts", ExtraArgs={"Metadata": {"sha": "1"}})
    for key in ("gone", "gone-too"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    s3.delete_object(Bucket=BUCKET, Key="gone")
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "gone-too"}]})


def put_versions(s3: Any) -> None:
    s3.create_bucket(Bucket="versioned")
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    made = [s3.put_object(Bucket="versioned", Key="k", Body=body) for body in (b"1", b"2", b"3")]
    s3.delete_object(Bucket="versioned", Key="k", VersionId=made[1]["VersionId"])
    s3.delete_object(Bucket="versioned", Key="k")


def put_configuration(s3: Any) -> None:
    name = {"Bucket": "configured"}
    s3.create_bucket(**name, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_tagging(**name, Tagging={"TagSet": TAG})
    cors = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}
    s3.put_bucket_cors(**name, CORSConfiguration=cors)
    s3.put_bucket_policy(**name, Policy=json.dumps({"Version": "2012-10-17", "Statement": []}))
    s3.put_public_access_block(**name, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    s3.put_bucket_versioning(**name, VersioningConfiguration={"Status": "Suspended"})
    rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle_configuration(**name, LifecycleConfiguration={"Rules": [rule]})
    by_default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(**name, ServerSideEncryptionConfiguration={"Rules": [by_default]})
    s3.delete_bucket_cors(**name)


def make_and_delete_a_bucket(s3: Any) -> None:
    s3.create_bucket(Bucket="short-lived")
    s3.put_object(Bucket="short-lived", Key="k", Body=b"x")
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        s3.delete_bucket(Bucket="short-lived")
    s3.delete_object(Bucket="short-lived", Key="k")
    s3.delete_bucket(Bucket="short-lived")


@pytest.fixture(scope="module")
def seen(sandbox) -> tuple[Seen, Seen]:
    """What a client saw before a kill -9 and after the next start."""
    client = sandbox.client("s3")
    put_objects(client)
    put_versions(client)
    put_configuration(sandbox.client("s3", REGION))
    make_and_delete_a_bucket(client)
    before = see(sandbox)
    sandbox.restart(kill=True)
    return before, see(sandbox)


def test_objects_are_the_same_after_a_kill(sandbox, seen) -> None:
    before, after = seen
    assert set(before.objects) == {*KEYS, "described", "copy", "parts"}
    assert before.objects["plain.txt"]["Metadata"] == {"my_key": "v", "n": "0"}
    assert before.objects["copy"]["Tags"] == TAG
    assert before.objects["described"]["ChecksumSHA256"]
    for key, fact in before.objects.items():
        assert after.objects[key] == fact, key
    assert after.listed == before.listed
    assert all(sandbox.home in path.resolve().parents for path in (sandbox.home / "s3").rglob("*"))


def test_an_upload_in_parts_keeps_its_etag_and_its_bytes(seen) -> None:
    _, after = seen
    assert after.objects["parts"]["ETag"].endswith('-3"')
    assert after.objects["parts"]["Body"] == PARTS


def test_versions_and_delete_markers_are_the_same_after_a_kill(sandbox, seen) -> None:
    before, after = seen
    assert [len(part) for part in before.versions] == [2, 1]
    assert after.versions == before.versions
    assert after.version_bodies == before.version_bodies
    assert set(after.version_bodies.values()) == {b"1", b"3"}
    client = sandbox.client("s3")
    with pytest.raises(ClientError, match="NoSuchKey"):
        client.get_object(Bucket="versioned", Key="k")
    (marker,) = after.versions[1]
    client.delete_object(Bucket="versioned", Key="k", VersionId=marker["VersionId"])
    assert client.get_object(Bucket="versioned", Key="k")["Body"].read() == b"3"


def test_the_configuration_of_a_bucket_is_the_same_after_a_kill(sandbox, seen) -> None:
    before, after = seen
    assert after.configuration == before.configuration
    assert all(before.configuration)
    with pytest.raises(ClientError, match="NoSuchCORSConfiguration"):
        sandbox.client("s3", REGION).get_bucket_cors(Bucket="configured")


def test_a_bucket_that_was_deleted_stays_so(sandbox, seen) -> None:
    _, after = seen
    assert {bucket["Name"] for bucket in after.buckets} == {BUCKET, "versioned", "configured"}
    assert not (sandbox.home / "s3" / "short-lived").exists()


def test_a_kill_in_the_middle_leaves_each_object_old_or_new(sandbox, seen) -> None:
    """Eight writers overwrite a key each; what is found afterwards is whole, and as new as acknowledged."""
    client = sandbox.client("s3")
    acknowledged = dict.fromkeys(range(8), -1)

    def body(writer: int, number: int) -> bytes:
        return f"{writer} {number} ".encode() * 20_000

    def write(writer: int) -> None:
        for number in range(10_000):
            try:
                client.put_object(
                    Bucket=BUCKET, Key=f"w{writer}", Body=body(writer, number), Metadata={"n": str(number)}
                )
            except Exception:  # the sandbox is gone
                return
            acknowledged[writer] = number

    threads = [threading.Thread(target=write, args=(writer,)) for writer in acknowledged]
    for thread in threads:
        thread.start()
    while min(acknowledged.values()) < 3:
        threads[0].join(0.01)
    sandbox.stop(kill=True)
    for thread in threads:
        thread.join()
    sandbox.start()
    for writer, number in acknowledged.items():
        found = facts(sandbox.client("s3"), f"w{writer}")
        assert int(found["Metadata"]["n"]) in (number, number + 1)
        assert found["Body"] == body(writer, int(found["Metadata"]["n"]))
        assert found["ETag"] == f'"{hashlib.md5(found["Body"]).hexdigest()}"'
    folder = sandbox.home / "s3" / BUCKET
    described = [json.loads(path.read_text()) for path in folder.glob("*.json") if path.name != "bucket.json"]
    named = {version["bytes"] for key in described for version in key["versions"]}
    assert {path.name for path in folder.glob("*.bytes")} == named, "nothing is left of what was cut off"
    assert not [*folder.glob("*.partial")]


def test_a_full_disk_is_an_error_and_keeps_what_was_there(sandbox, seen) -> None:
    s3, sagemaker = sandbox.client("s3"), sandbox.client("sagemaker")
    s3.put_object(Bucket=BUCKET, Key="kept", Body=b"old")
    model = {
        "PrimaryContainer": {"Image": "i", "Environment": {f"K{i}": "x" * 1000 for i in range(31)}},
        "ExecutionRoleArn": "arn:aws:iam::000000000000:role/service",
    }
    process = psutil.Process(sandbox.pid)
    if not hasattr(process, "rlimit"):
        pytest.skip("the limit that acts as a full disk is Linux's")
    unlimited = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (30_000, unlimited[1]))  # every file is full at 30 KB
    try:
        with pytest.raises(ClientError, match=r"InsufficientStorage.*Make room"):
            s3.put_object(Bucket=BUCKET, Key="kept", Body=bytes(100_000))
        with pytest.raises(ClientError, match=r"InsufficientStorage.*Make room"):
            sagemaker.create_model(ModelName="too-large", **model)
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, unlimited)
    assert sagemaker.list_models()["Models"] == []
    assert not [path for path in sandbox.home.rglob("*.partial") if path.is_file()]
    sagemaker.create_model(ModelName="too-large", **model)


def test_after_the_next_start_damaged_objects_are_aside_and_the_others_are_served(sandbox, seen) -> None:
    client = sandbox.client("s3")
    for name in ("description", "bytes", "missing"):
        client.put_object(Bucket=BUCKET, Key=name, Body=b"bad")
    sandbox.stop()
    folder = sandbox.home / "s3" / BUCKET

    def files(key: str) -> tuple[Path, Path]:
        path = folder / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
        return path, path.with_name(json.loads(path.read_text())["versions"][0]["bytes"])

    damaged = [files(key)[0] for key in ("description", "bytes", "missing")]
    files("bytes")[1].write_bytes(b"ba")
    files("missing")[1].unlink()
    damaged[0].write_text(damaged[0].read_text()[:50])
    torn = sandbox.home / "resources" / "us-east-1" / "model" / "torn.json"
    torn.write_text('{"ModelName": "to')
    sandbox.start()
    client = sandbox.client("s3")
    # The test before this one could not replace it: the disk was full.
    assert client.get_object(Bucket=BUCKET, Key="kept")["Body"].read() == b"old"
    assert client.get_object(Bucket=BUCKET, Key="parts")["Body"].read() == PARTS
    for key in ("description", "bytes", "missing"):
        with pytest.raises(ClientError, match="NoSuchKey"):
            client.get_object(Bucket=BUCKET, Key=key)
    assert [model["ModelName"] for model in sandbox.client("sagemaker").list_models()["Models"]] == [
        "too-large"
    ]
    for path in (*damaged, torn):
        assert path.name in sandbox.log_path.read_text()
        assert path.with_name(f"{path.name}.damaged").exists()


def test_a_reader_of_an_object_is_not_disturbed_by_its_replacement(sandbox, seen) -> None:
    client, problems = sandbox.client("s3"), []
    client.put_object(Bucket=BUCKET, Key="contended", Body=b"0" * 100_000)
    is_done = threading.Event()

    def read() -> None:
        while not is_done.is_set():
            try:
                body = client.get_object(Bucket=BUCKET, Key="contended")["Body"].read()
            except ClientError as error:
                problems.append(error)
                return
            if len(body) != 100_000 or len(set(body)) != 1:
                problems.append(len(body))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(40):
        client.put_object(Bucket=BUCKET, Key="contended", Body=str(number % 10).encode() * 100_000)
    is_done.set()
    for reader in readers:
        reader.join()
    assert problems == []


def test_bytes_of_an_object_lie_on_disk_once(sandbox) -> None:
    client = sandbox.client("s3")
    client.create_bucket(Bucket="space")
    client.upload_fileobj(io.BytesIO(os.urandom(20 << 20)), "space", "large")
    num_bytes = sum(path.stat().st_size for path in (sandbox.home / "s3" / "space").iterdir())
    assert 20 << 20 < num_bytes < 21 << 20
    open_files = Path(f"/proc/{sandbox.pid}/fd")
    if open_files.exists():  # Linux
        temporary = [name for file in open_files.iterdir() if "(deleted)" in (name := os.readlink(file))]
        assert temporary == [], "moto holds the parts"
