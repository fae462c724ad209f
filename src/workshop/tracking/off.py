"""What stands in MLflow's place with `use_mlflow: false`: it takes every call, and does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self


class Off:
    """Answer every attribute, call and item with itself; as a run it has no ID, as a list nothing in it."""

    def __getattr__(self, name: str) -> Self:
        if name.startswith("_"):  # what Jupyter and pickle ask every object for
            raise AttributeError(name)
        return self

    def __call__(self, *_: Any, **__: Any) -> Self:
        return self

    def __getitem__(self, _: Any) -> Self:
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __int__(self) -> int:
        return 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __str__(self) -> str:  # where a run's ID is handed on: AWS takes no parentheses in metadata
        return "not tracked"

    def __repr__(self) -> str:
        return "not tracked (use_mlflow: false)"
