"""The engines one after the other on the same questions: how fast each is, and whether it answers alike."""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workshop.errors import WorkshopError
from workshop.inference import DIALECTS, Client
from workshop.serving.engines import ENGINES, NO_QUANTIZATION
from workshop.serving.load_test import LoadResult, load_test
from workshop.serving.plan import ServingPlan, serving_plan
from workshop.serving.server import start_server
from workshop.settings import Settings

if TYPE_CHECKING:
    from pandas import DataFrame

NUM_COMPARED_ANSWERS = 8
WARM_UP = "안녕하세요"

LOWEST_INT8_PERCENT = 50
"""An int8 copy that chooses fewer of the original's tokens is damaged, on whatever processor."""

NOTHING = "-"
_MAX_REASON_CHARS = 160
# What `python -m serve` prints: how far a converted copy is the original, and why it does not start.
_AGREEMENT = re.compile(r"chooses ([\d.]+ %) of the original's tokens \(\w+\)(?:, (fewer than \d+ %))?")
_FOUND = re.compile(r"^found     (.+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class EngineResult:
    """What one engine did.

    Attributes:
        name: Of the engine, for people.
        ready_s: Seconds from start to ready.
        answers: Greedy answers to the first questions.
        original_tokens: Share of the original's tokens that a converted copy chose on this processor, as its
            server said; "-" for the original itself.
        remark: What an endpoint would not take; mostly "".
    """

    name: str
    ready_s: float
    load: LoadResult
    answers: tuple[str, ...]
    original_tokens: str = NOTHING
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class FailedEngine:
    """An engine that has no figures.

    Attributes:
        name: Of the engine, for people.
        reason: One line.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Comparison:
    """Engines beside each other, in the order in which they ran."""

    results: tuple[EngineResult | FailedEngine, ...]

    @property
    def failed(self) -> dict[str, str]:
        """Name -> reason, of the engines without figures."""
        return {result.name: result.reason for result in self.results if isinstance(result, FailedEngine)}

    def same_as_first(self, result: EngineResult) -> float | None:
        """Return the share of an engine's answers that equal the first engine's, letter by letter.

        None where the first one has none.
        """
        first = self.results[0]
        if isinstance(first, FailedEngine):
            return None
        pairs = list(zip(result.answers, first.answers, strict=True))
        return sum(ours == theirs for ours, theirs in pairs) / len(pairs)

    def table(self) -> DataFrame:
        """Return one row an engine; what failed has a reason in place of figures."""
        import pandas as pd

        rows = [self._row(result) for result in self.results]
        columns = max(rows, key=len)  # of one that has figures, if any has
        complete = [{column: row.get(column, NOTHING) for column in columns} for row in rows]
        return pd.DataFrame(complete).set_index("engine")

    def _row(self, result: EngineResult | FailedEngine) -> dict[str, Any]:
        if isinstance(result, FailedEngine):
            return {"engine": result.name, "remark": result.reason}
        same = self.same_as_first(result)
        return {
            "engine": result.name,
            "ready s": round(result.ready_s, 1),
            **result.load.row(),
            "same as the first": NOTHING if same is None else f"{same:.0%}",
            "original's tokens": result.original_tokens,
            "remark": result.remark,
        }


def comparison_plans(settings: Settings, model_dir: Path) -> dict[str, ServingPlan]:
    """Return what can be compared on this machine: name -> plan.

    With AWS's images the three engines. On a CPU the engines behind `python -m serve`, as a process or in the
    repository's own image, which is that server whatever dialect it speaks. The 8-bit one is measured where
    an endpoint would refuse it too: on a processor without VNNI it differs more from the original, and the
    table says how much.

    Args:
        settings: serve_with and container_images decide; of AWS's images the chosen engine and quantization
            come first.
        model_dir: A model that training has left.
    """
    plain = replace(settings, serving_quantization=NO_QUANTIZATION)
    if settings.serves_on_cpu:
        fast = {"SERVE_ENGINE": "ctranslate2"}
        if settings.serve_with == "process":  # a container converts into its own memory, anew each time
            fast["SERVE_CACHE_DIR"] = str(settings.home / "serving" / "converted")
        small = fast | {
            ENGINES[settings.serving_engine].quantize: "int8",
            "SERVE_MIN_INT8_AGREEMENT_PERCENT": str(LOWEST_INT8_PERCENT),
        }
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

    An engine that does not start, refuses or breaks becomes a row with its reason, and the others still run.
    The load test comes before the answers that are compared: engines keep what they have read of a prompt,
    and would know the first ones already.

    Args:
        plans: Name -> what to start.
        prompts: Texts, see `workshop.inference.prompt_text`.
        num_users: In parallel.
        num_requests: Of all users together.
        log_dir: Gets a log for each engine.
        timeout_s: Each must be ready within so many seconds.
    """
    results: list[EngineResult | FailedEngine] = []
    for name, plan in plans.items():
        log_path = log_dir / f"compare-{len(results) + 1}.log"
        log_path.unlink(missing_ok=True)  # of an earlier run: it may not come to write its own
        try:
            result = _measured(name, plan, prompts, num_users, num_requests, log_path, timeout_s)
        except WorkshopError as error:
            result = FailedEngine(name=name, reason=_reason(error.found, _text(log_path)))
        except Exception as error:  # no error response: its traceback is shown, and the others still measured
            traceback.print_exc()
            result = FailedEngine(name=name, reason=f"{type(error).__name__}: {error}")
        if isinstance(result, FailedEngine):
            print(f"{name}: {result.reason}", flush=True)
        results.append(result)
    return Comparison(tuple(results))


def _measured(
    name: str,
    plan: ServingPlan,
    prompts: Sequence[str],
    num_users: int,
    num_requests: int,
    log_path: Path,
    timeout_s: float,
) -> EngineResult:
    with start_server(plan, log_path=log_path, timeout_s=timeout_s) as server:
        client = Client(server.url, DIALECTS[plan.engine])
        try:
            client.invoke(WARM_UP, max_new_tokens=8)
            load = load_test(client, prompts, num_users=num_users, num_requests=num_requests)
            answers = tuple(client.invoke(prompt).text for prompt in prompts[:NUM_COMPARED_ANSWERS])
        finally:
            client.close()
    said = _AGREEMENT.search(_text(log_path))  # complete once the server has stopped
    return EngineResult(
        name=name,
        ready_s=server.ready_s,
        load=load,
        answers=answers,
        original_tokens=said[1] if said else NOTHING,
        remark=f"{said[2]}: an endpoint refuses it" if said and said[2] else "",
    )


def _reason(found: str, log_text: str) -> str:
    """Return one line: the server's own words if it refused, else what happened and its last line."""
    own_words = _FOUND.findall(log_text)
    if own_words:
        reason = own_words[-1]
    else:
        last = log_text.strip().rpartition("\n")[2]
        reason = found.splitlines()[0].removesuffix("; its last lines:") + (f": {last}" if last else "")
    return reason if len(reason) <= _MAX_REASON_CHARS else reason[: _MAX_REASON_CHARS - 1] + "…"


def _text(log_path: Path) -> str:
    return log_path.read_text(encoding="utf-8", errors="replace") if log_path.exists() else ""


def _title(settings: Settings) -> str:
    title = ENGINES[settings.serving_engine].title
    is_plain = settings.serving_quantization == NO_QUANTIZATION
    return title if is_plain else f"{title}, {settings.serving_quantization}"
