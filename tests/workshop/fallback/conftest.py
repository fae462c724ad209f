"""Rungs of our own, a clock that only tests move, and a real sandbox with two variants of a container."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.hosting.conftest import Hosting, image_table

from workshop.fallback import Rung
from workshop.inference.answers import Answer

__all__ = ["image_table"]

LEAD = "서울시는 5일 청년 주택 예산을 340억 원으로 늘렸다고 밝혔다. 지난해는 290억 원이었다. 국장이 말했다."
ARTICLE = f"{LEAD} 끝."


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Scripted:
    """A rung that answers what it is told to, or raises it."""

    def __init__(self, name: str, *results: Any, **members: Any) -> None:
        self.results, self.num_asked = list(results), 0
        self.rung = Rung(name=name, ask=self._ask, **{"usd_per_hour": 3.6, "typical_s": 0.01, **members})

    def _ask(self, question: Any, timeout_s: float) -> Answer:
        self.num_asked += 1
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        result = result(timeout_s) if callable(result) else result
        if isinstance(result, BaseException):
            raise result
        return (
            Answer(text=result, num_prompt_tokens=7, num_generated_tokens=3) if result is not None else None
        )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def fallback_sandbox(image_table: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    running = RunningSandbox(tmp_path_factory.mktemp("fallback") / "home")
    try:
        yield running
    finally:
        running.close()


@pytest.fixture(scope="session")
def fallback_hosting(fallback_sandbox: RunningSandbox) -> Hosting:
    return Hosting(fallback_sandbox)


@pytest.fixture(scope="session")
def variants(fallback_hosting: Hosting) -> str:
    """An endpoint with the variants tuned and base, whose container does what a body asks for."""
    return fallback_hosting.deploy(variants=({"VariantName": "tuned"}, {"VariantName": "base"}))


def container_body(summary: str, **asked: Any) -> bytes:
    """Return a body that the container answers as TGI would, or as `asked` says."""
    asked = {"text": _generated(summary), **asked}
    return json.dumps(asked).encode()


def _generated(summary: str) -> str:
    answer = [{"generated_text": summary, "details": {"finish_reason": "eos_token", "generated_tokens": 5}}]
    return json.dumps(answer)
