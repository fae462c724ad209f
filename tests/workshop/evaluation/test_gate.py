"""The gate as CI runs it: a real pytest, green with answers as good as the released ones, red with worse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workshop.evaluation.cases import fill_template, load_cases
from workshop.settings import find_repo_dir

GATE_DIR = find_repo_dir() / "notebook" / "03-llmops" / "gate"
CASES = load_cases(GATE_DIR / "cases.yaml")
GOOD, WORSE = "{{article}}\n질문: {{question}} 답:", "{{article}}\n\n질문: {{question}} 답:"
SAMPLING = {"temperature": 1.0, "max_new_tokens": 32, "stop": ["\n"]}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """SageMaker's runtime with a model that answers right, and names wrong with the worse prompt."""
    answers = {}
    for case in CASES:
        wanted = case.checks.get("number") or case.checks.get("name") or "기사에 나오지 않습니다."
        answers[fill_template(GOOD, case)] = f" {wanted}입니다"
        answers[fill_template(WORSE, case)] = " 남의 이름" if case.kind == "name" else f" {wanted}입니다"

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps({"generated_text": answers[asked["inputs"]]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output to what the tests print."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def gate(tmp_path: Path, endpoint: str, prompt: str, **changed: str) -> tuple[int, str]:
    """Run the gate, and return its exit status and what it printed."""
    # Promises are long: the released prompt's answers to them were cut, so that all of them failed.
    values = {case.id: float(case.kind != "promise") for case in CASES}
    baseline = {"template": GOOD, "sampling": SAMPLING, "num_runs": 2, "values": values}
    (tmp_path / "baseline.json").write_text(json.dumps(baseline), encoding="utf-8")
    (tmp_path / "prompt.txt").write_text(prompt, encoding="utf-8")
    variables = {
        "GATE_PROMPT": str(tmp_path / "prompt.txt"),
        "GATE_BASELINE": str(tmp_path / "baseline.json"),
        "GATE_ENDPOINT": "news",
        "GATE_COMPONENT": "news-base",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-c",
            str(GATE_DIR / "pytest.ini"),
            str(GATE_DIR / "prompt_gate.py"),
        ],
        env=os.environ | variables | changed,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return done.returncode, done.stdout


def test_the_gate_is_green_with_answers_as_good_as_the_released_ones(tmp_path: Path, endpoint: str) -> None:
    status, output = gate(tmp_path, endpoint, GOOD)
    assert status == 0, output
    assert "6 passed" in output


def test_the_gate_is_red_and_names_the_kind_that_got_worse(tmp_path: Path, endpoint: str) -> None:
    status, output = gate(tmp_path, endpoint, WORSE)
    assert status == 1, output
    assert "test_no_kind_of_case_is_worse[name]" in output
    assert "test_all_cases_together_are_not_worse" in output
    assert "worse: -100.0 points [-100.0, -100.0] on 24 cases" in output
    assert "2 failed, 4 passed" in output
    assert "Traceback" not in output


def test_a_variable_that_is_missing_is_named_and_nothing_is_judged(tmp_path: Path, endpoint: str) -> None:
    status, output = gate(tmp_path, endpoint, GOOD, GATE_BASELINE="")
    assert status == 4, output
    assert "the variable GATE_BASELINE is not set" in output
