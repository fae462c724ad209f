"""Requests to S3, checked before moto sees them: it makes a bucket of what it takes for none, or fails.

Source: Amazon S3 User Guide, "Bucket naming rules"; S3 API Reference, "Error responses".
"""

from __future__ import annotations

import io
import json
import re
from datetime import UTC
from email.utils import format_datetime, parsedate_to_datetime
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.parsers import expat

from sandbox.api.errors import AwsError
from sandbox.moto_failures import MALFORMED_XML, XML_ROOTS

_BUCKET_NAME = re.compile(r"(?!xn--|sthree-)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IP_ADDRESS = re.compile(r"(\d{1,3}\.){3}\d{1,3}")
_COUNTS = ("max-keys", "max-parts", "max-uploads", "max-buckets", "part-number-marker")
_MAX_COUNT = (1 << 31) - 1
_MAX_PARTS = 10_000
_MAX_KEY_BYTES = 1024
_S3_CONTROL = "v20180820"  # moto's path of another service
# Parts of a query that speak of a bucket that is there; a PUT with none of them makes one.
_OF_A_BUCKET = {
    *XML_ROOTS, "abac", "analytics", "attributes", "intelligent-tiering", "location", "metadataConfiguration",
    "metadataTable", "metrics", "policy", "policyStatus", "session", "torrent", "uploads", "versions",
}  # fmt: skip
_KNOWN = XML_ROOTS.keys() - {"requestPayment"}
# Of these, what moto does not take for a request for the bucket itself: it would list, make or delete it.
_OFFERED = {
    "DELETE": {
        "cors", "encryption", "lifecycle", "ownershipControls", "policy", "publicAccessBlock", "replication",
        "tagging", "website",
    },
    "GET": _KNOWN | {"location", "policy", "policyStatus", "uploads", "versions"},
    "PUT": _KNOWN | {"policy"},
}  # fmt: skip
_PART_NUMBER = re.compile(rb"PartNumber>\s*(\d{1,9})\s*<")
_POSTS = {"uploads", "uploadId", "restore", "select"}  # of a key
# A body may be missing: its request says the same in headers.
_OPTIONAL_BODY = {"acl"}
_DATES = ("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE")


def check(environ: dict[str, Any], bucket: str, key: str, buckets: dict[str, Any]) -> None:
    """Refuse what AWS refuses and moto does not expect.

    Args:
        environ: The request; a body in XML is whole afterwards.
        bucket: Its bucket, "" for none.
        key: Its key, "" for none.
        buckets: moto's buckets.

    Raises:
        AwsError: In S3's words.
    """
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True, errors="replace")
    method, found = environ["REQUEST_METHOD"], buckets.get(bucket)
    _check_counts(query)
    if bucket == _S3_CONTROL:
        return
    if not bucket:
        if method == "POST":
            raise _not_allowed()
        return
    if "=" not in environ.get("HTTP_RANGE", "="):  # AWS sends all of the object then; moto fails
        del environ["HTTP_RANGE"]
    _write_dates_as_moto_reads_them(environ)
    if found is None:
        if not _is_bucket_name(bucket):
            raise AwsError("InvalidBucketName", f"The specified bucket is not valid: {bucket[:100]!r}.")
        if method == "OPTIONS" or (method == "PUT" and not key and not _OF_A_BUCKET & query.keys()):
            return
        raise _no_such_bucket()
    if not key and (refused := (_OF_A_BUCKET & query.keys()) - _OFFERED.get(method, _OF_A_BUCKET)):
        raise AwsError("UnknownOperationException", f"The sandbox's S3 has no {method} of ?{min(refused)}.")
    if key:
        if len(key.encode("utf-8", "surrogateescape")) > _MAX_KEY_BYTES:
            raise AwsError("KeyTooLongError", "Your key is too long")
        if method == "POST" and not _POSTS & query.keys():
            raise _not_allowed()
        if method == "DELETE" and "tagging" in query and "versionId" not in query:
            _check_is_there(found, key)
        _check_parts(method, query, key, found.multiparts)
        if method in ("GET", "HEAD") and "partNumber" in query and "versionId" not in query:
            _check_has_part(found.keys.get(key), int(query["partNumber"][0]))
        source = environ.get("HTTP_X_AMZ_COPY_SOURCE")
        if method == "PUT" and source is not None:
            _check_copy(source, environ.get("HTTP_X_AMZ_COPY_SOURCE_RANGE"), buckets)
    elif method == "POST" and "delete" not in query:
        _check_form(environ)
    elif method == "PUT" and "policy" in query:
        _check_policy(_body(environ))
    if method in ("PUT", "POST"):
        _check_xml(environ, method, query)


def _write_dates_as_moto_reads_them(environ: dict[str, Any]) -> None:
    """Give moto the one form of a date that it reads; a condition whose date is none does not count.

    Source: RFC 9110, 5.6.7 (three forms), 13.1.3 and 13.1.4 (a recipient ignores what is no date).
    """
    for name in _DATES:
        if name in environ:
            try:
                date = parsedate_to_datetime(environ[name])
                date = date.replace(tzinfo=date.tzinfo or UTC).astimezone(UTC)
                environ[name] = format_datetime(date, usegmt=True)
            except (ValueError, OverflowError):
                del environ[name]


def _check_counts(query: dict[str, list[str]]) -> None:
    for name in _COUNTS:
        number = _integer(query[name][0]) if name in query else 0
        if number is None:
            raise _invalid(f"Provided {name} not an integer or within integer range")
        if not 0 <= number <= _MAX_COUNT:
            raise _invalid(f"Argument {name} must be an integer between 0 and {_MAX_COUNT}")


def _check_parts(method: str, query: dict[str, list[str]], key: str, uploads: dict[str, Any]) -> None:
    is_upload = "uploadId" in query
    if "partNumber" in query or (is_upload and method == "PUT"):
        number = _integer(query.get("partNumber", [""])[0])
        if number is None or not 1 <= number <= _MAX_PARTS:
            raise _invalid(f"Part number must be an integer between 1 and {_MAX_PARTS}, inclusive")
        if method == "PUT" and not is_upload:
            raise _invalid("This operation does not accept a query-string.")
    if is_upload and method != "HEAD":
        upload = uploads.get(query["uploadId"][0])
        if upload is None or upload.key_name != key:
            raise AwsError(
                "NoSuchUpload",
                "The specified upload does not exist. The upload ID may be invalid, or the upload may have"
                " been aborted or completed.",
                status=404,
            )


def _check_has_part(found: Any, number: int) -> None:
    """Refuse a part that an object does not have; moto sends all of it, or fails."""
    _, is_in_parts, num_parts = getattr(found, "etag", "").strip('"').rpartition("-")  # "...-8": in eight
    if found is not None and number > (int(num_parts) if is_in_parts else 1):
        raise AwsError("InvalidPartNumber", "The requested partnumber is not satisfiable", status=416)


def _check_form(environ: dict[str, Any]) -> None:
    if not environ.get("CONTENT_TYPE", "").startswith("multipart/form-data"):
        raise AwsError(
            "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold: Bucket POST must be of the"
            " enclosure-type multipart/form-data",
            status=412,
        )


def _check_is_there(bucket: Any, key: str) -> None:
    if bucket.keys.get(key) is None:
        raise AwsError("NoSuchKey", "The specified key does not exist.", status=404)


def _check_policy(body: bytes) -> None:
    try:
        is_policy = isinstance(json.loads(body.decode("utf-8")), dict)
    except (ValueError, RecursionError):
        is_policy = False
    if not is_policy:
        raise AwsError("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'")


def _check_copy(source: str, part: str | None, buckets: dict[str, Any]) -> None:
    if source.startswith("arn:"):
        return
    bucket, _, key = unquote(source).removeprefix("/").partition("/")
    if not bucket or not key.partition("?")[0]:
        raise _invalid("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    if bucket not in buckets:
        raise _no_such_bucket()
    key, _, version = key.partition("?versionId=")
    _check_is_there(buckets[bucket], key)
    if version and version not in {each.version_id for each in buckets[bucket].keys.getlist(key, [])}:
        raise AwsError("NoSuchVersion", "The specified version does not exist.", status=404)
    if part is not None:
        ends = re.fullmatch(r"bytes=(\d+)-(\d+)", part, re.ASCII)
        if ends is None or _integer(ends[1]) is None or int(ends[1]) > int(ends[2]):
            raise _invalid(
                "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last"
                " are the zero-based offsets of the first and last bytes to copy"
            )


def _check_xml(environ: dict[str, Any], method: str, query: dict[str, list[str]]) -> None:
    """Make sure that a body in XML begins as its request says; all of it is read by moto."""
    named = [name for name in XML_ROOTS if name in query and not (name == "uploadId" and method == "PUT")]
    if not named:
        return
    body = _body(environ)
    if not body and _OPTIONAL_BODY & {*named}:
        return
    roots: list[str] = []
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = lambda name, _: roots.append(name.rpartition(" ")[2])
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, LookupError, ValueError):  # the latter two: of its encoding
        raise AwsError("MalformedXML", MALFORMED_XML) from None
    if roots[0] not in [XML_ROOTS[name] for name in named]:
        raise AwsError("MalformedXML", f"{MALFORMED_XML}: it begins with {roots[0][:100]}")
    numbers = [int(number) for number in _PART_NUMBER.findall(body)]
    if any(number >= following for number, following in pairwise(numbers)):
        raise AwsError(
            "InvalidPartOrder",
            "The list of parts was not in ascending order. The parts list must be specified in order by part"
            " number.",
        )


def _body(environ: dict[str, Any]) -> bytes:
    body = environ["wsgi.input"].read()
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
    return body


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?\d{1,19}", text, re.ASCII) else None


def _is_bucket_name(name: str) -> bool:
    return bool(_BUCKET_NAME.fullmatch(name)) and not _IP_ADDRESS.fullmatch(name)


def _not_allowed() -> AwsError:
    message = "The specified method is not allowed against this resource."
    return AwsError("MethodNotAllowed", message, status=405)


def _no_such_bucket() -> AwsError:
    return AwsError("NoSuchBucket", "The specified bucket does not exist", status=404)


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidArgument", message)
