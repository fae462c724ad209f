"""The settings of train.py: its own, and the names and types of TRL's, without importing TRL.

Importing TRL takes 4 to 5 seconds. `--help`, a misspelt key and a value of the wrong type are answered
before that: the names of TRL's fields are read from its source with `ast`.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import importlib.util
import io
import json
import os
import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning.attention import check_settings
from tuning.errors import UserError
from tuning.model import check_model_folder

if TYPE_CHECKING:
    from trl import ModelConfig, SFTConfig

TRAIN_DIR = Path(__file__).resolve().parent.parent
RECIPES_DIR = TRAIN_DIR / "recipes"

# Where TrlParser's dataclasses take their fields from, base classes first.
_FIELD_SOURCES = {
    "transformers": (("training_args.py", "TrainingArguments"),),
    "trl": (
        ("trainer/base_config.py", "_BaseConfig"),
        ("trainer/sft_config.py", "SFTConfig"),
        ("trainer/model_config.py", "ModelConfig"),
    ),
}

# Whole words: max_seq_tokens is none.
_SECRET = re.compile(r"(?<![a-z])(token|secret|password|key)(?![a-z])")

# Orders of rows that tuning.sampling knows; transformers' batch_rebalance changes the rows of a batch.
SAMPLING_STRATEGIES = ("random", "group_by_length", "sequential")

# transformers ignores other keys. Its own activation_checkpointing is left out on purpose: with PEFT it saves
# an adapter without tensors; the setting of the same name beside fsdp_config does it right.
FSDP_KEYS = (
    "fsdp_version",
    "reshard_after_forward",
    "auto_wrap_policy",
    "transformer_layer_cls_to_wrap",
    "min_num_params",
    "cpu_offload",
    "cpu_ram_efficient_loading",
    "state_dict_type",
)


def is_fsdp_key(name: str) -> bool:
    """Return whether a key of fsdp_config means something; `version` is `fsdp_version` to transformers."""
    return name in FSDP_KEYS or f"fsdp_{name}" in FSDP_KEYS


@dataclass(kw_only=True)
class ScriptArguments:
    """What train.py adds to TRL's SFTConfig and ModelConfig. The help text is what `--help` prints."""

    train_data: str | None = field(
        default_factory=lambda: os.environ.get("SM_CHANNEL_TRAIN"),
        metadata={"help": "JSONL file, or a folder of them, to train on. Default: $SM_CHANNEL_TRAIN."},
    )
    validation_data: str | None = field(
        default_factory=lambda: os.environ.get("SM_CHANNEL_VALIDATION"),
        metadata={
            "help": "JSONL file or folder for the loss on unseen rows. Default: $SM_CHANNEL_VALIDATION."
        },
    )
    model_dir: str | None = field(
        default_factory=lambda: os.environ.get("SM_MODEL_DIR"),
        metadata={"help": "Where the servable model goes. Default: $SM_MODEL_DIR, else OUTPUT_DIR/model."},
    )
    max_train_rows: int | None = field(
        default=None, metadata={"help": "Train on the first rows only. Default: all rows."}
    )
    max_validation_rows: int | None = field(
        default=None, metadata={"help": "Evaluate on the first rows only. Default: all rows."}
    )
    max_seq_tokens: int | None = field(
        default=None,
        metadata={"help": "Refuse rows longer than this many tokens. Default: the context of the model."},
    )
    chat_template: str = field(
        default=str(TRAIN_DIR / "chat_template.jinja"),
        metadata={"help": "Jinja file of the prompt's format, saved with the tokenizer."},
    )
    time_limit_s: float | None = field(
        default=None,
        metadata={
            "help": "End after this many seconds from the launch: the last checkpoint, saving and merging fit"
            " in. Default: none."
        },
    )
    max_steps_per_launch: int | None = field(
        default=None,
        metadata={
            "help": "Save and end after this many steps of this launch; the next one resumes. Default: none."
        },
    )
    keep_checkpoints: bool = field(
        default=False,
        metadata={"help": "Keep the checkpoints of a finished run. Default: remove them."},
    )
    merge: bool = field(
        default=True, metadata={"help": "Merge the adapter into the base model at the end, for serving."}
    )

    def __post_init__(self) -> None:
        for name in (
            *("max_train_rows", "max_validation_rows", "max_seq_tokens"),
            *("time_limit_s", "max_steps_per_launch"),
        ):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UserError(
                    found=f"{name}: {value}",
                    expected="a number above 0, or nothing",
                    next_step=f"correct {name}",
                )


def trl_fields() -> dict[str, str]:
    """Return the fields of SFTConfig and ModelConfig: name -> annotation, as the installed source has it."""
    found: dict[str, str] = {}
    for package, sources in _FIELD_SOURCES.items():
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise UserError(
                found=f"the package {package} is not installed",
                expected="the packages of src/train/requirements.txt",
                next_step="run `make sample` once, or `pip install -r src/train/requirements.txt`",
            )
        for path, class_name in sources:
            tree = ast.parse((Path(spec.origin).parent / path).read_text(encoding="utf-8"))
            for node in tree.body:
                if isinstance(node, ast.ClassDef) and node.name == class_name:
                    found |= {
                        line.target.id: ast.unparse(line.annotation)
                        for line in node.body
                        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
                    }
    return found


def read_recipe(path: str) -> dict[str, Any]:
    """Return the settings of a recipe: a YAML file by path, or by name from the recipes folder."""
    import yaml

    candidates = (Path(path), RECIPES_DIR / path)
    recipe = next((candidate for candidate in candidates if candidate.is_file()), None)
    if recipe is None:
        names = sorted(file.name for file in RECIPES_DIR.glob("*.yaml"))
        close = difflib.get_close_matches(Path(path).name, names, n=1)
        raise UserError(
            found=f"no recipe {path!r}",
            expected=f"a YAML file, or one of {', '.join(names)}",
            next_step=f"use --config {close[0]}" if close else "choose one of them with --config",
        )
    try:
        settings = yaml.safe_load(recipe.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise UserError(
            found=f"{recipe} is not UTF-8", expected="a YAML file in UTF-8", next_step="save it as UTF-8"
        ) from None
    except yaml.YAMLError as error:
        raise UserError(
            found=f"{recipe} is not valid YAML: {' '.join(str(error).split())}",
            expected="lines of the form `key: value`",
            next_step="correct that line",
        ) from None
    if not isinstance(settings, dict):
        raise UserError(
            found=f"{recipe} holds {type(settings).__name__}",
            expected="lines of the form `key: value`",
            next_step="start from a copy of sample.yaml",
        )
    return settings


def check(argv: list[str]) -> str | None:
    """Check the command line and the recipe it names; return the recipe's path, or None without `--config`.

    Args:
        argv: the command line without the program.

    Raises:
        UserError: for a key that does not exist (naming the closest one), a value of the wrong type, or a
            model folder that is not complete.
    """
    known = {item.name: str(item.type) for item in fields(ScriptArguments)} | trl_fields()
    if not argv:
        raise UserError(
            found="no settings",
            expected="--config RECIPE, a base model and training data",
            next_step="see `python train.py --help`",
        )
    given, config = _read_command_line(argv)
    recipe = read_recipe(config) if config else {}
    for where, settings in ((config, recipe), ("the command line", given)):
        for key, value in settings.items():
            if key not in known:
                close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
                raise UserError(
                    found=f"unknown key {key!r} in {where}",
                    expected="a key of train.py, TRL's SFTConfig or TRL's ModelConfig",
                    next_step=f"write {close[0]!r}?" if close else "see `python train.py --help`",
                )
            _check_type(key, value, known[key], where)
            _check_supported(key, value, where)
    settings = recipe | given
    check_settings(settings)
    if "model_name_or_path" in settings:
        check_model_folder(settings["model_name_or_path"])
    if config is None:
        return None
    return config if Path(config).is_file() else str(RECIPES_DIR / config)


def _read_command_line(argv: list[str]) -> tuple[dict[str, str | bool], str | None]:
    """Return ({key: value as written, True for a bare flag}, the value of --config)."""
    given: dict[str, str | bool] = {}
    key = None
    for word in argv:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            key = name.replace("-", "_")
            given[key] = value if equals else True
            if equals:
                key = None
        elif key is None:
            raise UserError(
                found=f"{word!r} on the command line without a key before it",
                expected="--key value pairs",
                next_step="see `python train.py --help`",
            )
        else:
            given[key] = word if given[key] is True else f"{given[key]} {word}"
    # accepted in both spellings: --no_merge and --merge false
    given = {
        key.removeprefix("no_") if value is True and key.startswith("no_") else key: value
        for key, value in given.items()
    }
    config = given.pop("config", None)
    if config is True:
        raise UserError(
            found="--config without a value",
            expected="the name of a recipe",
            next_step="--config sample.yaml",
        )
    return given, config


def _check_type(key: str, value: Any, annotation: str, where: str | None) -> None:
    """Check a value against the plain types of an annotation; richer annotations are left to TRL's parser."""
    kinds = {part.strip() for part in annotation.split("|")}
    if not kinds <= {"int", "float", "bool", "str", "None"} or "str" in kinds:
        return
    if value is None or isinstance(value, bool) or str(value).lower() in ("none", "true", "false"):
        fits = "bool" in kinds if str(value).lower() in ("true", "false") else "None" in kinds
    else:
        fits = any(_parses(kind, value) for kind in kinds & {"int", "float"})
    if not fits:
        raise UserError(
            found=f"{key}: {value!r} in {where}",
            expected=f"a value of type {annotation}",
            next_step=f"correct {key}",
        )


def _check_supported(key: str, value: Any, where: str | None) -> None:
    """Refuse what TRL accepts and this script would ignore or get wrong."""
    if key == "max_length":
        raise UserError(
            found=f"max_length in {where}",
            expected="max_seq_tokens: rows are refused when they are too long, never cut",
            next_step="write max_seq_tokens instead",
        )
    if key == "train_sampling_strategy" and value not in SAMPLING_STRATEGIES:
        raise UserError(
            found=f"train_sampling_strategy: {value} in {where}",
            expected=f"one of {', '.join(SAMPLING_STRATEGIES)}",
            next_step="write group_by_length: rows of about one length in each batch",
        )
    if key == "fsdp_config" and isinstance(value, dict):
        for name in value:
            if not is_fsdp_key(name):
                close = difflib.get_close_matches(name, FSDP_KEYS, n=1, cutoff=0.5)
                raise UserError(
                    found=f"unknown key {name!r} of fsdp_config in {where}",
                    expected=f"one of {', '.join(FSDP_KEYS)}",
                    next_step=f"write {close[0]!r}?" if close else "remove it",
                )


def _parses(kind: str, value: Any) -> bool:
    try:
        {"int": int, "float": float}[kind](str(value))
    except ValueError:
        return False
    return True


def help_text() -> str:
    """Return what `--help` prints: this script's own settings, then the names and types of TRL's."""
    lines = [
        "usage: torchrun --nproc_per_node N train.py --config RECIPE [--key value ...]",
        "",
        "QLoRA fine-tuning of a causal language model, on one process or sharded over several by FSDP.",
        f"recipes: {', '.join(sorted(file.name for file in RECIPES_DIR.glob('*.yaml')))}",
        "",
        "Settings of this script (the command line wins over the recipe):",
    ]
    lines += [f"  --{item.name:<20} {item.metadata['help']}" for item in fields(ScriptArguments)]
    lines += ["", "Settings of TRL's SFTConfig and ModelConfig (their documentation explains them):"]
    lines += [f"  --{name:<40} {annotation}" for name, annotation in sorted(trl_fields().items())]
    return "\n".join(lines)


def parse(argv: list[str], recipe: str | None) -> tuple[ScriptArguments, SFTConfig, ModelConfig]:
    """Return the three groups of settings; the command line wins over the recipe.

    Raises:
        UserError: for a value that a library refuses, in its words.
    """
    from trl import ModelConfig, SFTConfig, TrlParser

    words = _with_recipe(argv, recipe)
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            script, training, model = TrlParser(
                (ScriptArguments, SFTConfig, ModelConfig)
            ).parse_args_and_config(words)
    except (SystemExit, ValueError, TypeError) as error:
        lines = complaint.getvalue().strip().splitlines()
        raise UserError(
            found=lines[-1] if lines else " ".join(str(error).split()),
            expected="values that TRL's SFTConfig and ModelConfig accept",
            next_step="see `python train.py --help` for the types",
        ) from None
    if training.fsdp and int(os.environ.get("WORLD_SIZE", "1")) == 1:
        print("one process: nothing to shard over, so FSDP is off", flush=True)
        training.fsdp, training.fsdp_plugin_args = False, None
    if not script.validation_data:
        training.eval_strategy = "no"
    if training.eval_strategy == "no":
        training.eval_on_start = False
    training.max_length = None  # rows are never cut: tokenize() refuses long ones
    training.disable_tqdm = True
    return script, training, model


def _with_recipe(argv: list[str], recipe: str | None) -> list[str]:
    """Return the command line with the recipe's full path."""
    words = list(argv)
    for index, word in enumerate(words):
        if word == "--config" and recipe:
            words[index + 1] = recipe
        elif word.startswith("--config=") and recipe:
            words[index] = f"--config={recipe}"
    return words


def resolved(script: ScriptArguments, training: SFTConfig, model: ModelConfig) -> dict[str, Any]:
    """Return a recipe that repeats this run.

    All settings of the script and the model, and of the trainer's hundred and more those that differ from
    their defaults. Secrets and output folders are left out.
    """
    values = asdict(script) | asdict(model)
    defaults = {name: item.default for name, item in type(training).__dataclass_fields__.items()}
    values |= {
        name: value
        for name, value in training.to_dict().items()
        if name in defaults and value != defaults[name]
    }
    if "fsdp_config" in values:  # transformers adds keys of its own, and drops the prefix of fsdp_version
        values["fsdp_config"] = {
            name: value
            for name, value in values["fsdp_config"].items()
            if is_fsdp_key(name) and value is not None
        }
    return {
        name: _without_secrets(value)
        for name, value in values.items()
        if _is_plain(value)
        and name not in ("output_dir", "model_dir", "dataset_kwargs")
        and not _SECRET.search(name)
    }


def _is_plain(value: Any) -> bool:
    try:
        return json.loads(json.dumps(value)) == value and value not in (None, {}, [])
    except (TypeError, ValueError):
        return False


def _without_secrets(value: Any) -> Any:
    """Return a setting without what a nested name calls a secret."""
    if isinstance(value, dict):
        return {key: _without_secrets(item) for key, item in value.items() if not _SECRET.search(str(key))}
    return value
