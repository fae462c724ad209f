"""JumpStart's list of models, which the SageMaker SDK reads from a bucket of AWS's before it takes any name.

`ModelBuilder(model=...)` looks a name up there first, whatever it is the name of; without the list it ends
with NoSuchBucket. The list has no model that could be had here: the SDK goes on, or says which one it lacks.

Source: SageMaker Python SDK 3.27, sagemaker/core/jumpstart/cache.py; an empty list is an IndexError there.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

_BUCKET = re.compile(r"jumpstart-cache-prod(-[a-z0-9-]+)?")
_KEYS = ("models_manifest.json", "proprietary-sdk-manifest.json")
NO_MODEL = "the-sandbox-has-no-jumpstart-models"
_MANIFEST = json.dumps(
    [{"model_id": NO_MODEL, "version": "1.0.0", "min_version": "2.0.0", "spec_key": "none.json"}]
).encode()


def has(method: str, bucket: str, key: str) -> bool:
    """Tell whether a request reads a list."""
    return method in ("GET", "HEAD") and key in _KEYS and _BUCKET.fullmatch(bucket) is not None


def answer(method: str, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with the list."""
    etag = hashlib.md5(_MANIFEST, usedforsecurity=False).hexdigest()
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(_MANIFEST))),
        ("ETag", f'"{etag}"'),
    ]
    start_response("200 OK", headers)
    return [_MANIFEST] if method == "GET" else []
