"""The model as the dialect's options want it: another chat template, other defaults of sampling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from processes.errors import UserError
from serve.model_folder import ModelFolder, read_generation_config, read_model_folder
from serve.settings import ServeSettings

# A text with any of them is a template, and one without them names a file.
_JINJA_CHARACTERS = "{}\n"


def read_model(settings: ServeSettings) -> ModelFolder:
    """Read the model's folder.

    Raises:
        UserError: The folder, one of its files or an option cannot be used.
    """
    options, paths = settings.options, settings.paths
    generation = _generation(options.get("generation_config", "auto"), settings)
    if text := options.get("override_generation_config"):
        generation = {**generation, **_object("override_generation_config", text)}
    template = options.get("chat_template")
    return read_model_folder(
        settings.model_dir,
        named=settings.model.id,
        generation=generation,
        chat_template=None if template is None else _template(template, paths.local(template)),
    )


def _generation(wanted: str, settings: ServeSettings) -> dict[str, Any]:
    """Return what vLLM's --generation-config names: the model's own, none, or another folder's."""
    if wanted == "vllm":
        return {}
    folder = settings.model_dir if wanted == "auto" else settings.paths.local(wanted)
    if wanted != "auto" and not (folder / "generation_config.json").is_file():
        raise UserError(
            found=f"generation_config = {wanted!r}",
            expected="auto, vllm, or a folder with generation_config.json",
            next_step="correct it, or leave it out",
        )
    return read_generation_config(folder)


def _object(name: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UserError(
            found=f"{name} = {text[:200]!r}",
            expected='a JSON object, for example {"temperature": 0}',
            next_step="correct it, or leave it out",
        )
    return value


def _template(text: str, file: Path) -> str:
    """Return a template that is given as a file's name or as it is; escapes of the latter are read.

    Source: vLLM, entrypoints/chat_utils.py (load_chat_template).
    """
    if any(character in text for character in _JINJA_CHARACTERS):
        return text.encode("latin-1", "backslashreplace").decode("unicode_escape")
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UserError(
            found=f"chat_template = {text!r}, which cannot be read: {error}",
            expected="a file with a Jinja template, or the template itself",
            next_step="correct it, or leave it out: the model's folder has its own",
        ) from None
