"""What a server counts about itself: its Prometheus page as a small table; what two readings differ by.

before = read_metrics(server.url)
...
(read_metrics(server.url) - before).table()
"""

from __future__ import annotations

import http.client
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from workshop.errors import WorkshopError

if TYPE_CHECKING:
    from pandas import DataFrame

_TIMEOUT_S = 60.0
_SHOWN_PREFIXES = ("tgi_", "vllm:")
# Source: TGI 3.3.7, docs/source/reference/metrics.md; vLLM, docs/design/metrics.md.
MEANINGS = {
    "tgi_request_count": ("받은 요청", "requests received"),
    "tgi_request_success": ("성공한 요청", "requests that went well"),
    "tgi_request_failure": ("실패한 요청", "requests that failed"),
    "tgi_request_duration": ("요청 전체 시간(초)", "whole time of a request, s"),
    "tgi_request_validation_duration": ("요청 검사 시간(초)", "checking a request, s"),
    "tgi_request_queue_duration": ("대기열에서 기다린 시간(초)", "waiting in the queue, s"),
    "tgi_request_inference_duration": ("생성 시간(초)", "generating, s"),
    "tgi_request_mean_time_per_token_duration": ("토큰당 평균 시간(초)", "time per token, s"),
    "tgi_request_generated_tokens": ("요청당 생성 토큰", "tokens generated for a request"),
    "tgi_request_input_length": ("요청당 입력 토큰", "tokens of a prompt"),
    "tgi_request_max_new_tokens": ("요청당 최대 생성 토큰", "tokens asked for at most"),
    "tgi_queue_size": ("대기 중인 요청", "requests in the queue now"),
    "tgi_batch_current_size": ("지금 배치의 요청", "requests in the batch now"),
    "tgi_batch_current_max_tokens": ("지금 배치의 최대 토큰", "tokens of the batch at most"),
    "tgi_batch_inference_count": ("모델 계산 횟수(요청마다)", "steps of the model, one a request"),
    "tgi_batch_inference_success": ("성공한 배치 계산", "steps that went well"),
    "tgi_batch_inference_duration": ("배치 계산 시간(초)", "a step of the model, s"),
    "vllm:num_requests_running": ("생성 중인 요청", "requests in the batch now"),
    "vllm:num_requests_waiting": ("대기 중인 요청", "requests in the queue now"),
    "vllm:kv_cache_usage_perc": ("KV 캐시 사용 비율(0~1)", "share of the KV cache in use, 0 to 1"),
    "vllm:num_preemptions": ("밀려난 요청", "requests put back for want of cache"),
    "vllm:prefix_cache_queries": ("접두사 캐시 조회 토큰", "tokens looked up in the prefix cache"),
    "vllm:prefix_cache_hits": ("접두사 캐시 적중 토큰", "tokens found in the prefix cache"),
    "vllm:prompt_tokens": ("입력 토큰", "tokens of prompts"),
    "vllm:generation_tokens": ("생성 토큰", "tokens generated"),
    "vllm:request_success": ("성공한 요청", "requests that went well"),
    "vllm:time_to_first_token_seconds": ("첫 토큰까지의 시간(초)", "time to the first token, s"),
    "vllm:inter_token_latency_seconds": ("토큰 사이의 시간(초)", "time between tokens, s"),
    "vllm:time_per_output_token_seconds": ("토큰 사이의 시간(초)", "time between tokens, s"),
    "vllm:e2e_request_latency_seconds": ("요청 전체 시간(초)", "whole time of a request, s"),
    "vllm:request_queue_time_seconds": ("대기열에서 기다린 시간(초)", "waiting in the queue, s"),
    "vllm:request_prompt_tokens": ("요청당 입력 토큰", "tokens of a prompt"),
    "vllm:request_generation_tokens": ("요청당 생성 토큰", "tokens generated for a request"),
}


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number of a server, or a distribution's number and sum.

    Attributes:
        kind: "counter" (only grows), "gauge" (as of now) or "histogram".
        value: Of a histogram the sum of what was observed.
        count: Of a histogram the number of observations; else None.
    """

    kind: str
    value: float
    count: float | None = None

    @property
    def mean(self) -> float | None:
        """Of a histogram; None without an observation."""
        return self.value / self.count if self.count else None


@dataclass(frozen=True)
class Metrics:
    """One reading: name -> metric. A later one minus an earlier one is what happened between."""

    values: dict[str, Metric]

    def __getitem__(self, name: str) -> Metric:
        return self.values[name]

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def __sub__(self, earlier: Metrics) -> Metrics:
        """Return what was counted and observed since an earlier reading; gauges stay as they are now."""
        values = {}
        for name, metric in self.values.items():
            before = earlier.values.get(name)
            if before is not None and metric.kind != "gauge":
                count = None if metric.count is None else metric.count - (before.count or 0)
                metric = replace(metric, value=metric.value - before.value, count=count)
            values[name] = metric
        return Metrics(values)

    def rows(self) -> list[dict[str, Any]]:
        """Return the metrics that have a meaning here; a histogram as its count and its mean."""
        shown = []
        for name, metric in self.values.items():
            korean, english = MEANINGS.get(name.split("{")[0], ("", ""))
            if not english:
                continue
            is_histogram = metric.count is not None
            shown.append(
                {
                    "name": name,
                    "의미": korean,
                    "meaning": english,
                    "count": metric.count if is_histogram else None,
                    "value": metric.mean if is_histogram else metric.value,
                }
            )
        return shown

    def table(self) -> DataFrame:
        """Return `rows` as a table; of a histogram the value is the mean."""
        import pandas as pd

        columns = ["name", "의미", "meaning", "count", "value"]
        return pd.DataFrame(self.rows(), columns=columns).set_index("name")


def read_metrics(url: str) -> Metrics:
    """Ask a server for its metrics.

    Args:
        url: http://HOST:PORT

    Returns:
        An empty reading where the engine has no such page, as LMI (HTTP 404).

    Raises:
        WorkshopError: No answer, or a page that cannot be read.
    """
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        status, text = response.status, response.read().decode("utf-8", errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise _no_metrics(f"no answer from {url}/metrics ({type(error).__name__})") from None
    finally:
        connection.close()
    if status == http.client.NOT_FOUND:
        return Metrics({})
    if status != 200:
        raise _no_metrics(f"{url}/metrics answered {status}")
    return parse_metrics(text)


def parse_metrics(text: str) -> Metrics:
    """Read a page in Prometheus' text format; labels are added up, but for prefill and decode.

    Source: Prometheus text exposition format 0.0.4. TGI's counters lack the format's `_total`.

    Raises:
        WorkshopError: The page has another format.
    """
    from prometheus_client.parser import text_string_to_metric_families

    values: dict[str, Metric] = {}
    try:
        for family in text_string_to_metric_families(text):
            if family.name.startswith(_SHOWN_PREFIXES):
                values |= _metrics_of(family.name, family.type, family.samples)
    except ValueError as problem:
        raise _no_metrics(f"a page that is not in Prometheus' format: {problem}") from None
    return Metrics(values)


def _metrics_of(name: str, kind: str, samples: Iterable[Any]) -> dict[str, Metric]:
    values: dict[str, Metric] = {}
    for sample in samples:
        ending = sample.name.removeprefix(name)
        if ending in ("_bucket", "_created"):
            continue
        method = sample.labels.get("method")
        key = f'{name}{{method="{method}"}}' if method else name
        metric = values.get(key, Metric(kind=kind, value=0.0, count=0.0 if kind == "histogram" else None))
        if ending == "_count" and kind == "histogram":
            metric = replace(metric, count=metric.count + sample.value)
        else:
            metric = replace(metric, value=metric.value + sample.value)
        values[key] = metric
    return values


def _no_metrics(found: str) -> WorkshopError:
    return WorkshopError(
        found=found,
        expected="a server's page of metrics (tgi_* or vllm:*)",
        next_step="start the server with the cell above; LMI has its metrics elsewhere (DJL Serving)",
    )
