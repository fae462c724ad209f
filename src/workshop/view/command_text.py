"""A command as a person reads it: one option a line, and no secret value anywhere."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_MIN_SECRET_CHARS = 8
_COUNTS_TOKENS = re.compile("TOKENS|TOKENIZER")
_PLAIN_VALUE = re.compile(r"[\d.]+|true|false", re.IGNORECASE)


def command_text(command: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """Write a command as one can paste it into a shell, one option a line, secret values as ***."""
    lines = [
        f"{name}={'***' if _is_secret(name, value) else shlex.quote(value)}"
        for name, value in sorted((env or {}).items())
    ]
    line: list[str] = []
    for part in command:
        if line and part.startswith("-"):
            lines.append(shlex.join(line))
            line = []
        line.append(part)
    lines.append(shlex.join(line))
    return " \\\n  ".join(lines)


def short_name(command: Sequence[str]) -> str:
    """Name a command by its program and the script it runs: `torchrun train.py`."""
    script = next((Path(part).name for part in command[1:] if part.endswith(".py")), "")
    return f"{Path(command[0]).name} {script}".strip()


def _is_secret(name: str, value: str) -> bool:
    """Tell by its name whether a variable is secret; MAX_TOTAL_TOKENS=2048 and the like are not."""
    upper = name.upper()
    if any(word in upper for word in ("SECRET", "KEY", "PASSWORD")):
        return True
    return "TOKEN" in upper and not (_COUNTS_TOKENS.search(upper) and _PLAIN_VALUE.fullmatch(value))


def hider(env: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function that puts *** in place of every secret value; short ones are no secrets."""
    secrets = {
        value for name, value in env.items() if _is_secret(name, value) and len(value) >= _MIN_SECRET_CHARS
    }
    if not secrets:
        return lambda text: text
    pattern = re.compile("|".join(map(re.escape, sorted(secrets, key=len, reverse=True))))
    return lambda text: pattern.sub("***", text)
