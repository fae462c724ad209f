"""The options of TRL, transformers and accelerate that training relies on, in the installed versions.

What a recipe sets, what the code reads of a configuration, what it overrides, and the few internals.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from typing import Any

import pytest
import yaml

from .repository_code import REPO_DIR, imported, is_of_a_library, source_trees

RECIPES = sorted((REPO_DIR / "src/train/recipes").rglob("*.yaml"))
# Values that a library looks up by name: option -> where.
CHOICES = {
    "optim": ("transformers.training_args", "OptimizerNames"),
    "lr_scheduler_type": ("transformers", "SchedulerType"),
    "save_strategy": ("transformers.trainer_utils", "SaveStrategy"),
    "eval_strategy": ("transformers.trainer_utils", "IntervalStrategy"),
}
# Not part of any documented interface, and used all the same (tuning/fsdp.py, tuning/trainer.py, serve).
INTERNALS = (
    ("accelerate.state", "AcceleratorState._shared_state"),
    ("accelerate.state", "PartialState._shared_state"),
    ("accelerate.utils", "DistributedType.FSDP"),
    ("transformers", "Trainer.create_accelerator_and_postprocess"),
    ("transformers", "Trainer._save_checkpoint"),
    ("transformers", "trainer_callback.PrinterCallback"),
    ("trl", "SFTTrainer.compute_loss"),
    ("trl", "SFTTrainer.create_model_card"),
    ("bitsandbytes.nn", "Linear4bit"),
)


def settings() -> list[tuple[str, Any]]:
    pairs = {(key, str(value)) for path in RECIPES for key, value in yaml.safe_load(path.read_text()).items()}
    return sorted(pairs)


def annotated() -> Iterator[tuple[str, str, str]]:
    """Yield (module, class, attribute) for what src/train reads of parameters of a library's type.

    The self of a class that derives from a library's class is one of them, and so is its super().
    """
    # Such a class has methods and attributes of its own.
    ours: set[str] = set()
    for _, tree in source_trees("src/train"):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                ours.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                ours.add(node.attr)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                ours.add(node.target.id)
    for _, tree in source_trees("src/train"):
        names = imported(tree)
        selves = {
            method: names[ast.unparse(base)]
            for kind in ast.walk(tree)
            if isinstance(kind, ast.ClassDef)
            for base in kind.bases
            if ast.unparse(base) in names
            for method in kind.body
        }
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef):
                continue
            arguments = [*function.args.args, *function.args.kwonlyargs]
            kinds = {
                argument.arg: names[ast.unparse(argument.annotation)]
                for argument in arguments
                if argument.annotation and ast.unparse(argument.annotation) in names
            }
            if function in selves:
                kinds |= {"self": selves[function], "super()": selves[function]}
            for node in ast.walk(function):
                if isinstance(node, ast.Attribute):
                    owner = ast.unparse(node.value)
                    module, kind = kinds.get(owner, ("", ""))
                    if is_of_a_library(module) and (node.attr not in ours or owner == "super()"):
                        yield module, kind, node.attr


ANNOTATED = sorted(set(annotated()))


def test_recipes_and_code_are_looked_at() -> None:
    assert len(RECIPES) >= 8
    assert len(settings()) >= 40
    assert ("trl", "SFTConfig", "output_dir") in ANNOTATED
    assert ("trl", "SFTTrainer", "accelerator") in ANNOTATED
    assert ("trl", "SFTTrainer", "_save_rng_state") in ANNOTATED
    assert len(ANNOTATED) >= 15


@pytest.mark.parametrize("key", sorted({key for key, _ in settings()}))
def test_the_key_of_a_recipe_is_an_option(key: str) -> None:
    from trl import ModelConfig, SFTConfig

    from tuning.arguments import ScriptArguments

    names = {item.name for group in (SFTConfig, ModelConfig, ScriptArguments) for item in fields(group)}
    assert key in names


@pytest.mark.parametrize(("key", "value"), [pair for pair in settings() if pair[0] in CHOICES])
def test_the_value_of_a_recipe_is_a_choice(key: str, value: str) -> None:
    module, name = CHOICES[key]
    assert value in {choice.value for choice in getattr(importlib.import_module(module), name)}


def test_every_key_of_fsdp_config_is_read_by_transformers() -> None:
    from transformers import training_args

    from tuning.arguments import FSDP_KEYS

    source = inspect.getsource(training_args)
    for key in FSDP_KEYS:
        assert f'"{key.removeprefix("fsdp_")}"' in source or key in source, key


@pytest.mark.parametrize(("module", "kind", "attribute"), ANNOTATED)
def test_what_is_read_of_a_librarys_object_is_there(module: str, kind: str, attribute: str) -> None:
    target = getattr(importlib.import_module(module), kind)
    special = set(getattr(target, "SPECIAL_TOKENS_ATTRIBUTES", ()))
    names = set(dir(target)) | special | {f"{name}_id" for name in special}
    for base in inspect.getmro(target):
        # What methods set on self is no attribute of the class; neither are a dataclass's fields.
        if is_of_a_library(base.__module__) or base.__module__.startswith("torch."):
            names |= attributes_of_self(base)
            names |= set(getattr(base, "__dataclass_fields__", ()))
    assert attribute in names


@cache  # the same few classes for each of 100 attributes
def attributes_of_self(kind: type) -> frozenset[str]:
    """Return what methods of a class read or set on self."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    return frozenset(
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self"
    )


@pytest.mark.parametrize(("module", "path"), INTERNALS)
def test_the_internal_is_there(module: str, path: str) -> None:
    target = importlib.import_module(module)
    for part in path.split("."):
        target = getattr(target, part)


def test_what_a_callback_of_ours_answers_to_is_called_by_the_trainer() -> None:
    from transformers import TrainerCallback

    methods = {
        node.name
        for _, tree in source_trees("src/train")
        for kind in ast.walk(tree)
        if isinstance(kind, ast.ClassDef) and "TrainerCallback" in map(ast.unparse, kind.bases)
        for node in kind.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("on_")
    }
    assert {"on_step_end", "on_log"} <= methods
    assert methods <= set(dir(TrainerCallback))


def test_a_linear_layer_still_has_the_switch_against_repacking() -> None:
    """Without it a first evaluation on some CPUs repacks the 4-bit weights, which FSDP then gathers."""
    from bitsandbytes.nn import Linear4bit

    assert "support_avx512bf16_for_cpu" in inspect.getsource(Linear4bit)
