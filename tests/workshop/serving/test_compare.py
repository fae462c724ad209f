"""Engines are compared on the same questions, and one that answers otherwise is seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.serve.server_process import BASE

from workshop.inference import prompt_text
from workshop.prompt import chat_messages
from workshop.serving.compare import Comparison, EngineResult, compare_engines, comparison_plans
from workshop.serving.load_test import LoadRequest, LoadResult
from workshop.settings import Settings

PROMPTS = [prompt_text(chat_messages(f"서울시는 {day}일 새 공원을 열었다.")) for day in (3, 12, 20)]


def test_the_cpu_engines_are_compared_for_real(settings: Settings, tmp_path: Path) -> None:
    plans = comparison_plans(settings, BASE)
    assert list(plans) == ["transformers", "CTranslate2", "CTranslate2, int8"]
    del plans["CTranslate2, int8"]  # of another kind only in its weights
    comparison = compare_engines(plans, PROMPTS, num_users=2, num_requests=4, log_dir=tmp_path, timeout_s=120)
    assert [result.name for result in comparison.results] == list(plans)
    assert [len(result.load.good) for result in comparison.results] == [4, 4]
    assert comparison.same_as_first(comparison.results[1]) == 1.0
    table = comparison.table()
    assert list(table.index) == list(plans)
    assert (table["tokens/s"] > 0).all()
    assert list((settings.home / "serving" / "converted").iterdir()), "the second was not CTranslate2"


def test_with_containers_the_three_engines_are_compared_the_chosen_one_first(settings: Settings) -> None:
    chosen = replace(settings, serve_with="container", serving_engine="vllm", serving_quantization="fp8")
    plans = comparison_plans(chosen, BASE)
    assert list(plans) == ["vLLM, fp8", "TGI", "LMI (DJL Serving)"]
    assert {plan.engine for plan in plans.values()} == {"tgi", "vllm", "lmi"}
    assert "fp8" in plans["vLLM, fp8"].environment.values()
    assert "fp8" not in plans["TGI"].environment.values()


def test_answers_that_differ_are_counted() -> None:
    one = LoadRequest(index=0, user=0, started_s=0, seconds=1, first_token_s=0.1, gaps_s=(0.1,), num_tokens=2)
    load = LoadResult(num_users=1, requests=(one,), wall_s=1.0)
    first, other = (
        EngineResult(name=name, ready_s=1.0, load=load, answers=answers)
        for name, answers in (("a", ("x", "y", "z", "w")), ("b", ("x", "y", "z", "v")))
    )
    comparison = Comparison((first, other))
    assert comparison.same_as_first(other) == 0.75
    assert list(comparison.table()["same as the first"]) == ["100%", "75%"]
