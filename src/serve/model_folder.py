"""What is known of a model from its folder, before any weight or heavy library is loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processes.errors import UserError
from serve.chat_template import ChatTemplate
from serve.text import TextCodec

CONTENTS = "a folder with config.json, tokenizer.json and *.safetensors, as training leaves it"
NEXT_STEP = "set HF_MODEL_ID (or --model) to the folder that training wrote"


@dataclass(frozen=True, kw_only=True)
class ModelFolder:
    """A model's folder, its tokenizer and what its configuration says.

    Args:
        path: The folder.
        max_positions: Longest sequence the model was built for, in tokens.
        codec: Its tokenizer.
        chat_template: Messages to text.
        generation: What generation_config.json says.
    """

    path: Path
    max_positions: int
    codec: TextCodec
    chat_template: ChatTemplate
    generation: dict[str, Any] = field(default_factory=dict)


def read_model_folder(path: Path) -> ModelFolder:
    """Check a model folder and read its small files.

    Raises:
        UserError: The folder or one of its files is missing or cannot be used.
    """
    if not path.is_dir():
        raise UserError(found=f"no folder at {path}", expected=CONTENTS, next_step=NEXT_STEP)
    config = _read_json(path, "config.json")
    if not list(path.glob("*.safetensors")):
        raise _no_weights(path)
    tokenizer = _read_tokenizer(path)
    max_positions = config.get("max_position_embeddings", config.get("n_positions"))
    if type(max_positions) is not int:
        raise UserError(
            found=f"{path / 'config.json'} without max_position_embeddings",
            expected="the model's longest sequence, in tokens",
            next_step="add it to config.json; the model's card names it",
        )
    vocab_size = config.get("vocab_size")
    if type(vocab_size) is int and tokenizer.get_vocab_size() > vocab_size:
        raise UserError(
            found=f"a tokenizer of {tokenizer.get_vocab_size()} ids and a model of {vocab_size} in {path}",
            expected="a tokenizer whose ids the model knows",
            next_step="copy tokenizer.json from the folder of the model's base",
        )
    generation = _read_json(path, "generation_config.json", optional=True)
    eos = generation.get("eos_token_id", config.get("eos_token_id"))
    eos_ids = frozenset(eos if isinstance(eos, list) else [] if eos is None else [eos])
    bos_id = config.get("bos_token_id", generation.get("bos_token_id"))
    codec = TextCodec(tokenizer, bos_id=bos_id, eos_ids=eos_ids)
    return ModelFolder(
        path=path,
        max_positions=max_positions,
        codec=codec,
        chat_template=_read_chat_template(path, codec, bos_id),
        generation=generation,
    )


def _read_json(path: Path, name: str, *, optional: bool = False) -> dict[str, Any]:
    try:
        value = json.loads((path / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        if optional:
            return {}
        raise UserError(found=f"no {name} in {path}", expected=CONTENTS, next_step=NEXT_STEP) from None
    except ValueError as error:
        raise _unreadable(path / name, error) from None
    if not isinstance(value, dict):
        raise _unreadable(path / name, f"a {type(value).__name__} instead of an object")
    return value


def _read_tokenizer(path: Path):
    from tokenizers import Tokenizer

    file = path / "tokenizer.json"
    if not file.is_file():
        raise UserError(
            found=f"no tokenizer.json in {path}",
            expected=CONTENTS,
            next_step="save the tokenizer beside the model: tokenizer.save_pretrained(FOLDER)",
        )
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises Exception itself
        raise _unreadable(file, error) from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _read_chat_template(path: Path, codec: TextCodec, bos_id: int | None) -> ChatTemplate:
    """Read the folder's template; its own file counts before the tokenizer's configuration."""
    config = _read_json(path, "tokenizer_config.json", optional=True)
    special = {} if bos_id is None else {"bos_token": codec.special_text(bos_id)}
    if codec.eos_ids:
        special["eos_token"] = codec.special_text(min(codec.eos_ids))
    for name, value in config.items():
        text = value.get("content") if isinstance(value, dict) else value
        if name.endswith("_token") and isinstance(text, str):
            special[name] = text
    try:
        source = (path / "chat_template.jinja").read_text(encoding="utf-8")
    except FileNotFoundError:
        source = config.get("chat_template")
    except (OSError, ValueError) as error:
        raise _unreadable(path / "chat_template.jinja", error) from None
    if isinstance(source, list):  # several, each with a name
        named = {item.get("name"): item.get("template") for item in source if isinstance(item, dict)}
        source = named.get("default")
    return ChatTemplate(source if isinstance(source, str) else None, special)


def _no_weights(path: Path) -> UserError:
    if (path / "adapter_config.json").is_file():
        return UserError(
            found=f"an adapter without its base model in {path}",
            expected=CONTENTS,
            next_step="merge it: python src/train/merge.py --adapter FOLDER --model_dir MERGED",
        )
    return UserError(found=f"no *.safetensors in {path}", expected=CONTENTS, next_step=NEXT_STEP)


def _unreadable(file: Path, reason: object) -> UserError:
    return UserError(
        found=f"{file}, which cannot be read: {reason}",
        expected="the file as it was saved with the model",
        next_step="write or download the model again",
    )
