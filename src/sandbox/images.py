"""Which program stands for a container image that serves.

Nothing is pulled and no container is started: the program runs as a process of this machine, with the
container's environment, and speaks the container's contract (GET /ping, POST /invocations on $PORT).

Programs of your own: SANDBOX_IMAGES names a YAML file, given to the sandbox at its start and read again at
every CreateEndpoint. Its patterns come before the built-in ones; `{python}` is the sandbox's interpreter.

    my-team/echo:*: ["{python}", /opt/inference/echo.py]
    "*huggingface-pytorch-inference*": [/opt/inference/bin/serve]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

VARIABLE = "SANDBOX_IMAGES"
SERVE = ("{python}", "-m", "serve")
# Text Generation Inference, DJL Serving / LMI, vLLM and SGLang: `serve` stands for each in its own dialect.
# SGLang's containers answer OpenAI's bodies on /invocations, as vLLM's do.
BUILT_IN = {
    "*huggingface-pytorch-tgi*": (*SERVE, "--dialect", "tgi"),
    "*text-generation-inference*": (*SERVE, "--dialect", "tgi"),
    "*djl-inference*": (*SERVE, "--dialect", "lmi"),
    "*vllm*": (*SERVE, "--dialect", "vllm"),
    "*sglang*": (*SERVE, "--dialect", "vllm"),
}


class ImagesError(ValueError):
    """The file that SANDBOX_IMAGES names cannot be used."""


def command_for(image: str) -> list[str] | None:
    """Return program and arguments that stand for an image, or None when the sandbox has none.

    Args:
        image: Image URI, for example 763104351884.dkr.ecr.us-east-1.amazonaws.com/djl-inference:0.38.0-lmi.

    Raises:
        ImagesError: The file that SANDBOX_IMAGES names cannot be used.
    """
    for pattern, command in (_given() | BUILT_IN).items():
        if fnmatchcase(image, pattern):
            return _filled(command)
    return None


def serve_command(*arguments: str) -> list[str]:
    """Return the command of `serve`, which stands for the built-in images."""
    return _filled((*SERVE, *arguments))


def is_serve(command: Sequence[str]) -> bool:
    """Tell whether a command runs `serve` with the sandbox's interpreter."""
    return list(command[: len(SERVE)]) == serve_command()


def _filled(command: Sequence[str]) -> list[str]:
    return [sys.executable if word == "{python}" else word for word in command]


def _given() -> dict[str, tuple[str, ...]]:
    path = os.environ.get(VARIABLE)
    if not path:
        return {}
    import yaml

    try:
        entries = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ImagesError(f"{VARIABLE}: {path} cannot be read: {error}") from None
    if not isinstance(entries, dict):
        raise ImagesError(f"{VARIABLE}: {path} holds no mapping of image patterns to commands")
    for pattern, command in entries.items():
        is_command = isinstance(command, list) and command and all(isinstance(word, str) for word in command)
        if not isinstance(pattern, str) or not is_command:
            raise ImagesError(f"{VARIABLE}: {path}: {pattern!r} needs a list of strings, the command")
    return {pattern: tuple(command) for pattern, command in entries.items()}
