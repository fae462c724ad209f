"""A server's own counts: read, added up, explained, and compared with what was asked.

The pages are written as TGI 3.3.7 and vLLM 0.30 write theirs.
"""

from __future__ import annotations

import pytest
from tests.workshop.inference.scripted_server import Reply, ScriptedServer

from workshop.errors import WorkshopError
from workshop.inference import TGI, Client
from workshop.serving.metrics import MEANINGS, parse_metrics, read_metrics
from workshop.serving.server import Server

TGI_PAGE = """# TYPE tgi_request_count counter
tgi_request_count 7

# TYPE tgi_request_success counter
tgi_request_success 6

# TYPE tgi_request_failure counter
tgi_request_failure{err="validation"} 1
tgi_request_failure{err="overloaded"} 2

# TYPE tgi_batch_inference_count counter
tgi_batch_inference_count{method="prefill"} 6
tgi_batch_inference_count{method="decode"} 90

# TYPE tgi_queue_size gauge
tgi_queue_size 3

# TYPE tgi_request_duration histogram
tgi_request_duration_bucket{le="0.1"} 2
tgi_request_duration_bucket{le="+Inf"} 6
tgi_request_duration_sum 3
tgi_request_duration_count 6

# TYPE tgi_request_skipped_tokens histogram
tgi_request_skipped_tokens_sum 0
tgi_request_skipped_tokens_count 6
"""
VLLM_PAGE = """# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="/opt/ml/model"} 2.0
# HELP vllm:generation_tokens_total Number of generation tokens processed.
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="/opt/ml/model"} 120.0
# TYPE vllm:generation_tokens_created gauge
vllm:generation_tokens_created{engine="0"} 1.7e+09
# HELP vllm:request_success_total Count of successfully processed requests.
# TYPE vllm:request_success_total counter
vllm:request_success_total{finished_reason="stop"} 4.0
vllm:request_success_total{finished_reason="length"} 1.0
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_bucket{le="0.1"} 4.0
vllm:time_to_first_token_seconds_bucket{le="+Inf"} 5.0
vllm:time_to_first_token_seconds_count{engine="0"} 5.0
vllm:time_to_first_token_seconds_sum{engine="0"} 0.25
# TYPE python_gc_objects_collected_total counter
python_gc_objects_collected_total{generation="0"} 9.0
"""


def test_tgis_page_is_read() -> None:
    metrics = parse_metrics(TGI_PAGE)
    assert metrics["tgi_request_count"].value == 7
    assert metrics["tgi_request_failure"].value == 3
    assert metrics["tgi_queue_size"].kind == "gauge"
    duration = metrics["tgi_request_duration"]
    assert (duration.count, duration.mean) == (6, 0.5)
    assert metrics['tgi_batch_inference_count{method="decode"}'].value == 90
    assert metrics['tgi_batch_inference_count{method="prefill"}'].value == 6


def test_vllms_page_is_read() -> None:
    metrics = parse_metrics(VLLM_PAGE)
    assert metrics["vllm:num_requests_running"].value == 2
    assert metrics["vllm:generation_tokens"].value == 120
    assert metrics["vllm:request_success"].value == 5
    assert metrics["vllm:time_to_first_token_seconds"].mean == pytest.approx(0.05)
    assert "python_gc_objects_collected" not in metrics


def test_a_table_explains_in_both_languages() -> None:
    rows = {row["name"]: row for row in parse_metrics(TGI_PAGE).rows()}
    assert rows["tgi_request_duration"] == {
        "name": "tgi_request_duration", "의미": "요청 전체 시간(초)", "meaning": "whole time of a request, s",
        "count": 6, "value": 0.5,
    }  # fmt: skip
    assert rows["tgi_request_count"]["count"] is None
    meaning = rows['tgi_batch_inference_count{method="decode"}']["meaning"]
    assert meaning == "steps of the model, one a request"
    assert "tgi_request_skipped_tokens" not in rows
    assert list(parse_metrics(VLLM_PAGE).table().columns) == ["의미", "meaning", "count", "value"]
    assert all(korean and english for korean, english in MEANINGS.values())


def test_two_readings_differ_by_what_happened_between() -> None:
    later = TGI_PAGE.replace("tgi_request_count 7", "tgi_request_count 10").replace(
        "tgi_queue_size 3", "tgi_queue_size 1"
    )
    later = later.replace("duration_sum 3", "duration_sum 4").replace("duration_count 6", "duration_count 8")
    difference = parse_metrics(later) - parse_metrics(TGI_PAGE)
    assert difference["tgi_request_count"].value == 3
    assert difference["tgi_request_success"].value == 0
    assert difference["tgi_queue_size"].value == 1
    assert (difference["tgi_request_duration"].count, difference["tgi_request_duration"].mean) == (2, 0.5)
    assert (parse_metrics(TGI_PAGE) - parse_metrics(""))["tgi_request_count"].value == 7
    nothing = parse_metrics(TGI_PAGE) - parse_metrics(TGI_PAGE)
    assert nothing["tgi_request_duration"].mean is None


def test_a_real_server_counts_what_it_was_asked(running: Server) -> None:
    client, before = Client(running.url, TGI), read_metrics(running.url)
    answers = [client.invoke("가나다", max_new_tokens=number) for number in (2, 3)]
    difference = read_metrics(running.url) - before
    assert difference["tgi_request_count"].value == 2
    assert difference["tgi_request_success"].value == 2
    generated = difference["tgi_request_generated_tokens"]
    assert (generated.count, generated.value) == (2, sum(one.num_generated_tokens for one in answers))
    assert difference["tgi_request_input_length"].value == sum(one.num_prompt_tokens for one in answers)
    assert len(difference.rows()) >= 10


@pytest.mark.parametrize(("status", "body"), [(500, b""), (200, b"tgi_request_count not-a-number\n")])
def test_a_page_that_is_none_is_named(status: int, body: bytes) -> None:
    with ScriptedServer(Reply(body, status)) as server, pytest.raises(WorkshopError, match="page of metrics"):
        read_metrics(server.url)


def test_an_engine_without_such_a_page_gives_an_empty_reading() -> None:
    with ScriptedServer(Reply(b"", 404)) as server:
        reading = read_metrics(server.url)
    assert (reading - reading).rows() == []
    assert reading.table().empty


def test_no_server_is_named() -> None:
    with pytest.raises(WorkshopError, match=r"no answer from http://127\.0\.0\.1:9/metrics"):
        read_metrics("http://127.0.0.1:9")
