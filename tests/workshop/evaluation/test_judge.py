"""A judge is asked in both orders, its favourite place is found, and it is off unless somebody names one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import numpy as np
import pytest

from workshop.aws.ledger import Ledger
from workshop.aws.session import Aws
from workshop.errors import WorkshopError
from workshop.evaluation.answers import KeptAnswers
from workshop.evaluation.cases import CaseRuns, load_cases, run_cases
from workshop.evaluation.judge import NEW, OLD, TIE, UNREADABLE, Judge, JudgeReport, read_verdict
from workshop.evaluation.verdict import BETTER, UNSEEN, verdict
from workshop.settings import find_repo_dir, load_settings

CASES = [
    case
    for case in load_cases(find_repo_dir() / "notebook" / "03-llmops" / "gate" / "cases.yaml")
    if case.kind == "number"
]
KEY = "sk-marked-key-of-a-person"


@contextmanager
def judging_server(
    judge: Callable[[str], str], *, status: int = 200, refuses: str = ""
) -> Iterator[tuple[str, list[dict]]]:
    """A real server that speaks OpenAI's chat and Bedrock's Converse: its address, and what it was asked."""
    asked: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append({"path": self.path, "key": self.headers.get("Authorization"), **body})
            content = body["messages"][-1]["content"]
            said = judge(content if isinstance(content, str) else content[0]["text"])
            if self.path.endswith("/converse"):
                thoughts = {"reasoningContent": {"reasoningText": {"text": "VERDICT: B"}}}
                blocks = [thoughts, {"text": said}, thoughts]
                answer = {
                    "output": {"message": {"role": "assistant", "content": blocks}},
                    "stopReason": "end_turn",
                    "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
                    "metrics": {"latencyMs": 1},
                }
            else:
                message = {"role": "assistant", "content": said}
                answer = {
                    "id": "1", "object": "chat.completion", "created": 1, "model": body["model"],
                    "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                }  # fmt: skip
            code = 400 if refuses in body else status
            sent = json.dumps(answer if code == 200 else {"error": {"message": said}}).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output to what the tests print."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answered(tmp_path: Path, name: str, answer_to: Callable[[str], str]) -> CaseRuns:
    kept = KeptAnswers(tmp_path, name, {"system": name})
    return run_cases(CASES, "{{article}} {{question}}", lambda prompt, _: answer_to(prompt), kept, num_runs=1)


@pytest.fixture
def runs(tmp_path: Path) -> tuple[CaseRuns, CaseRuns]:
    """A new prompt whose answers are all right, and an old one with every second answer wrong."""
    right = {f"{case.article} {case.question}": case.checks["number"] for case in CASES}
    wrong = set(list(right)[::2])
    new = answered(tmp_path, "new", right.__getitem__)
    old = answered(tmp_path, "old", lambda prompt: "7억 원" if prompt in wrong else right[prompt] + "입니다")
    return new, old


@pytest.fixture
def aws(tmp_path: Path) -> Aws:
    """A connection to AWS, of which only Bedrock is ever asked."""
    return Aws(
        settings=load_settings(environ={"WORKSHOP_HOME": str(tmp_path / "home")}),
        account_id="000000000000",
        bucket="",
        prefix="",
        tags={},
        ledger=Ledger(tmp_path / "ledger.jsonl"),
        boto_session=boto3.Session("a", "b", region_name="us-east-1"),
        _role_arn="",
    )


def with_judge(aws: Aws, url: str, model: str = "judge-1") -> Judge:
    return Judge.of(replace(aws, settings=replace(aws.settings, judge_url=url, judge_model=model)))


def by_the_article(asked: str) -> str:
    """Prefer the answer that is right, and of two right ones none."""
    case = next(case for case in CASES if case.question in asked and case.article in asked)
    first, second = (asked.split(f"[Answer {name}]\n")[1].split("\n")[0] for name in "AB")
    good = [case.checks["number"] in answer for answer in (first, second)]
    return f"A says {first}, B says {second}.\nVERDICT: {'TIE' if good[0] == good[1] else 'AB'[good[1]]}"


def test_a_judge_is_off_unless_a_model_is_named(aws: Aws, runs: tuple[CaseRuns, CaseRuns]) -> None:
    report = Judge.of(aws).compare(*runs)
    assert str(report) == "judge: off (judge_model in workshop.yaml)"
    assert not (aws.settings.home / "evaluation").exists()


def test_a_judge_that_always_prefers_the_first_is_found_out(
    aws: Aws, runs: tuple[CaseRuns, CaseRuns]
) -> None:
    with judging_server(lambda asked: "Both are fine.\n\nVERDICT: A") as (url, asked):
        report = with_judge(aws, url).compare(*runs)
    assert len(asked) == 2 * len(CASES)
    assert report.first_shown == 1
    assert report.agreement == 0
    assert report.kappa == pytest.approx(0)
    assert set(report.new_values) == {0.5}
    assert verdict(report.new_values, report.old_values).word == UNSEEN
    assert "for the answer shown first: 100%" in str(report)


def test_a_judge_that_reads_the_article_agrees_with_itself_and_with_the_checks(
    aws: Aws, runs: tuple[CaseRuns, CaseRuns]
) -> None:
    with judging_server(by_the_article) as (url, asked):
        judge = with_judge(aws, url)
        report = judge.compare(*runs)
        assert str(judge.compare(*runs)) == str(report)  # nothing is paid for twice
    assert len(asked) == 2 * len(CASES)
    assert report.agreement == report.kappa == report.agreement_with_checks == 1
    assert report.first_shown == 0.5
    assert verdict(report.new_values, report.old_values).word == BETTER
    assert {request["path"] for request in asked} == {"/v1/chat/completions"}
    assert {(request["temperature"], request["model"]) for request in asked} == {(0, "judge-1")}


def test_a_model_that_refuses_max_tokens_is_asked_without(aws: Aws, runs: tuple[CaseRuns, CaseRuns]) -> None:
    with judging_server(by_the_article, refuses="max_tokens") as (url, asked):
        report = with_judge(aws, url).compare(*runs)
    assert report.agreement == 1
    assert sum("max_tokens" in request for request in asked) == len(asked) / 2 == 2 * len(CASES)


def test_answers_that_are_the_same_are_not_judged(aws: Aws, runs: tuple[CaseRuns, CaseRuns]) -> None:
    with judging_server(by_the_article) as (url, asked):
        report = with_judge(aws, url).compare(runs[0], runs[0])
    assert asked == []
    assert "no pair of answers that differ" in str(report)


def test_bedrock_is_asked_by_converse_and_read_without_its_thoughts(
    aws: Aws, runs: tuple[CaseRuns, CaseRuns], monkeypatch: pytest.MonkeyPatch
) -> None:
    with judging_server(by_the_article) as (url, asked):
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", url.removesuffix("/v1"))
        report = with_judge(aws, "", "vendor.model-v1:0").compare(*runs)
    assert report.agreement == 1
    assert asked[0]["path"] in ("/model/vendor.model-v1:0/converse", "/model/vendor.model-v1%3A0/converse")
    assert asked[0]["inferenceConfig"] == {"maxTokens": 400, "temperature": 0.0}


def test_a_key_is_sent_and_neither_shown_nor_kept(
    aws: Aws, runs: tuple[CaseRuns, CaseRuns], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    refusal = f"Incorrect API key provided: {KEY}"
    with (
        judging_server(lambda _: refusal, status=401) as (url, asked),
        pytest.raises(WorkshopError) as error,
    ):
        with_judge(aws, url).compare(*runs)
    assert asked[0]["key"] == f"Bearer {KEY}"
    assert "Incorrect API key provided: ***" in error.value.found
    assert "OPENAI_API_KEY" in error.value.next_step
    assert KEY not in str(error.value)
    with judging_server(by_the_article) as (url, _):
        with_judge(aws, url).compare(*runs)
    kept = list((aws.settings.home / "evaluation").iterdir())
    assert kept
    assert not any(KEY in file.read_text(encoding="utf-8") for file in kept)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", ""])
def test_a_judge_that_does_not_answer_is_told_in_three_lines(
    aws: Aws, runs: tuple[CaseRuns, CaseRuns], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(WorkshopError, match="does not judge") as error:
        with_judge(aws, url).compare(*runs)
    assert "judge_model" in error.value.next_step


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ("VERDICT: A", "A"),
        ("Both are right.\n**VERDICT: TIE**", TIE),
        ("VERDICT: A? No.\nVERDICT: B", "B"),
        ("verdict: **b**", "B"),
        ("B.", "B"),
        ("tie", TIE),
        ("Answer A is better", UNREADABLE),
        ("VERDICT: Above all", UNREADABLE),
        ("", UNREADABLE),
    ],
)
def test_a_verdict_is_read_from_the_last_line_or_from_nothing_else(answer: str, word: str) -> None:
    assert read_verdict(answer) == word


def test_kappa_and_shares_equal_a_computation_by_hand() -> None:
    report = JudgeReport(
        model="m",
        new_first=(NEW, NEW, OLD, TIE, NEW, OLD, UNREADABLE, NEW),
        old_first=(NEW, OLD, OLD, TIE, NEW, NEW, UNREADABLE, TIE),
        by_checks=(NEW, NEW, OLD, TIE, OLD, TIE, NEW, NEW),
    )
    assert report.agreement == 4 / 8
    # Seen alike 5 of 8; by chance 4/8 * 3/8 + 2/8 * 2/8 + 1/8 * 2/8 + 1/8 * 1/8
    by_chance = 12 / 64 + 4 / 64 + 2 / 64 + 1 / 64
    assert report.kappa == pytest.approx((5 / 8 - by_chance) / (1 - by_chance), abs=1e-9)
    assert report.first_shown == pytest.approx((4 + 2) / (6 + 5), abs=1e-9)
    assert report.agreement_with_checks == pytest.approx(2 / 6, abs=1e-9)
    assert report.new_values.tolist() == [1, 0.5, 0, 0.5, 1, 0.5, 0.5, 0.5]
    assert np.allclose(report.new_values + report.old_values, 1)
