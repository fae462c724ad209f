"""A gate for a changed prompt: red when its answers to the cases are worse than those of the released one.

    pytest -c pytest.ini prompt_gate.py

It asks a SageMaker endpoint, and reads these variables:

    GATE_PROMPT       file with the prompt, {{article}} and {{question}} in it
    GATE_BASELINE     file with the released prompt's values: what notebook 01-Evaluate-From-The-Start writes
    GATE_ENDPOINT     name of the endpoint
    GATE_COMPONENT    name of its inference component
    GATE_ENGINE       lmi, tgi or vllm; lmi when it is not set

"Worse" is a verdict: a model that samples never scores twice the same with the same prompt. That a prompt is
better is not asked for. To use this elsewhere copy the folder, and replace `ask`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from workshop.evaluation.answers import KeptAnswers
from workshop.evaluation.cases import CaseRuns, load_cases, run_cases
from workshop.evaluation.verdict import WORSE, Verdict, verdict
from workshop.inference import DIALECTS

CASES = load_cases(Path(__file__).with_name("cases.yaml"))
KINDS = list(dict.fromkeys(case.kind for case in CASES))
# Every change runs the gate, and each of its tests has a chance of a false alarm: here 1 in 200.
LEVEL = 0.99


def variable(name: str) -> str:
    """Return a variable, or end with what is missing: nothing was judged then."""
    if not os.environ.get(name):
        pytest.exit(f"the variable {name} is not set; the head of {Path(__file__).name} says what it is", 4)
    return os.environ[name]


@pytest.fixture(scope="session")
def baseline() -> dict:
    """What the released prompt was: values by case, number of runs, and how its answers were sampled."""
    found = json.loads(Path(variable("GATE_BASELINE")).read_text(encoding="utf-8"))
    new = [case.id for case in CASES if case.id not in found["values"]]
    if new:
        pytest.exit(f"{new[0]} is not in the baseline; write it again with all {len(CASES)} cases", 4)
    return found


@pytest.fixture(scope="session")
def runs(baseline: dict, tmp_path_factory: pytest.TempPathFactory) -> CaseRuns:
    """Ask all cases now: nothing that was kept of an earlier run counts."""
    import boto3

    runtime = boto3.client("sagemaker-runtime")
    dialect = DIALECTS[os.environ.get("GATE_ENGINE", "lmi")]

    def ask(prompt: str, seed: int) -> str:
        answer = runtime.invoke_endpoint(
            EndpointName=variable("GATE_ENDPOINT"),
            InferenceComponentName=variable("GATE_COMPONENT"),
            ContentType="application/json",
            Body=dialect.body(prompt, seed=seed, **baseline["sampling"]),
        )
        return dialect.answer(answer["Body"].read()).text

    prompt = Path(variable("GATE_PROMPT")).read_text(encoding="utf-8")
    kept = KeptAnswers(tmp_path_factory.mktemp("gate"), "gate", baseline["sampling"])
    # Other runs than the baseline's: its own answers again would prove nothing.
    num_runs = baseline["num_runs"]
    return run_cases(CASES, prompt, ask, kept, num_runs=num_runs, first_run=1_000)


def test_all_cases_together_are_not_worse(runs: CaseRuns, baseline: dict) -> None:
    old = [baseline["values"][case.id] for case in runs.cases]
    _fail_if_worse(verdict(runs.values, old, level=LEVEL))


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_case_is_worse(runs: CaseRuns, baseline: dict, kind: str) -> None:
    old = [baseline["values"][case.id] for case in runs.cases if case.kind == kind]
    _fail_if_worse(verdict(runs.of_kind(kind), old, level=LEVEL))


def _fail_if_worse(one: Verdict) -> None:
    if one.word == WORSE:
        pytest.fail(str(one), pytrace=False)
