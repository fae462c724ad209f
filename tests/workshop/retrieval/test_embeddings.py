"""The embedding endpoint on the sandbox, and vectors that are asked for once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from workshop.aws.session import Aws, connect
from workshop.endpoint.embedding import bring_up_embedding, delete_or_keep_embedding, embedding_plan
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
