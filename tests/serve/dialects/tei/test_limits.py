"""What limits and variables of TEI's image do, with a server of their own each."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from tests.serve.prometheus import samples
from tests.serve.requests_to_server import post
from tests.serve.server_process import ServerProcess

from serve.dialects.tei.dialect import MODEL_ID
from serve.dialects.tei.metrics import FAILURES

LONG = "정부는 12일 새 대책을 발표했다. " * 60
HISTOGRAMS = {
    *(f"te_{of}_duration" for of in ("request", "embed")),
    *(f"te_request_{part}_duration" for part in ("tokenization", "queue", "inference")),
    *(f"te_embed_{part}_duration" for part in ("tokenization", "queue", "inference")),
    "te_request_input_length", "te_batch_next_size", "te_batch_next_tokens",
}  # fmt: skip
COUNTERS = {
    "te_request_count",
    "te_request_success",
    "te_request_failure",
    "te_embed_count",
    "te_embed_success",
}


@pytest.fixture(scope="module")
def small() -> ServerProcess:
    """A server that takes two texts at once, five a request, cuts what is too long, and adds a prompt."""
    with ServerProcess(
        HF_MODEL_ID=MODEL_ID, SERVE_DIALECT="tei", MAX_CONCURRENT_REQUESTS="2", MAX_CLIENT_BATCH_SIZE="5",
        AUTO_TRUNCATE="true", DEFAULT_PROMPT="query: ",
    ) as process:  # fmt: skip
        yield process.ready()


def grown(server: ServerProcess, act: Callable[[], object]) -> dict[tuple, float]:
    def read() -> dict[tuple, float]:
        found = samples(requests.get(server.url + "/metrics", timeout=300).text)
        return {
            (name, *[text for _, text in labels]): value
            for (name, *labels), value in found.items()
            if not name.endswith(("_bucket", "_sum"))
        }

    before = read()
    act()
    after = read()
    return {key: value - before[key] for key, value in after.items() if value != before[key]}


def test_texts_of_a_list_wait_for_their_turn_and_one_alone_is_refused(small: ServerProcess) -> None:
    done = threading.Event()

    def busy() -> set[int]:
        found = set()
        while not done.is_set():
            found.add(post(small, "/embed", {"inputs": [LONG[:200]] * 5}).status_code)
        return found

    with ThreadPoolExecutor() as pool:
        lists = [pool.submit(busy) for _ in range(2)]
        deadline_s = time.monotonic() + 120
        answer = post(small, "/embed", {"inputs": "글"})
        while answer.status_code == 200 and time.monotonic() < deadline_s:
            answer = post(small, "/embed", {"inputs": "글"})
        done.set()
        assert answer.status_code == 429
        assert answer.json() == {"error": "Model is overloaded", "error_type": "Overloaded"}
        assert [each.result() for each in lists] == [{200}, {200}]
    assert post(small, "/embed", {"inputs": "글"}).status_code == 200


def test_variables_set_the_number_of_texts_cutting_and_the_prompt(
    small: ServerProcess, tei_server: ServerProcess
) -> None:
    assert post(small, "/embed", {"inputs": ["글"] * 6}).json()["error"].endswith("batch size 5")
    assert post(small, "/embed", {"inputs": LONG}).status_code == 200
    assert post(small, "/embed", {"inputs": LONG, "truncate": False}).status_code == 413
    prompted = post(small, "/embed", {"inputs": "새 공장"}).json()
    assert prompted == post(tei_server, "/embed", {"inputs": "query: 새 공장"}).json()
    assert post(small, "/tokenize", {"inputs": "새 공장"}).json()[0][1]["text"] == "▁que"
    info = requests.get(f"{small.url}/info", timeout=300).json()
    assert (info["max_client_batch_size"], info["max_concurrent_requests"], info["auto_truncate"]) == (
        5,
        2,
        True,
    )


def test_metrics_have_teis_names_and_count_requests_and_texts(tei_server: ServerProcess) -> None:
    text = requests.get(f"{tei_server.url}/metrics", timeout=300).text
    types = {family.name: family.type for family in text_string_to_metric_families(text)}
    assert {name for name, kind in types.items() if kind == "histogram"} == HISTOGRAMS
    assert {name for name, kind in types.items() if kind == "counter"} == COUNTERS
    assert types["te_queue_size"] == "gauge"
    batch = grown(tei_server, lambda: post(tei_server, "/embed", {"inputs": ["하나", "둘"]}))
    assert batch[("te_request_count", "batch")] == batch[("te_request_success", "batch")] == 1
    assert batch[("te_embed_count",)] == batch[("te_embed_success",)] == 2
    assert batch[("te_request_input_length_count",)] == 2
    assert ("te_request_count", "single") not in batch
    refused = grown(tei_server, lambda: post(tei_server, "/embed", {"inputs": ["글"] * 33}))
    assert refused[("te_request_failure", "batch_size")] == 1
    assert all(f'te_request_failure{{err="{name}"}}' in text for name in FAILURES)


def test_texts_of_a_client_that_has_gone_are_not_computed(tei_server: ServerProcess) -> None:
    num_asked = 0

    def ask_until_it_is_seen() -> None:
        """A client that goes before its body was read is no request yet: then another goes."""
        nonlocal num_asked
        deadline_s = time.monotonic() + 120
        while 'err="dropped"} 0' in requests.get(f"{tei_server.url}/metrics", timeout=300).text:
            assert time.monotonic() < deadline_s
            connection = http.client.HTTPConnection(tei_server.url.removeprefix("http://"))
            body = json.dumps({"inputs": [LONG] * 32, "truncate": True})
            connection.request("POST", "/embed", body, {"Content-Type": "application/json"})
            time.sleep(0.05)
            connection.close()
            num_asked += 32

    found = grown(tei_server, ask_until_it_is_seen)
    assert found[("te_request_failure", "dropped")] >= 1
    assert found.get(("te_embed_success",), 0) < num_asked


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"HF_MODEL_ID": "BAAI/bge-m3"}, "the model 'BAAI/bge-m3'"),
        ({"HF_MODEL_ID": ""}, "no HF_MODEL_ID"),
        ({"AUTO_TRUNCATE": "perhaps"}, "AUTO_TRUNCATE = 'perhaps'"),
        ({"MAX_CLIENT_BATCH_SIZE": "0"}, "MAX_CLIENT_BATCH_SIZE = '0'"),
        ({"POOLING": "cls"}, "POOLING = 'cls'"),
    ],
)
def test_what_cannot_be_served_ends_the_server_with_the_reason(variables: dict[str, str], told: str) -> None:
    given = {"HF_MODEL_ID": MODEL_ID, "SERVE_DIALECT": "tei"} | variables
    with ServerProcess(**given) as process:
        status, output = process.wait()
    assert status == 2
    assert told in output
    assert "Traceback" not in output
