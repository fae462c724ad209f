"""Engines are compared on the same questions, and one that answers otherwise is seen."""

from __future__ import annotations

import platform
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.serve.server_process import BASE

from workshop.inference import prompt_text
from workshop.prompt import chat_messages
from workshop.serving.compare import (
    Comparison,
    EngineResult,
    FailedEngine,
    compare_engines,
    comparison_plans,
)
from workshop.serving.load_test import LoadRequest, LoadResult
from workshop.serving.plan import ServingPlan
from workshop.settings import Settings

INT8 = "CTranslate2, int8"
PROMPTS = [prompt_text(chat_messages(f"서울시는 {day}일 새 공원을 열었다.")) for day in (3, 12, 20)]


def test_the_cpu_engines_are_compared_for_real(settings: Settings, tmp_path: Path) -> None:
    plans = comparison_plans(settings, BASE)
    assert list(plans) == ["transformers", "CTranslate2", "CTranslate2, int8"]
    comparison = compare(plans, tmp_path)
    assert comparison.failed == {}
    assert [result.name for result in comparison.results] == list(plans)
    assert [len(result.load.good) for result in comparison.results] == [4, 4, 4]
    assert comparison.same_as_first(comparison.results[1]) == 1.0
    table = comparison.table()
    assert list(table.index) == list(plans)
    assert (table["tokens/s"] > 0).all()
    assert list(table["original's tokens"][:2]) == ["-", "100.0 %"]
    assert list(table["remark"][:2]) == ["", ""]
    says_how_much(table.loc[INT8])
    assert list((settings.home / "serving" / "converted").iterdir()), "the second was not CTranslate2"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86 alone multiplies bytes without VNNI so")
def test_int8_without_vnni_has_figures_and_says_that_an_endpoint_refuses_it(
    settings: Settings, tmp_path: Path
) -> None:
    old_processor = {"ONEDNN_MAX_CPU_ISA": "AVX2", "CT2_USE_MKL": "0"}
    plan = changed(comparison_plans(settings, BASE)[INT8], **old_processor)
    comparison = compare({INT8: plan}, tmp_path)
    row = comparison.table().loc[INT8]
    assert row["tokens/s"] > 0
    assert says_how_much(row) < 90
    assert row["remark"] == "fewer than 90 %: an endpoint refuses it"


def test_an_engine_that_fails_is_a_row_with_its_reason_and_the_others_go_on(
    settings: Settings, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    plans = comparison_plans(settings, BASE)
    crash = (sys.executable, "-c", "import no_such_library")
    comparison = compare(
        {
            "crashes": replace(plans["CTranslate2"], command=crash),
            "refuses": changed(plans[INT8], SERVE_MIN_INT8_AGREEMENT_PERCENT="100"),
            "has a bug": replace(plans["CTranslate2"], engine="unheard-of"),
            "works": plans["CTranslate2"],
        },
        tmp_path,
    )
    assert list(comparison.failed) == ["crashes", "refuses", "has a bug"]
    assert comparison.failed["crashes"] == (
        "TGI (python -m serve) ended with exit status 1: "
        "ModuleNotFoundError: No module named 'no_such_library'"
    )
    assert re.fullmatch(
        r"a copy that chooses [\d.]+ % of the original's tokens \(int8\)", comparison.failed["refuses"]
    )
    assert comparison.failed["has a bug"] == "KeyError: 'unheard-of'"
    output, errors = capfd.readouterr()
    assert "Traceback" in errors, "a bug is hidden"
    assert all(f"{name}: {reason}" in output for name, reason in comparison.failed.items())
    table = comparison.table()
    assert list(table["remark"]) == [*comparison.failed.values(), ""]
    assert list(table["tokens/s"][:3]) == ["-", "-", "-"]
    assert table["tokens/s"]["works"] > 0
    assert table["same as the first"]["works"] == "-", "there is no first"


def test_an_interrupt_ends_the_comparison(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person's Ctrl-C: it comes while an engine is measured, which no test can time."""
    asked = []

    def interrupted(*_: object, **__: object) -> None:
        asked.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr("workshop.serving.compare.start_server", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare(comparison_plans(settings, BASE), tmp_path)
    assert len(asked) == 1


def test_when_nothing_worked_the_table_is_the_reasons() -> None:
    comparison = Comparison((FailedEngine(name="a", reason="no"), FailedEngine(name="b", reason="no GPU")))
    assert comparison.table()["remark"].to_dict() == comparison.failed == {"a": "no", "b": "no GPU"}


def compare(plans: dict[str, ServingPlan], folder: Path) -> Comparison:
    return compare_engines(plans, PROMPTS, num_users=2, num_requests=4, log_dir=folder, timeout_s=600)


def changed(plan: ServingPlan, **variables: str) -> ServingPlan:
    return replace(plan, command_environment={**plan.command_environment, **variables})


def says_how_much(row) -> float:
    """Return the percentage of the original's tokens; no copy of 8 bits chooses all or half of them."""
    share = float(re.fullmatch(r"([\d.]+) %", row["original's tokens"])[1])
    assert 50 < share < 100
    return share


def test_with_containers_the_three_engines_are_compared_the_chosen_one_first(settings: Settings) -> None:
    in_images = replace(settings, serve_with="container", container_images="aws")
    chosen = replace(in_images, serving_engine="vllm", serving_quantization="fp8")
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
