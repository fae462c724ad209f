"""Faults at the wire of boto3's clients: the same on AWS and on this machine, and nobody else sees them.

    faults = PlantedFaults(seed=1)
    runtime = RuntimeClients(aws.boto_session, prepare=faults.attach)
    with faults.planted("throttled", share=0.5, endpoint=tuned):
        ...

botocore asks its handlers of `before-send` before it opens a connection: what one returns is taken for the
answer, what one raises for an error of the connection. What comes back has the form of AWS's own answers
(header x-amzn-ErrorType, body, status), as sandbox/hosting and public reports of them have it: the message of
a throttled invocation is null, its status 400 (opensearch-project/ml-commons, issues 2429 and 2438).
"""

from __future__ import annotations

import io
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from workshop.errors import WorkshopError

_EVENT = "before-send.sagemaker-runtime.InvokeEndpoint"
_VARIANT, _COMPONENT = "X-Amzn-SageMaker-Target-Variant", "X-Amzn-SageMaker-Inference-Component"
_SEE = " See https://console.aws.amazon.com/cloudwatch/home for more information."


def _error(status: int, code: str, message: str | None, **more: Any) -> tuple[int, str, dict[str, Any]]:
    return status, code, {"Message": message, "message": message, **more}


def _of_container(status: int, body: str) -> tuple[int, str, dict[str, Any]]:
    """Return ModelError, with what the container is said to have answered; 0 is nothing at all."""
    is_client = 400 <= status < 500
    side = "client" if is_client else "server"
    said = f'Received {side} error ({status}) from primary with message "{body}".'
    code = "CLIENT_ERROR_FROM_MODEL" if is_client else "INTERNAL_FAILURE_FROM_MODEL"
    more = {"ErrorCode": code, "OriginalStatusCode": status, "OriginalMessage": body, "LogStreamArn": "arn"}
    return _error(424, "ModelError", said + _SEE, **more)


# Status, x-amzn-ErrorType and body.
_ANSWERS: dict[str, tuple[int, str, dict[str, Any]]] = {
    "throttled": _error(400, "ThrottlingException", None),
    "overloaded": _of_container(429, '{"error":"Model is overloaded","error_type":"overloaded"}'),
    "no capacity": _error(
        400,
        "ValidationError",
        "Inference Component has no capacity to process this request. ApplicationAutoScaling may be "
        "in-progress (if configured) or try to increase the capacity by invoking "
        "UpdateInferenceComponentRuntimeConfig API.",
    ),
    "unavailable": _error(503, "ServiceUnavailable", "The service is unavailable. Try your call again."),
    "internal failure": _error(500, "InternalFailure", "An internal failure occurred."),
    "not ready": _error(429, "ModelNotReadyException", "The model is not ready. Try your request again."),
    "model failed": _of_container(500, '{"error":"CUDA out of memory","error_type":"generation"}'),
    "container silent": _of_container(
        0,
        "Your invocation timed out while waiting for a response from container primary. Review the latency "
        "metrics for each container in Amazon CloudWatch, resolve the issue, and try again.",
    ),
    "too long": _of_container(
        422,
        '{"error":"Input validation error: `inputs` must have less than 1024 tokens. Given: 1500",'
        '"error_type":"validation"}',
    ),
    "denied": _error(
        403, "AccessDeniedException", "User is not authorized to perform: sagemaker:InvokeEndpoint"
    ),
}
_IN_OPENAI_FORM = {
    "too long": _of_container(
        400,
        '{"object":"error","message":"This model\'s maximum context length is 1024 tokens. However, you '
        'requested 1660 tokens (1500 in the messages, 160 in the completion).","type":"BadRequestError",'
        '"code":400}',
    ),
}
# Text, finish reason in TGI's word, tokens.
_TEXTS: dict[str, tuple[str, str, int]] = {
    "empty": ("", "eos_token", 1),
    "refused": ("그 내용은 기사에 나오지 않습니다.", "eos_token", 12),
    "cut": ("서울시는 올해", "length", 4),
}
SLOW, BROKEN, REFUSED_CONNECTION = "slow", "broken connection", "refused connection"
FAULTS = (*_ANSWERS, *_TEXTS, SLOW, BROKEN, REFUSED_CONNECTION)
"""What can be planted. "slow" is an answer later than the client waits, which then really times out."""


@dataclass
class _Plan:
    fault: str
    share: float
    endpoint: str
    variant: str
    component: str
    delay_s: float | None
    num_seen: int = 0
    num_hit: int = 0


class PlantedFaults:
    """Let requests of some clients fail, a known share of them; threads may share it.

    Args:
        seed: Of the drawing: the same seed hits the same requests, in the order in which they are sent.
    """

    def __init__(self, seed: int = 0) -> None:
        self._random, self._lock = random.Random(seed), threading.Lock()
        self._plans: list[_Plan] = []

    def attach(self, client: Any) -> None:
        """Watch a client's requests; without a plan they go through untouched."""
        read_timeout_s = client.meta.config.read_timeout

        def before_send(request: Any, **_: Any) -> Any:
            plan = self._hit(request)
            return None if plan is None else _carry_out(plan, request, read_timeout_s)

        client.meta.events.register(_EVENT, before_send)

    def start(
        self,
        fault: str,
        *,
        share: float = 1.0,
        endpoint: str = "",
        variant: str = "",
        component: str = "",
        delay_s: float | None = None,
    ) -> None:
        """Let requests fail from now on.

        Args:
            fault: One of FAULTS.
            share: Of the requests, 0 to 1.
            endpoint, variant, component: Only requests to these; "" is any. A variant is known only where
                the request names it.
            delay_s: Of "slow": how late an answer is; as long as the client waits, and longer, when None.

        Raises:
            WorkshopError: The fault is unknown, or the share out of range.
        """
        if fault not in FAULTS or not 0 <= share <= 1:
            raise WorkshopError(
                found=f"fault = {fault!r}, share = {share}",
                expected=f"a share from 0 to 1 and one of: {', '.join(FAULTS)}",
                next_step="correct the one that is wrong",
            )
        with self._lock:
            self._plans.append(_Plan(fault, share, endpoint, variant, component, delay_s))

    def stop(self) -> dict[str, tuple[int, int]]:
        """Let everything through again; return by fault how many requests were seen, and how many hit."""
        with self._lock:
            ended, self._plans = self._plans, []
        return {plan.fault: (plan.num_seen, plan.num_hit) for plan in ended}

    @contextmanager
    def planted(self, fault: str, **where: Any) -> Iterator[None]:
        """Let requests fail in a block; arguments as of `start`."""
        self.start(fault, **where)
        try:
            yield
        finally:
            self.stop()

    def _hit(self, request: Any) -> _Plan | None:
        asked = unquote(urlsplit(request.url).path).split("/")[2]
        with self._lock:
            for plan in self._plans:
                wanted = (
                    (plan.endpoint, asked),
                    (plan.variant, _header(request, _VARIANT)),
                    (plan.component, _header(request, _COMPONENT)),
                )
                if any(name and name != given for name, given in wanted):
                    continue
                plan.num_seen += 1
                if self._random.random() < plan.share:
                    plan.num_hit += 1
                    return plan
        return None


def _header(request: Any, name: str) -> str:
    value = request.headers.get(name, "")
    return value.decode() if isinstance(value, bytes) else value


def _carry_out(plan: _Plan, request: Any, read_timeout_s: float) -> Any:
    from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

    if plan.fault == SLOW:
        delay_s = read_timeout_s if plan.delay_s is None else plan.delay_s
        time.sleep(min(delay_s, read_timeout_s))
        if delay_s >= read_timeout_s:
            raise ReadTimeoutError(endpoint_url=request.url)
        return None  # late, and sent all the same
    if plan.fault == BROKEN:
        raise ConnectionClosedError(endpoint_url=request.url)
    if plan.fault == REFUSED_CONNECTION:
        raise EndpointConnectionError(endpoint_url=request.url, error="connection refused")
    form = _form(request.body)
    if plan.fault in _TEXTS:
        return _response(request.url, 200, {}, _answer(form, *_TEXTS[plan.fault]))
    answers = _ANSWERS if form == "inputs" else _ANSWERS | _IN_OPENAI_FORM
    status, code, body = answers[plan.fault]
    return _response(request.url, status, {"x-amzn-ErrorType": code}, body)


def _form(body: Any) -> str:
    """Return how a request asks: "messages" or "prompt" in OpenAI's form, "inputs" in TGI's and LMI's."""
    try:
        asked = json.loads(body)
    except (ValueError, TypeError):
        asked = {}
    return next((name for name in ("messages", "prompt") if name in asked), "inputs")


def _answer(form: str, text: str, reason: str, num_tokens: int) -> Any:
    if form == "inputs":
        return [
            {"generated_text": text, "details": {"finish_reason": reason, "generated_tokens": num_tokens}}
        ]
    said = {"message": {"role": "assistant", "content": text}} if form == "messages" else {"text": text}
    choice = {"index": 0, **said, "finish_reason": reason.replace("eos_token", "stop")}
    return {"id": "", "choices": [choice], "usage": {"prompt_tokens": 0, "completion_tokens": num_tokens}}


def _response(url: str, status: int, headers: dict[str, str], body: Any) -> Any:
    """Return what botocore takes for an answer from the wire."""
    from botocore.awsrequest import AWSResponse
    from urllib3.response import HTTPResponse

    content = json.dumps(body, ensure_ascii=False).encode()
    given = {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}
    raw = HTTPResponse(io.BytesIO(content), headers=given, status=status, preload_content=False)
    return AWSResponse(url, status, raw.headers, raw)
