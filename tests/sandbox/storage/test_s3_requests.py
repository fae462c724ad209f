"""Requests to S3 that are wrong: AWS's status and code, and never a 500, which SDKs repeat."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from sandbox.storage.s3_requests import _is_bucket_name

BUCKET, KEY = "wrong-requests", "k"
CONTENT = b"0123456789"
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, Signature=0"}
PARTS = "<CompleteMultipartUpload>{}</CompleteMultipartUpload>"
PART = "<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>"
# Of a bucket, or of a key: each takes a body in XML.
XML_QUERIES = {
    "bucket": [
        "accelerate", "acl", "cors", "encryption", "inventory&id=1", "lifecycle", "logging", "notification",
        "object-lock", "ownershipControls", "publicAccessBlock", "replication", "tagging", "versioning",
        "website",
    ],
    "key": ["acl", "legal-hold", "retention", "tagging"],
}  # fmt: skip
NO_XML = [
    b"", b"text", b"<a>", b"<a/>", b"\xff\xfe\x00", b"{}", b"<Tagging><TagSet><Tag/></TagSet></Tagging>",
    b'<?xml version="1.0" encoding="none"?><a/>', b'<?xml version="1.0" encoding="euc-kr"?><a/>',
]  # fmt: skip


@pytest.fixture(scope="module")
def client(sandbox) -> Any:
    """A client, a bucket and an object."""
    made = sandbox.client("s3")
    made.create_bucket(Bucket=BUCKET)
    made.put_object(Bucket=BUCKET, Key=KEY, Body=CONTENT)
    return made


@pytest.fixture
def upload(client: Any) -> Iterator[str]:
    """The id of an upload of "large" that has one part."""
    made = client.create_multipart_upload(Bucket=BUCKET, Key="large")["UploadId"]
    client.upload_part(Bucket=BUCKET, Key="large", UploadId=made, PartNumber=1, Body=CONTENT)
    yield made
    client.abort_multipart_upload(Bucket=BUCKET, Key="large", UploadId=made)


def ask(
    sandbox: Any, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, str]:
    """Return status and code of an answer; no SDK stands between, which would refuse the request itself."""
    connection = http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=300)
    try:
        connection.request(method, path, body, {**SIGNED, **(headers or {})})
        answer = connection.getresponse()
        found = re.search(r"<Code>(.*?)</Code>", answer.read().decode())
        return answer.status, found[1] if found else ""
    finally:
        connection.close()


def refused(call: Callable[..., Any], **arguments: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_an_upload_that_is_not_there(client: Any) -> None:
    names = {"Bucket": BUCKET, "Key": "large", "UploadId": "nope"}
    expected = (404, "NoSuchUpload")
    assert refused(client.upload_part, **names, PartNumber=1, Body=b"1") == expected
    source = {"Bucket": BUCKET, "Key": KEY}
    assert refused(client.upload_part_copy, **names, PartNumber=1, CopySource=source) == expected
    parts = {"Parts": [{"PartNumber": 1, "ETag": "1"}]}
    assert refused(client.complete_multipart_upload, **names, MultipartUpload=parts) == expected
    assert refused(client.list_parts, **names) == expected
    assert refused(client.abort_multipart_upload, **names) == expected


def test_a_key_has_at_most_1024_bytes(client: Any) -> None:
    client.put_object(Bucket=BUCKET, Key="가" * 341, Body=b"")
    names = {"Bucket": BUCKET, "Key": "가" * 342}
    expected = (400, "KeyTooLongError")
    assert refused(client.put_object, **names, Body=b"") == expected
    assert refused(client.create_multipart_upload, **names) == expected
    client.delete_object(Bucket=BUCKET, Key="가" * 341)


def test_an_upload_belongs_to_its_key(client: Any, upload: str) -> None:
    names = {"Bucket": BUCKET, "Key": "other", "UploadId": upload}
    assert refused(client.upload_part, **names, PartNumber=2, Body=b"1") == (404, "NoSuchUpload")
    assert len(client.list_parts(**{**names, "Key": "large"})["Parts"]) == 1


@pytest.mark.parametrize("number", ["0", "-1", "10001", "abc", "", "1.5", "9" * 30])
def test_a_part_has_a_number_from_1_to_10000(sandbox, upload: str, number: str) -> None:
    path = f"/{BUCKET}/large?uploadId={upload}&partNumber={number}"
    assert ask(sandbox, "PUT", path, b"1") == (400, "InvalidArgument")
    assert ask(sandbox, "GET", f"/{BUCKET}/{KEY}?partNumber={number}") == (400, "InvalidArgument")


def test_a_part_needs_its_upload_and_its_number(sandbox, client: Any, upload: str) -> None:
    assert ask(sandbox, "PUT", f"/{BUCKET}/large?uploadId={upload}", b"1") == (400, "InvalidArgument")
    assert ask(sandbox, "PUT", f"/{BUCKET}/large?partNumber=1", b"1") == (400, "InvalidArgument")
    assert refused(client.head_object, Bucket=BUCKET, Key="large") == (404, "404"), "no part became an object"


def test_a_part_that_the_object_does_not_have(sandbox, client: Any) -> None:
    made = client.create_multipart_upload(Bucket=BUCKET, Key="in-parts")["UploadId"]
    names = {"Bucket": BUCKET, "Key": "in-parts"}
    etag = client.upload_part(**names, UploadId=made, PartNumber=1, Body=CONTENT)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    client.complete_multipart_upload(**names, UploadId=made, MultipartUpload=parts)
    assert client.head_object(**names, PartNumber=1)["ContentLength"] == len(CONTENT)
    assert refused(client.head_object, **names, PartNumber=99) == (416, "416")
    assert refused(client.get_object, **names, PartNumber=99) == (416, "InvalidPartNumber")
    assert refused(client.head_object, Bucket=BUCKET, Key=KEY, PartNumber=99) == (416, "416")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", "MalformedXML"),
        ("text", "MalformedXML"),
        ("<Delete/>", "MalformedXML"),
        (PARTS.format("<Part><PartNumber>1</PartNumber></Part>"), "MalformedXML"),
        (PARTS.format("<Part><ETag>1</ETag></Part>"), "MalformedXML"),
        (PARTS.format(PART.format("one", "1")), "MalformedXML"),
        (PARTS.format(PART.format(1, "wrong")), "InvalidPart"),
        (PARTS.format(PART.format(9, "1")), "InvalidPart"),
        (
            '<!DOCTYPE a [<!ENTITY b "c">]><CompleteMultipartUpload>&b;</CompleteMultipartUpload>',
            "MalformedXML",
        ),
    ],
)
def test_an_upload_is_completed_by_what_names_its_parts(sandbox, upload: str, body: str, code: str) -> None:
    assert ask(sandbox, "POST", f"/{BUCKET}/large?uploadId={upload}", body.encode()) == (400, code)


def test_the_parts_of_an_upload_come_in_their_order(client: Any, upload: str) -> None:
    names = {"Bucket": BUCKET, "Key": "large", "UploadId": upload}
    for number in (1, 2):
        client.upload_part(**names, PartNumber=number, Body=bytes(5 << 20))
    found = client.list_parts(**names)["Parts"]
    parts = {"Parts": [{"PartNumber": each["PartNumber"], "ETag": each["ETag"]} for each in found[::-1]]}
    answer = refused(client.complete_multipart_upload, **names, MultipartUpload=parts)
    assert answer == (400, "InvalidPartOrder")


@pytest.mark.parametrize("path", ["", "/", "/k", "?delete", "/k?uploads", "/k?restore", "/k?uploadId=1"])
@pytest.mark.parametrize("body", [b"", b"<Delete/>", b"\xff"])
def test_a_post_below_a_bucket_that_is_not_there(sandbox, path: str, body: bytes) -> None:
    assert ask(sandbox, "POST", f"/no-such-bucket{path}", body) == (404, "NoSuchBucket")


@pytest.mark.parametrize("query", ["policy", "website", "tagging", "abac", "location", "versioning"])
def test_to_configure_a_bucket_that_is_not_there_does_not_make_it(sandbox, client: Any, query: str) -> None:
    for method in ("PUT", "GET", "DELETE"):
        assert ask(sandbox, method, f"/no-such-bucket?{query}") == (404, "NoSuchBucket"), method
    assert "no-such-bucket" not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}


@pytest.mark.parametrize("query", ["analytics&id=1", "metrics&id=1", "intelligent-tiering&id=1", "abac"])
def test_what_moto_lacks_is_not_done_to_the_bucket_itself(sandbox, client: Any, query: str) -> None:
    client.create_bucket(Bucket="stays-there")
    for method in ("PUT", "GET", "DELETE"):
        answer = ask(sandbox, method, f"/stays-there?{query}")
        assert answer == (400, "UnknownOperationException"), method
    assert client.head_bucket(Bucket="stays-there")


def test_a_post_that_s3_does_not_have(sandbox, client: Any) -> None:
    assert ask(sandbox, "POST", "/") == (405, "MethodNotAllowed")
    assert ask(sandbox, "POST", f"/{BUCKET}/{KEY}", b"1") == (405, "MethodNotAllowed")
    assert ask(sandbox, "POST", f"/{BUCKET}", b"1") == (412, "PreconditionFailed")
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert ask(sandbox, "POST", f"/{BUCKET}", b"no form", form) == (400, "InvalidArgument")
    field = b'--x\r\nContent-Disposition: form-data; name="other"; filename="f"\r\n\r\n1\r\n--x--\r\n'
    assert ask(sandbox, "POST", f"/{BUCKET}", field, form) == (400, "InvalidArgument")


@pytest.mark.parametrize(
    "name",
    [
        "UPPER", "under_score", "-dash", "dash-", "two..dots", "192.168.0.1", "ab", "x" * 64, "xn--a", "%ff",
        "a%0ab", "%2e%2e", "%ED%8F%B4%EB%8D%94",
    ],
)  # fmt: skip
def test_a_name_that_no_bucket_can_have(sandbox, name: str) -> None:
    for method, path in (("PUT", ""), ("GET", ""), ("PUT", "/k"), ("DELETE", "")):
        assert ask(sandbox, method, f"/{name}{path}", b"1" if path else b"") == (400, "InvalidBucketName")
    assert not [each for each in (sandbox.home / "s3").glob("*") if each.name == name]


@pytest.mark.parametrize("name", ["abc", "a.b-c", "123", "1.2.3", "1.2.3.4.5", "x" * 63])
def test_a_name_that_a_bucket_can_have(name: str) -> None:
    assert _is_bucket_name(name)


@pytest.mark.parametrize("body", [b"text", b"<", b"\xff", b"{}"])
def test_a_bucket_that_is_made_with_a_body_that_is_no_xml(sandbox, body: bytes) -> None:
    assert ask(sandbox, "PUT", "/not-made", body) == (400, "MalformedXML")


@pytest.mark.parametrize(
    "query",
    ["max-keys", "list-type=2&max-keys", "versions&max-keys", "uploads&max-uploads"],
)
@pytest.mark.parametrize("number", ["abc", "-1", "", "1e3", "²", "9" * 30])
def test_a_count_is_a_number(sandbox, client: Any, query: str, number: str) -> None:
    path = f"/{BUCKET}?{query}={number}".replace("²", "%C2%B2")
    assert ask(sandbox, "GET", path) == (400, "InvalidArgument")


@pytest.mark.parametrize("name", ["max-parts", "part-number-marker"])
def test_a_count_of_parts_is_a_number(sandbox, upload: str, name: str) -> None:
    for number in ("abc", "-1", ""):
        path = f"/{BUCKET}/large?uploadId={upload}&{name}={number}"
        assert ask(sandbox, "GET", path) == (400, "InvalidArgument")


@pytest.mark.parametrize("body", NO_XML)
def test_a_body_that_is_not_the_xml_of_its_request(sandbox, client: Any, body: bytes) -> None:
    paths = [f"/{BUCKET}?{query}" for query in XML_QUERIES["bucket"]]
    paths += [f"/{BUCKET}/{KEY}?{query}" for query in XML_QUERIES["key"]]
    for path in paths:
        if body == b"" and path.endswith("?acl"):
            continue  # the headers say it
        assert ask(sandbox, "PUT", path, body) == (400, "MalformedXML"), path
    for path in (f"/{BUCKET}?delete", f"/{BUCKET}/{KEY}?restore", f"/{BUCKET}/{KEY}?select&select-type=2"):
        assert ask(sandbox, "POST", path, body) == (400, "MalformedXML"), path


@pytest.mark.parametrize("objects", ["", "<Object/>", "<Object><VersionId>1</VersionId></Object>"])
def test_objects_to_delete_have_keys(sandbox, client: Any, objects: str) -> None:
    body = f"<Delete>{objects}</Delete>".encode()
    assert ask(sandbox, "POST", f"/{BUCKET}?delete", body) == (400, "MalformedXML")


@pytest.mark.parametrize("policy", ["", "text", "[]", "null", "<Policy/>", "[" * 100_000])
def test_a_policy_is_a_json_object(sandbox, client: Any, policy: str) -> None:
    assert ask(sandbox, "PUT", f"/{BUCKET}?policy", policy.encode()) == (400, "MalformedPolicy")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", (400, "InvalidArgument")),
        ("/", (400, "InvalidArgument")),
        ("only-a-bucket", (400, "InvalidArgument")),
        ("/no-such-bucket/k", (404, "NoSuchBucket")),
        (f"/{BUCKET}/none", (404, "NoSuchKey")),
        (f"/{BUCKET}/%ff", (404, "NoSuchKey")),
        (f"/{BUCKET}/{KEY}?versionId=none", (404, "NoSuchVersion")),
    ],
)
def test_a_copy_of_what_is_not_there(sandbox, upload: str, source: str, expected: tuple[int, str]) -> None:
    headers = {"x-amz-copy-source": source}
    assert ask(sandbox, "PUT", f"/{BUCKET}/copy", headers=headers) == expected
    part = f"/{BUCKET}/large?partNumber=2&uploadId={upload}"
    assert ask(sandbox, "PUT", part, headers=headers) == expected


@pytest.mark.parametrize(
    "bytes_", ["bytes=a-b", "bytes=5-2", "0-5", "bytes=-5", "bytes=5-", "bytes=0-1,3-4", ""]
)
def test_a_part_is_copied_from_one_range(sandbox, upload: str, bytes_: str) -> None:
    headers = {"x-amz-copy-source": f"/{BUCKET}/{KEY}", "x-amz-copy-source-range": bytes_}
    part = f"/{BUCKET}/large?partNumber=2&uploadId={upload}"
    assert ask(sandbox, "PUT", part, headers=headers) == (400, "InvalidArgument")


@pytest.mark.parametrize("bytes_", ["bytes", "bytes=", "bytes=a-b", "bytes=5-2", "bytes=0-1,3-4", "="])
def test_a_range_that_is_none_gives_the_whole_object(sandbox, client: Any, bytes_: str) -> None:
    assert client.get_object(Bucket=BUCKET, Key=KEY, Range=bytes_)["Body"].read() == CONTENT


def test_a_range_behind_the_end(client: Any) -> None:
    assert refused(client.get_object, Bucket=BUCKET, Key=KEY, Range="bytes=10-") == (416, "InvalidRange")


@pytest.mark.parametrize("name", ["If-Modified-Since", "If-Unmodified-Since"])
@pytest.mark.parametrize("date", ["yesterday", "2026-11-29", "99999"])
def test_a_condition_whose_date_is_none_does_not_count(sandbox, client: Any, name: str, date: str) -> None:
    assert ask(sandbox, "GET", f"/{BUCKET}/{KEY}", headers={name: date})[0] == 200


@pytest.mark.parametrize(
    "date",
    [
        "Sat, 01 Jan 2050 00:00:00 GMT",
        "Saturday, 01-Jan-50 00:00:00 GMT",
        "Sat Jan  1 00:00:00 2050",
        "Sat, 01 Jan 2050 09:00:00 +0900",
    ],
)
def test_a_date_counts_in_each_of_its_three_forms(sandbox, client: Any, date: str) -> None:
    path = f"/{BUCKET}/{KEY}"
    assert ask(sandbox, "GET", path, headers={"If-Modified-Since": date})[0] == 304
    assert ask(sandbox, "GET", path, headers={"If-Unmodified-Since": date})[0] == 200
    past = date.replace("2050", "2020").replace("-50", "-20")
    assert ask(sandbox, "GET", path, headers={"If-Modified-Since": past})[0] == 200
    assert ask(sandbox, "GET", path, headers={"If-Unmodified-Since": past})[0] == 412


def test_tags_of_an_object_that_is_not_there_cannot_be_deleted(client: Any) -> None:
    assert refused(client.delete_object_tagging, Bucket=BUCKET, Key="none") == (404, "NoSuchKey")


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-acl": "everybody"},
        {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"},
        {"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
        {"x-amz-grant-read": "everybody"},
    ],
)
def test_headers_that_moto_cannot_read_are_the_clients_mistake(sandbox, client: Any, headers: Any) -> None:
    status, code = ask(sandbox, "PUT", f"/{BUCKET}/headers", b"no chunk", headers)
    assert (status, code) in {(400, "InvalidArgument"), (400, "InvalidRequest")}


def test_nothing_of_all_this_left_a_traceback(sandbox, client: Any) -> None:
    assert "Traceback" not in sandbox.log_path.read_text()
