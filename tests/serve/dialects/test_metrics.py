"""Metrics under TGI's and vLLM's names, fed by real requests."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from tests.serve.prometheus import samples
from tests.serve.requests_to_server import chat, completion, open_stream, post
from tests.serve.server_process import ServerProcess

from serve.text import TextCodec

TGI_HISTOGRAMS = {
    "tgi_request_duration", "tgi_request_validation_duration", "tgi_request_queue_duration",
    "tgi_request_inference_duration", "tgi_request_mean_time_per_token_duration",
    "tgi_request_generated_tokens", "tgi_request_input_length", "tgi_request_max_new_tokens",
    "tgi_batch_inference_duration",
}  # fmt: skip
TGI_COUNTERS = {
    "tgi_request_count", "tgi_request_success", "tgi_request_failure", "tgi_batch_inference_count",
    "tgi_batch_inference_success",
}  # fmt: skip
TGI_GAUGES = {"tgi_queue_size", "tgi_batch_current_size", "tgi_batch_current_max_tokens"}


def read(server: ServerProcess) -> dict[tuple, float]:
    """Return the samples without their buckets, by name and label values other than the model's."""
    answer = requests.get(server.url + "/metrics", timeout=300)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = samples(answer.text, without=("model_name", "engine"))
    return {
        (name, *[text for _, text in labels]): value
        for (name, *labels), value in found.items()
        if not name.endswith("_bucket")
    }


def grown(server: ServerProcess, act: Callable[[], object]) -> dict[tuple, float]:
    """Return the samples that an action changes, and by how much."""
    before = read(server)
    act()
    after = read(server)
    return {key: value - before[key] for key, value in after.items() if value != before[key]}


@pytest.fixture(scope="module")
def measured_server(endless_dir: Path) -> Iterator[ServerProcess]:
    with ServerProcess(HF_MODEL_ID=str(endless_dir), MAX_BATCH_SIZE="1") as process:
        yield process.ready()


def test_all_of_tgis_names_are_there_with_their_types(server: ServerProcess) -> None:
    families = list(text_string_to_metric_families(requests.get(server.url + "/metrics", timeout=300).text))
    found = {kind: {family.name for family in families if family.type == kind} for kind in
             ("counter", "histogram", "gauge")}  # fmt: skip
    text = requests.get(server.url + "/metrics", timeout=300).text
    assert found["counter"] == TGI_COUNTERS
    assert all(f"\n{name}" in text and f"\n{name}_total" not in text for name in TGI_COUNTERS)
    assert found == {"counter": TGI_COUNTERS, "histogram": TGI_HISTOGRAMS, "gauge": TGI_GAUGES}
    bounds = [
        float(sample.labels["le"])
        for family in families
        if family.name == "tgi_request_duration"
        for sample in family.samples
        if sample.name.endswith("_bucket")
    ]
    assert bounds[:2] == pytest.approx([0.00015, 0.000225])
    assert len(bounds) == 36


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_is_counted_with_its_tokens(measured_server: ServerProcess, stream: bool) -> None:
    route = "/generate_stream" if stream else "/generate"
    body = {"inputs": "안녕하세요", "parameters": {"max_new_tokens": 7}}
    change = grown(measured_server, lambda: post(measured_server, route, body))
    num_prompt = len(post(measured_server, "/tokenize", {"inputs": "안녕하세요"}).json())
    assert {key: value for key, value in change.items() if not key[0].endswith("duration_sum")} == {
        ("tgi_request_count",): 1,
        ("tgi_request_success",): 1,
        ("tgi_request_generated_tokens_sum",): 7,
        ("tgi_request_generated_tokens_count",): 1,
        ("tgi_request_input_length_sum",): num_prompt,
        ("tgi_request_input_length_count",): 1,
        ("tgi_request_max_new_tokens_sum",): 7,
        ("tgi_request_max_new_tokens_count",): 1,
        ("tgi_request_duration_count",): 1,
        ("tgi_request_validation_duration_count",): 1,
        ("tgi_request_queue_duration_count",): 1,
        ("tgi_request_inference_duration_count",): 1,
        ("tgi_request_mean_time_per_token_duration_count",): 1,
        ("tgi_batch_inference_count", "prefill"): 1,
        ("tgi_batch_inference_count", "decode"): 6,
        ("tgi_batch_inference_success", "prefill"): 1,
        ("tgi_batch_inference_success", "decode"): 6,
        ("tgi_batch_inference_duration_count", "prefill"): 1,
        ("tgi_batch_inference_duration_count", "decode"): 6,
    }
    inference_s = change["tgi_request_inference_duration_sum",]
    steps = ("tgi_batch_inference_duration_sum", "prefill"), ("tgi_batch_inference_duration_sum", "decode")
    assert sum(change[step] for step in steps) == pytest.approx(inference_s)
    assert change["tgi_request_mean_time_per_token_duration_sum",] == pytest.approx(inference_s / 7)
    parts = ("validation", "queue", "inference")
    total_s = sum(change[f"tgi_request_{part}_duration_sum",] for part in parts)
    assert total_s == pytest.approx(change["tgi_request_duration_sum",])


@pytest.mark.parametrize("route", ["/generate", "/generate_stream", "/v1/completions"])
def test_an_error_response_is_a_failure_by_its_error(measured_server: ServerProcess, route: str) -> None:
    body = {"inputs": "가", "prompt": "가", "parameters": {"top_p": 3}, "top_p": 3}
    change = grown(measured_server, lambda: post(measured_server, route, body))
    assert change == {("tgi_request_count",): 1, ("tgi_request_failure", "validation"): 1}


def test_what_is_at_work_and_what_waits_are_shown_and_a_client_that_goes_is_a_failure(
    measured_server: ServerProcess, codec: TextCodec
) -> None:
    body = {"inputs": "안녕하세요", "parameters": {}}  # an answer of the rest of the context
    first = open_stream(measured_server, "/generate_stream", body)
    address = urlsplit(measured_server.url)
    second = http.client.HTTPConnection(address.hostname, address.port, timeout=300)
    second.request("POST", "/generate", json.dumps(body), {"content-type": "application/json"})
    while (found := read(measured_server))["tgi_queue_size",] == 0:
        assert found["tgi_batch_current_size",] == 1, "the first ended before the second came"
    assert found["tgi_batch_current_max_tokens",] == 2048
    first.close()
    second.close()
    while read(measured_server)["tgi_request_failure", "dropped"] < 2:
        pass


@pytest.mark.parametrize("stream", [False, True])
def test_vllms_names_count_tokens_and_reasons(vllm_server: ServerProcess, stream: bool) -> None:
    def act() -> None:
        assert post(vllm_server, "/v1/completions", completion(max_tokens=6, stream=stream)).ok
        assert post(vllm_server, "/v1/chat/completions", chat(n=2)).status_code == 400

    change = grown(vllm_server, act)
    num_prompt = post(vllm_server, "/v1/completions", completion(max_tokens=1)).json()["usage"][
        "prompt_tokens"
    ]
    assert {key: value for key, value in change.items() if not key[0].endswith("seconds_sum")} == {
        ("vllm:request_success_total", "length"): 1,
        ("vllm:prompt_tokens_total",): num_prompt,
        ("vllm:generation_tokens_total",): 6,
        ("vllm:time_to_first_token_seconds_count",): 1,
        ("vllm:inter_token_latency_seconds_count",): 5,
        ("vllm:e2e_request_latency_seconds_count",): 1,
    }
    parts = ("vllm:time_to_first_token_seconds_sum", "vllm:inter_token_latency_seconds_sum")
    total_s = change["vllm:e2e_request_latency_seconds_sum",]
    assert sum(change[part,] for part in parts) == pytest.approx(total_s)
    assert {"vllm:num_requests_running", "vllm:num_requests_waiting"} <= {key[0] for key in read(vllm_server)}
