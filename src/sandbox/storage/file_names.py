"""The file of what has a name: every character is allowed in one, and as many as AWS allows."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

# Before the end that a file has while it is written: a pipeline or a repository may have 256 characters in
# its name, each of which may take three here, and a file has at most 255 bytes.
_MAX_CHARS = 200


def stem_of(name: str) -> str:
    """Return a file's name for a name, without its ending; a long one is told apart by its digest."""
    stem = quote(name, safe="")
    if len(stem) <= _MAX_CHARS:
        return stem
    return f"{stem[:_MAX_CHARS]}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"
