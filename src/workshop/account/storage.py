"""What lies in S3 below the workshop's prefix: in groups with their sizes, deleted a group at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from workshop.account.confirmation import BUCKET, word_of_folder
from workshop.account.found import Found, Problem, masked, noted
from workshop.account.ownership import TAG, Ownership
from workshop.aws.denied import PERSON_POLICY
from workshop.aws.resources import delete_if_there, is_missing
from workshop.aws.session import PREFIX, Aws
from workshop.aws.transfer import size_text
from workshop.cost import S3_USD_PER_GB_MONTH
from workshop.errors import WorkshopError

_MAX_KEYS = 1000
"""Of one DeleteObjects. Source: Amazon S3 API reference."""

_NO_BUCKET = ("404", "NoSuchBucket", "NotFound")


@dataclass
class _Group:
    num_objects: int = 0
    num_bytes: int = 0
    num_old: int = 0
    num_uploads: int = 0
    since: datetime | None = None
    folders: set[str] = field(default_factory=set)

    def add(self, folder: str, at: datetime, num_bytes: int = 0) -> None:
        self.folders.add(folder)
        self.num_bytes += num_bytes
        self.since = min(self.since or at, at)


def find_storage(aws: Aws, ownership: Ownership, problems: list[Problem]) -> list[Found]:
    """Return the groups of objects, and the buckets that the workshop has made.

    The bucket of the settings, and those of this machine's ledger: `bucket` may have had another value.
    """
    found: list[Found] = []
    for bucket in dict.fromkeys([aws.bucket, *ownership.may_exist("Bucket")]):
        with noted(problems, f"the bucket {masked(bucket)}", "s3"):
            if not _is_there(aws, bucket):
                continue
            found += _groups(aws, bucket, problems)
            sources = _bucket_sources(aws, ownership, bucket, problems)
            if sources:
                found.append(Found(kind="Bucket", name=bucket, sources=sources, mode=aws.mode, word=BUCKET))
    return sorted(found, key=lambda one: one.kind == "Bucket")


def delete_group(aws: Aws, group: Found) -> None:
    """Delete the objects of a group with their older versions, and end the uploads that never ended.

    Raises:
        WorkshopError: S3 kept some of them; it names the first and S3's reason.
    """
    s3, bucket = aws.client("s3"), group.details["bucket"]
    owner = {"Bucket": bucket, "ExpectedBucketOwner": aws.account_id}
    refused: list[dict[str, Any]] = []
    for _ in range(2):  # where versioning was suspended the first deletion of a key leaves a marker
        for upload in _uploads(aws, bucket):
            if _word(aws, upload["Key"]) == group.word:
                which = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
                delete_if_there(s3.abort_multipart_upload, **which, **owner)
        keys = [
            {name: version[name] for name in ("Key", "VersionId") if version.get(name)}
            for version in _versions(aws, bucket)
            if _word(aws, version["Key"]) == group.word
        ]
        for start in range(0, len(keys), _MAX_KEYS):
            some = {"Objects": keys[start : start + _MAX_KEYS], "Quiet": True}
            refused += s3.delete_objects(Delete=some, **owner).get("Errors", [])
    if refused:
        raise WorkshopError(
            found=f"{len(refused)} objects that S3 kept, first {refused[0]['Key']} ({refused[0]['Code']})",
            expected="the right to delete them",
            next_step="allow s3:DeleteObject (of a bucket with versions s3:DeleteObjectVersion), see "
            f"{PERSON_POLICY}; an object under a retention or a hold stays until that ends",
        )


def delete_bucket(aws: Aws, bucket: str) -> None:
    """Delete a bucket; S3 refuses when anything is in it."""
    aws.client("s3").delete_bucket(Bucket=bucket, ExpectedBucketOwner=aws.account_id)


def _is_there(aws: Aws, bucket: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        aws.client("s3").head_bucket(Bucket=bucket, ExpectedBucketOwner=aws.account_id)
    except ClientError as error:
        if error.response["Error"]["Code"] in _NO_BUCKET:
            return False
        raise
    return True


def _bucket_sources(aws: Aws, ownership: Ownership, bucket: str, problems: list[Problem]) -> tuple[str, ...]:
    """Return what says that the workshop has made a bucket: SageMaker's default one may be older."""
    from botocore.exceptions import ClientError

    tags: dict[str, str] = {}
    with noted(problems, f"the tags of the bucket {masked(bucket)}", "s3"):
        try:
            answer = aws.client("s3").get_bucket_tagging(Bucket=bucket, ExpectedBucketOwner=aws.account_id)
            tags = {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchTagSet":
                raise
    row = ownership.row("Bucket", bucket)
    known = row is not None and row.may_exist
    return tuple(source for source, is_so in (("ledger", known), ("tag", tags.get(TAG) == PREFIX)) if is_so)


def _groups(aws: Aws, bucket: str, problems: list[Problem]) -> Iterator[Found]:
    groups: dict[str, _Group] = {}
    for version in _versions(aws, bucket, problems):
        folder = _folder(aws, version["Key"])
        group = groups.setdefault(word_of_folder(folder), _Group())
        group.add(folder, version["LastModified"], version.get("Size", 0))
        is_object = version.get("IsLatest", True) and "Size" in version  # else an old version, or a marker
        group.num_objects += is_object
        group.num_old += not is_object
    with noted(problems, "the list of unfinished uploads", "s3"):
        for upload in _uploads(aws, bucket):
            folder = _folder(aws, upload["Key"])
            group = groups.setdefault(word_of_folder(folder), _Group())
            group.add(folder, upload["Initiated"])
            group.num_uploads += 1
    for word, group in groups.items():
        folders = [
            f"{aws.prefix}/{folder}/" if folder else f"{aws.prefix}/" for folder in sorted(group.folders)
        ]
        yield Found(
            kind="S3",
            name=f"s3://{bucket}/{folders[0]}"
            + (f" and {len(folders) - 1} more" if len(folders) > 1 else ""),
            sources=("prefix",),
            mode=aws.mode,
            made_at=group.since,
            what=_group_text(group),
            word=word,
            details={"bucket": bucket},
        )


def _group_text(group: _Group) -> str:
    counts = [
        (group.num_objects, "object"),
        (group.num_old, "older version"),
        (group.num_uploads, "unfinished upload"),
    ]
    parts = [f"{count} {what}{'s' * (count != 1)}" for count, what in counts if count]
    per_month = group.num_bytes / 1e9 * S3_USD_PER_GB_MONTH
    return ", ".join([*parts, size_text(group.num_bytes), f"{per_month:.2f} USD a month on AWS"])


def _folder(aws: Aws, key: str) -> str:
    """Return the folder directly below the prefix; "" for an object beside the folders."""
    return key.removeprefix(f"{aws.prefix}/").rpartition("/")[0].partition("/")[0]


def _word(aws: Aws, key: str) -> str:
    return word_of_folder(_folder(aws, key))


def _versions(aws: Aws, bucket: str, problems: list[Problem] | None = None) -> Iterator[dict[str, Any]]:
    """Yield every version and delete marker below the workshop's prefix; without that right the objects.

    A VersionId stands only where the bucket keeps versions: its deletion asks for a right of its own.
    """
    from botocore.exceptions import ClientError

    s3 = aws.client("s3")
    asked = {"Bucket": bucket, "Prefix": f"{aws.prefix}/", "ExpectedBucketOwner": aws.account_id}
    refused: list[Problem] = []
    with noted(refused, "older versions of objects, if the bucket keeps them", "s3"):
        try:
            for page in s3.get_paginator("list_object_versions").paginate(**asked):
                for version in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
                    has_versions = version.get("VersionId", "null") != "null" or "Size" not in version
                    yield version if has_versions else version | {"VersionId": None}
            return
        except ClientError as error:
            if is_missing(error):
                return
            raise
    if problems is not None:
        problems += refused
    for page in s3.get_paginator("list_objects_v2").paginate(**asked):
        yield from page.get("Contents", ())


def _uploads(aws: Aws, bucket: str) -> Iterator[dict[str, Any]]:
    asked = {"Bucket": bucket, "Prefix": f"{aws.prefix}/", "ExpectedBucketOwner": aws.account_id}
    for page in aws.client("s3").get_paginator("list_multipart_uploads").paginate(**asked):
        yield from page.get("Uploads", ())
