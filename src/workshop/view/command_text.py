"""A command as a person reads it: one option a line, and no secret value anywhere."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from processes.secret_values import HIDDEN, is_secret


def command_text(command: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """Write a command as one can paste it into a shell, one option a line, secret values as ***."""
    lines = [
        f"{name}={HIDDEN if is_secret(name, value) else shlex.quote(value)}"
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
