"""The embedding endpoint on the sandbox, and vectors that are asked for once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from workshop.aws.session import Aws, connect
from workshop.endpoint.embedding import bring_up_embedding, delete_or_keep_embedding, embedding_plan
from workshop.errors import WorkshopError
from workshop.retrieval.embeddings import Embedder
from workshop.settings import load_settings

NOTEBOOK = "02-RAG-Hybrid-Search"
TEXTS = ["버스 기본요금이 다음 달부터 200원 인상된다.", "대표팀이 연장 끝에 결승에 올랐다."]


@pytest.fixture(scope="module")
def endpoint(sandbox_home: Path) -> Iterator[str]:
    aws = connect(load_settings(environ={"WORKSHOP_HOME": str(sandbox_home)}))
    plan = embedding_plan(aws, notebook=NOTEBOOK)
    bring_up_embedding(aws, plan)
    yield plan.endpoint_name
    delete_or_keep_embedding(aws, keep=False)


@pytest.fixture
def embedder(sample_aws: Aws, endpoint: str, tmp_path: Path) -> Embedder:
    return Embedder(sample_aws, endpoint, cache_dir=tmp_path)


def test_what_was_asked_for_once_makes_no_request(sample_aws: Aws, endpoint: str, tmp_path: Path) -> None:
    first, again = (Embedder(sample_aws, endpoint, cache_dir=tmp_path) for _ in range(2))
    vectors = first.passages([*TEXTS, TEXTS[0]])
    assert vectors.dtype == np.float32
    assert vectors.shape == (3, 384)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert (first.num_requests, first.num_cached) == (1, 0)
    np.testing.assert_array_equal(again.passages(TEXTS[::-1]), vectors[1::-1])
    assert (again.num_requests, again.num_cached) == (0, 2)
    assert again.passages([]).shape == (0, 384)


def test_a_question_is_nearest_to_what_answers_it_in_other_words(embedder: Embedder) -> None:
    scores = embedder.queries(["대중교통비가 비싸지나?", "축구 경기 결과"]) @ embedder.passages(TEXTS).T
    assert scores.argmax(axis=1).tolist() == [0, 1]


def test_a_vector_that_was_cut_off_on_the_disk_is_asked_for_again(embedder: Embedder, tmp_path: Path) -> None:
    expected = embedder.passages(TEXTS[:1])
    (path,) = tmp_path.glob("*/*.npy")
    path.write_bytes(path.read_bytes()[:100])
    np.testing.assert_array_equal(embedder.passages(TEXTS[:1]), expected)
    assert embedder.num_requests == 2


def test_more_texts_than_a_request_takes_are_several_with_a_bar_and_long_ones_are_cut(
    embedder: Embedder, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [f"{number}번째 글" for number in range(33)] + ["정부는 새 대책을 발표했다. " * 200]
    assert embedder.queries(texts).shape == (34, 384)
    assert embedder.num_requests == 2
    assert "2/2" in capsys.readouterr().err
    embedder.queries(["하나"])
    assert not capsys.readouterr().err, "a question alone has no bar"


# what answers otherwise: a runtime of its own, which no sandbox would be


class Runtime(BaseHTTPRequestHandler):
    """Answer each request with the next of `answers`: status and body of the container."""

    answers: list[tuple[int, object]] = []  # noqa: RUF012
    texts: list[list[str]] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.texts.append(body["inputs"])
        status, answer = self.answers.pop(0)
        if status != 200:
            answer = {"OriginalStatusCode": status, "OriginalMessage": answer, "Message": "Received error"}
        content = json.dumps(answer).encode()
        self.send_response(200 if status == 200 else 424)
        if status != 200:
            self.send_header("x-amzn-ErrorType", "ModelError")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def answered(sample_aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Embedder]:
    server = HTTPServer(("127.0.0.1", 0), Runtime)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr("workshop.retrieval.embeddings._FIRST_WAIT_S", 0.001)
    Runtime.texts.clear()
    yield Embedder(sample_aws, "news-embed", cache_dir=tmp_path)
    server.shutdown()
    server.server_close()


UNIT = [1.0] + [0.0] * 383


def test_a_container_without_room_is_asked_again(answered: Embedder) -> None:
    Runtime.answers = [(429, "Model is overloaded"), (503, "unhealthy"), (200, [UNIT])]
    assert answered.queries(["가"]).tolist() == [UNIT]
    assert Runtime.texts == [["query: 가"]] * 3


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((413, "batch size 33 > maximum allowed batch size 32"), "answered 413: batch size 33"),
        ((200, [UNIT[:300]]), r"vectors of shape \(1, 300\) for 1 texts"),
        ((200, [UNIT, UNIT]), r"vectors of shape \(2, 384\) for 1 texts"),
        ((200, [[0.5, *UNIT[1:]]]), "vectors of length 0.500 to 0.500"),
        ((200, [[float("nan"), *UNIT[1:]]]), "vectors of length nan"),
        ((200, {"error": "Model is overloaded"}), "no vectors but"),
        ((200, [UNIT, [1.0]]), "no vectors but"),
    ],
)
def test_what_is_no_vector_of_this_model_is_an_error_and_is_not_kept(
    answered: Embedder, tmp_path: Path, answer: tuple[int, object], told: str
) -> None:
    Runtime.answers = [answer]
    with pytest.raises(WorkshopError, match=told) as caught:
        answered.passages(["가"])
    assert "news-embed" in str(caught.value)
    assert list(tmp_path.glob("*/*.npy")) == []


def test_an_endpoint_that_stays_busy_is_an_error_in_the_end(answered: Embedder) -> None:
    Runtime.answers = [(429, "Model is overloaded")] * 8
    with pytest.raises(WorkshopError, match="answered 429: Model is overloaded"):
        answered.passages(["가"])
    assert Runtime.answers == []
