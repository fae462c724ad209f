"""What the pipeline's processing jobs read, brought to S3.

Addresses hold a digest of what lies there: SageMaker's cache compares addresses, not content, and would take
an old result for new rows.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

from workshop.aws.session import Aws
from workshop.aws.transfer import Transfers, file_sha256, stored, upload_changed
from workshop.errors import WorkshopError
from workshop.news.table import News
from workshop.pipeline.report import NO_PRODUCTION

_NUM_DIGEST_CHARS = 12
_WEIGHTS = (".safetensors", ".safetensors.index.json")


def upload_raw_news(aws: Aws, news: News) -> str:
    """Bring raw rows to S3 as a JSONL file for each split.

    Args:
        aws: Where to.
        news: What `workshop.news.load` has returned.

    Returns:
        The S3 folder, with a slash at its end; the same rows have the same address.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths, digest = [], hashlib.sha256()
        for split, rows in news.splits.items():
            path = Path(folder) / f"{split}.jsonl"
            rows.to_json(path, orient="records", lines=True, force_ascii=False)
            digest.update(f"{path.name} {file_sha256(path)}\n".encode())
            paths.append(path)
        prefix = f"{aws.prefix}/pipeline/raw/{digest.hexdigest()[:_NUM_DIGEST_CHARS]}/"
        s3, num_bytes = aws.client("s3"), sum(path.stat().st_size for path in paths)
        present = stored(s3, aws.bucket, prefix)
        with Transfers("upload of the raw news", num_bytes) as shown:
            for path in paths:
                key = prefix + path.name
                upload_changed(s3, path, aws.bucket, key, file_sha256(path), present, shown)
    return f"s3://{aws.bucket}/{prefix}"


def copy_tokenizer(aws: Aws, model_uri: str) -> str:
    """Copy the tokenizer of a model within S3, so that a job that needs nothing else does not get 16 GB.

    Args:
        aws: Where both are.
        model_uri: What `upload_base_model` has returned.

    Returns:
        The S3 folder, with a slash at its end.

    Raises:
        WorkshopError: There is no tokenizer.
    """
    s3, source = aws.client("s3"), model_uri.removeprefix(f"s3://{aws.bucket}/")
    target = f"{aws.prefix}/pipeline/tokenizer/{source.removeprefix(f'{aws.prefix}/base-model/')}"
    keys = [key for key in stored(s3, aws.bucket, source) if not key.endswith(_WEIGHTS)]
    if f"{source}tokenizer.json" not in keys:
        raise WorkshopError(
            found=f"no tokenizer.json in {model_uri}",
            expected="a base model with its tokenizer",
            next_step="upload it with upload_base_model, as notebook 01/03 does",
        )
    for key in keys:
        s3.copy({"Bucket": aws.bucket, "Key": key}, aws.bucket, target + key.removeprefix(source))
    return f"s3://{aws.bucket}/{target}"


def upload_no_production(aws: Aws) -> str:
    """Bring to S3 what stands for a report where no version is in production yet: a job's input needs a file.

    Returns:
        The S3 folder, with a slash at its end.
    """
    prefix = f"{aws.prefix}/pipeline/no-production/"
    text = json.dumps({"production": None})
    aws.client("s3").put_object(Bucket=aws.bucket, Key=prefix + NO_PRODUCTION, Body=text.encode())
    return f"s3://{aws.bucket}/{prefix}"
