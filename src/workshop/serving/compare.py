"""The engines one after the other on the same questions: how fast each is, and whether it answers alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from workshop.inference import DIALECTS, Client
from workshop.serving.docker import check_docker
from workshop.serving.engines import ENGINES, NO_QUANTIZATION
from workshop.serving.load_test import LoadResult, load_test
from workshop.serving.plan import ServingPlan, serving_plan
from workshop.serving.server import start_server
from workshop.settings import Settings

if TYPE_CHECKING:
    from pandas import DataFrame

NUM_COMPARED_ANSWERS = 8
WARM_UP = "안녕하세요"


@dataclass(frozen=True, kw_only=True)
class EngineResult:
    """What one engine did.

    Attributes:
        name: Of the engine, for people.
        ready_s: Seconds from start to ready.
        load: The load test.
        answers: Greedy answers to the first questions.
    """

    name: str
    ready_s: float
    load: LoadResult
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Engines beside each other, in the order in which they ran."""

    results: tuple[EngineResult, ...]

    def same_as_first(self, result: EngineResult) -> float:
        """Return the share of an engine's answers that equal the first engine's, letter by letter."""
        pairs = list(zip(result.answers, self.results[0].answers, strict=True))
        return sum(ours == theirs for ours, theirs in pairs) / len(pairs)

    def table(self) -> DataFrame:
        """Return one row an engine."""
        import pandas as pd

        rows = [
            {
                "engine": result.name,
                "ready s": round(result.ready_s, 1),
                **result.load.row(),
                "same as the first": f"{self.same_as_first(result):.0%}",
            }
            for result in self.results
        ]
        return pd.DataFrame(rows).set_index("engine")


def comparison_plans(settings: Settings, model_dir: Path) -> dict[str, ServingPlan]:
    """Return what can be compared on this machine: name -> plan.

    With containers the three engines; without, the CPU engines behind `python -m serve`.

    Args:
        settings: serve_with decides; of containers the chosen engine and quantization come first.
        model_dir: A model that training has left.
    """
    plain = replace(settings, serving_quantization=NO_QUANTIZATION)
    if settings.serve_with == "process":
        converted_dir = settings.home / "serving" / "converted"
        fast = {"SERVE_ENGINE": "ctranslate2", "SERVE_CACHE_DIR": str(converted_dir)}
        small = fast | {ENGINES[settings.serving_engine].quantize: "int8"}
        return {
            "transformers": serving_plan(plain, model_dir),
            "CTranslate2": serving_plan(plain, model_dir, extra_environment=fast),
            "CTranslate2, int8": serving_plan(plain, model_dir, extra_environment=small),
        }
    plans = {_title(settings): serving_plan(settings, model_dir)}
    for engine in ENGINES:
        if engine != settings.serving_engine:
            other = replace(plain, serving_engine=engine)
            plans[_title(other)] = serving_plan(other, model_dir)
    return plans


def compare_engines(
    plans: Mapping[str, ServingPlan],
    prompts: Sequence[str],
    *,
    num_users: int,
    num_requests: int,
    log_dir: Path,
    timeout_s: float,
) -> Comparison:
    """Start each engine, let it warm up, test it under load, ask it, and stop it before the next one starts.

    What containers need is looked for before the first one starts. The load test comes before the answers
    that are compared: engines keep what they have read of a prompt, and would know the first ones already.

    Args:
        plans: Name -> what to start.
        prompts: Texts, see `workshop.inference.prompt_text`.
        num_users: In parallel.
        num_requests: Of all users together.
        log_dir: Gets a log for each engine.
        timeout_s: Each must be ready within so many seconds.

    Raises:
        WorkshopError: An engine does not start; what it needs is missing.
    """
    for plan in plans.values():
        if plan.container_name:
            check_docker(plan.image)
    results = []
    for name, plan in plans.items():
        log_path = log_dir / f"compare-{len(results) + 1}.log"
        with start_server(plan, log_path=log_path, timeout_s=timeout_s) as server:
            client = Client(server.url, DIALECTS[plan.engine])
            client.invoke(WARM_UP, max_new_tokens=8)
            load = load_test(client, prompts, num_users=num_users, num_requests=num_requests)
            answers = tuple(client.invoke(prompt).text for prompt in prompts[:NUM_COMPARED_ANSWERS])
            client.close()
        results.append(EngineResult(name=name, ready_s=server.ready_s, load=load, answers=answers))
    return Comparison(tuple(results))


def _title(settings: Settings) -> str:
    title = ENGINES[settings.serving_engine].title
    is_plain = settings.serving_quantization == NO_QUANTIZATION
    return title if is_plain else f"{title}, {settings.serving_quantization}"
