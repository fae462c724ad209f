"""Every name that notebooks and src/ take from a library is there, and takes the arguments it is given.

The SageMaker SDK changes every one to three weeks: a changed pin fails here first, with the name.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

from .repository_code import (
    FROM_A_LIBRARY,
    calls_with_keywords,
    imported,
    is_of_a_library,
    notebook_trees,
    source_trees,
)

MIN_SYMBOLS, MIN_LIBRARY_SYMBOLS, MIN_CALLS = 80, 40, 150


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's `sagemaker.mlops` makes a client when it is imported; a notebook's session has a region."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def found(module: str, name: str) -> Any:
    holder = importlib.import_module(module)
    return getattr(holder, name) if hasattr(holder, name) else importlib.import_module(f"{module}.{name}")


# Of a notebook everything, of src/ what it takes from libraries: its own names are its own tests' business.
SYMBOLS = sorted(
    {symbol for _, tree in notebook_trees() for symbol in imported(tree).values()}
    | {
        symbol
        for _, tree in source_trees(having=FROM_A_LIBRARY)
        for symbol in imported(tree).values()
        if is_of_a_library(symbol[0])
    }
)
CALLS = sorted(
    {call for _, tree in notebook_trees() for call in calls_with_keywords(tree)}
    | {
        call
        for _, tree in source_trees(having=FROM_A_LIBRARY)
        for call in calls_with_keywords(tree, is_of_a_library)
    }
)


def test_notebooks_and_sources_are_looked_at() -> None:
    assert len(SYMBOLS) >= MIN_SYMBOLS
    assert sum(is_of_a_library(module) for module, _ in SYMBOLS) >= MIN_LIBRARY_SYMBOLS
    assert len(CALLS) >= MIN_CALLS
    assert ("sagemaker.train", "ModelTrainer") in SYMBOLS
    assert ("trl", "SFTTrainer") in SYMBOLS


@pytest.mark.parametrize(("module", "name"), SYMBOLS)
def test_the_name_is_there(module: str, name: str) -> None:
    assert found(module, name) is not None


@pytest.mark.parametrize(("module", "name", "keyword"), CALLS)
def test_the_argument_is_taken(module: str, name: str, keyword: str) -> None:
    first, *rest = name.split(".")
    target = found(module, first)
    for part in rest:
        target = getattr(target, part)
    fields = getattr(target, "model_fields", None)
    if inspect.isclass(target) and fields is not None:  # pydantic: the signature hides inherited fields
        assert keyword in fields
        return
    parameters = inspect.signature(target).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    assert keyword in parameters or takes_any
