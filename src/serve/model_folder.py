"""What is known of a model from its folder, before any weight or heavy library is loaded."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processes.errors import UserError
from serve.chat_template import ChatTemplate
from serve.text import TextCodec

CONTENTS = "a folder with config.json, tokenizer.json and *.safetensors, as training leaves it"
# ORGANISATION/NAME, or a name alone.
_HUB_NAME = re.compile(r"[\w.-]+(?:/[\w.-]+)?")
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


def read_model_folder(
    path: Path,
    *,
    named: str | None = None,
    generation: dict[str, Any] | None = None,
    chat_template: str | None = None,
) -> ModelFolder:
    """Check a model folder and read its small files.

    Args:
        path: The folder.
        named: The model as whoever chose it named it; the folder when None.
        generation: In place of the folder's generation_config.json.
        chat_template: In place of the folder's own.

    Raises:
        UserError: The folder or one of its files is missing or cannot be used.
    """
    if not path.is_dir():
        raise _no_folder(str(path) if named is None else named)
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
    generation = read_generation_config(path) if generation is None else generation
    eos = generation.get("eos_token_id", config.get("eos_token_id"))
    eos_ids = frozenset(eos if isinstance(eos, list) else [] if eos is None else [eos])
    bos_id = config.get("bos_token_id", generation.get("bos_token_id"))
    codec = TextCodec(tokenizer, bos_id=bos_id, eos_ids=eos_ids)
    return ModelFolder(
        path=path,
        max_positions=max_positions,
        codec=codec,
        chat_template=_read_chat_template(path, codec, bos_id, chat_template),
        generation=generation,
    )


def read_generation_config(path: Path) -> dict[str, Any]:
    """Return what a folder's generation_config.json says; nothing where there is none.

    Raises:
        UserError: It cannot be read.
    """
    return _read_json(path, "generation_config.json", optional=True)


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


def _read_chat_template(path: Path, codec: TextCodec, bos_id: int | None, given: str | None) -> ChatTemplate:
    """Read the folder's template, unless one is given; its file counts before the tokenizer's settings."""
    config = _read_json(path, "tokenizer_config.json", optional=True)
    special = {} if bos_id is None else {"bos_token": codec.special_text(bos_id)}
    if codec.eos_ids:
        special["eos_token"] = codec.special_text(min(codec.eos_ids))
    for name, value in config.items():
        text = value.get("content") if isinstance(value, dict) else value
        if name.endswith("_token") and isinstance(text, str):
            special[name] = text
    if given is not None:
        return ChatTemplate(given, special)
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


def _no_folder(named: str) -> UserError:
    """Return the error for a model that is no folder: an address in S3, a name of the hub, or nowhere."""
    if named.startswith("s3://"):
        return UserError(
            found=f"the model {named!r}, a prefix of S3",
            expected="a folder: TGI's image takes what is none for a name of the hub",
            next_step="give the endpoint's model its files (ModelDataSource with this prefix), and set "
            "HF_MODEL_ID to /opt/ml/model",
        )
    if _HUB_NAME.fullmatch(named) and not named.startswith((".", "/")):
        return UserError(
            found=f"the model {named!r}, which is no folder here",
            expected="a folder: a name of the Hugging Face hub is not looked up, as nothing outside of this "
            "machine is asked",
            next_step="bring the model to S3 once and give the endpoint its files (ModelDataSource), with "
            "HF_MODEL_ID set to /opt/ml/model",
        )
    return UserError(found=f"no folder at {named}", expected=CONTENTS, next_step=NEXT_STEP)


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
