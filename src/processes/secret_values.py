"""What is secret: by a variable's name, or by a value's form. It is neither shown, logged nor handed on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

HIDDEN = "***"

_MIN_SECRET_CHARS = 8
_NAMES = ("SECRET", "KEY", "PASSWORD", "PASSWD", "CREDENTIALS_JSON")
_COUNTS_TOKENS = re.compile("TOKENS|TOKENIZER")
_PLAIN_VALUE = re.compile(r"[\d.]+|true|false", re.IGNORECASE)
_FORMS = re.compile(
    r"(?<=://)[^/\s@]+(?=@)"  # user and password of an address: package indexes, git remotes, databases
    r"|\bhf_[A-Za-z0-9]{16,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    # what an address that was signed, and a token made of one, let anybody do until they expire
    r"|(?<=X-Amz-Signature=)[0-9a-f]{16,}"
    r"|(?<=X-Amz-Security-Token=)[\w%+/=-]{16,}"
    r"|(?<=sagemaker-api-key-)[A-Za-z0-9+/=]{16,}"
)


def is_secret(name: str, value: str) -> bool:
    """Tell whether a variable is secret; MAX_TOTAL_TOKENS=2048 and the like are not."""
    return _is_named_secret(name, value) or _FORMS.search(value) is not None


def without_secrets(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a program of somebody else's may see."""
    return {name: value for name, value in env.items() if not is_secret(name, value)}


def hider(env: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function that puts *** in place of every secret; short values are no secrets.

    Args:
        env: Whose secret values are hidden wherever they stand; what has the form of one is hidden as well.
    """
    secrets = {
        value
        for name, value in env.items()
        if len(value) >= _MIN_SECRET_CHARS and _is_named_secret(name, value)
    }
    by_value = re.compile("|".join(map(re.escape, sorted(secrets, key=len, reverse=True))) or r"(?!)")
    return lambda text: _FORMS.sub(HIDDEN, by_value.sub(HIDDEN, text))


def _is_named_secret(name: str, value: str) -> bool:
    upper = name.upper()
    if any(word in upper for word in _NAMES):
        return True
    return "TOKEN" in upper and not (_COUNTS_TOKENS.search(upper) and _PLAIN_VALUE.fullmatch(value))
