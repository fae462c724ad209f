"""What the request of a job is refused for, whatever kind of job it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.api.errors import AwsError, validation_error
from sandbox.api.registry import Call
from sandbox.jobs.hosts import MAX_HOSTS
from sandbox.s3_files import S3Error, S3Files, bucket_and_key


def unique(names: Iterable[str]) -> bool:
    """Return whether no name comes twice."""
    names = list(names)
    return len(set(names)) == len(names)


def check_num_hosts(member: str, num_hosts: int) -> None:
    """Refuse more hosts than this machine is given.

    Raises:
        AwsError: ValidationException.
    """
    if num_hosts > MAX_HOSTS:
        raise unsupported(member, num_hosts, f"1 to {MAX_HOSTS}")


def check_local_path(member: str, path: str, *, below: str) -> None:
    """Refuse a path of the container that is not below a folder.

    Raises:
        AwsError: ValidationException.
    """
    if not f"{path}/".startswith(f"{below}/") or ".." in path.split("/"):
        raise unsupported(member, path, f"a folder below {below}")


def check_buckets(uris: Mapping[str, str], s3: S3Files) -> None:
    """Refuse places that nothing can be uploaded to.

    Args:
        uris: By the member of the request that names them.
        s3: Where they are.

    Raises:
        AwsError: ValidationException.
    """
    for member, uri in uris.items():
        if not uri.startswith("s3://"):
            raise validation_error(f"The S3 path of {member} must start with s3://, not {uri}.")
    for bucket in {bucket_and_key(uri)[0] for uri in uris.values()}:
        if not s3.has_bucket(bucket):
            raise validation_error(f"The S3 bucket {bucket} does not exist or cannot be accessed.")


def check_objects(call: Call, uri: str, s3: S3Files) -> None:
    """Refuse a prefix with nothing below it.

    Raises:
        AwsError: ValidationException.
    """
    bucket, _ = bucket_and_key(uri)
    if not _has_objects(s3, uri):
        # Source: issue threads of aws/amazon-sagemaker-examples, for example 2489.
        raise validation_error(
            f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the'
            f" bucket exists in the selected region ({call.region}), that objects exist under that S3 prefix,"
            f' and that the role "{call.request["RoleArn"]}" has "s3:ListBucket" permissions on bucket'
            f' "{bucket}".'
        )


def unsupported(what: str, found: Any, expected: str) -> AwsError:
    """Return the error for a value that AWS has and the sandbox has not."""
    return validation_error(f"The sandbox does not support {what} = {found}; it supports {expected}.")


def _has_objects(s3: S3Files, uri: str) -> bool:
    try:
        return next(s3.keys(uri, page_size=1), None) is not None
    except S3Error:
        return False
