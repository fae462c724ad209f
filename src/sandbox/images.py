"""Which program emulates a container image that serves.

Nothing is pulled and no container is started: the program runs as a process of this machine, with the
container's environment, and speaks the container's contract (GET /ping, POST /invocations on $PORT).

The images of serving engines are emulated by `python -m serve`, whose own table, images.yaml beside its code,
says which and how. Programs of your own: SANDBOX_IMAGES names a YAML file, given to the sandbox at its start
and read again at every CreateEndpoint. Its patterns come first; `{python}` is the sandbox's interpreter.

    my-team/echo:*: ["{python}", /opt/inference/echo.py]
    "*huggingface-pytorch-inference*": [/opt/inference/bin/serve]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cache
from importlib.util import find_spec
from pathlib import Path

VARIABLE = "SANDBOX_IMAGES"
SERVE = ("{python}", "-m", "serve")
_TRAINING = "-training"
# As the SDK's image_uris has it, of training, processing and hosting.
_SCIKIT_LEARN = "sagemaker-scikit-learn"


class ImagesError(ValueError):
    """The file that SANDBOX_IMAGES names cannot be used."""


def command_for(image: str) -> list[str] | None:
    """Return program and arguments that emulate an image, or None when the sandbox has none.

    Args:
        image: Image URI, for example 763104351884.dkr.ecr.us-east-1.amazonaws.com/djl-inference:0.38.0-lmi.

    Raises:
        ImagesError: The file that SANDBOX_IMAGES names cannot be used.
    """
    for pattern, command in (*_given().items(), *_emulated_by_serve().items()):
        if fnmatchcase(image, pattern):
            return _filled(command)
    return None


def runs_scripts(image: str) -> bool:
    """Return whether an image stands for Python with this environment's libraries: jobs bring their script.

    Args:
        image: Image URI, or the name of its repository.
    """
    repository = image.rpartition("/")[2].partition("@")[0].partition(":")[0]
    return repository.endswith(_TRAINING) or repository == _SCIKIT_LEARN


def is_given(image: str) -> bool:
    """Tell whether the file that SANDBOX_IMAGES names has a program for an image.

    Raises:
        ImagesError: The file cannot be used.
    """
    return any(fnmatchcase(image, pattern) for pattern in _given())


def serve_command(*arguments: str) -> list[str]:
    """Return the command of `serve`, which emulates the images of serving engines."""
    return _filled((*SERVE, *arguments))


def is_serve(command: Sequence[str]) -> bool:
    """Tell whether a command runs `serve` with the sandbox's interpreter."""
    return list(command[: len(SERVE)]) == serve_command()


def _filled(command: Sequence[str]) -> list[str]:
    return [sys.executable if word == "{python}" else word for word in command]


def _given() -> dict[str, tuple[str, ...]]:
    path = os.environ.get(VARIABLE)
    return _read(Path(path), VARIABLE) if path else {}


@cache
def _emulated_by_serve() -> dict[str, tuple[str, ...]]:
    """Return the table that lies beside the code of `serve`; the package itself is not imported."""
    spec = find_spec(SERVE[-1])
    if spec is None or not spec.submodule_search_locations:
        return {}
    return _read(Path(spec.submodule_search_locations[0]) / "images.yaml", SERVE[-1])


def _read(path: Path, origin: str) -> dict[str, tuple[str, ...]]:
    """Return the commands of a file, by image pattern.

    Args:
        path: YAML.
        origin: What names the file, for messages.

    Raises:
        ImagesError: It cannot be used.
    """
    import yaml

    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ImagesError(f"{origin}: {path} cannot be read: {error}") from None
    if not isinstance(entries, dict):
        raise ImagesError(f"{origin}: {path} holds no mapping of image patterns to commands")
    for pattern, command in entries.items():
        is_command = isinstance(command, list) and command and all(isinstance(word, str) for word in command)
        if not isinstance(pattern, str) or not is_command:
            raise ImagesError(f"{origin}: {path}: {pattern!r} needs a list of strings, the command")
    return {pattern: tuple(command) for pattern, command in entries.items()}
