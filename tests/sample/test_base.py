"""The small base model: how it is made, and what it must not have seen."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from sample.base import corpus, pretrain
from sample.base.pretrain import Pretraining, round_to_4_bits
from sample.news import names
from workshop.prompt import REQUEST, SYSTEM

MODEL = Path(corpus.__file__).parent / "model"


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [document.text for document in itertools.islice(corpus.documents(seed=3), 2_000)]


def test_the_text_has_no_summary_no_prompt_and_no_held_out_topic(texts: list[str]) -> None:
    for text in texts:
        assert "규모의" not in text  # stands in every summary and nowhere else
        assert "해운 업계" not in text
        assert SYSTEM not in text
        assert REQUEST not in text


def test_names_of_the_text_are_never_held_out() -> None:
    for kind in (names.Names, corpus.WildNames):
        source = kind(random.Random(1))
        for _ in range(20_000):
            stem, person = source.stem(), source.person()
            for pool, first, second in ((names.COINED, *stem), (names.GIVEN, *person[1:])):
                if first in pool and second in pool:
                    assert not names.is_held_out(pool, first, second)


def test_the_text_is_the_same_for_the_same_seed() -> None:
    ours, again, other = (
        list(itertools.islice(corpus.documents(seed, num_drills_first=5), 20)) for seed in (1, 1, 2)
    )
    assert ours == again
    assert ours != other


def test_most_articles_are_read_and_not_trained_on() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    settings = Pretraining(batch_size=4, hidden_article_share=0.5)
    documents = {
        tuple(tokenizer(document.text)["input_ids"]): document
        for document in itertools.islice(corpus.documents(seed=5), 4 * 32)
    }
    num_hidden = num_whole = 0
    for ids, labels in itertools.islice(pretrain.batches(tokenizer, 5, settings), 32):
        for row, row_labels in zip(ids.tolist(), labels.tolist(), strict=True):
            length = row.index(tokenizer.eos_token_id) + 1
            document = documents[tuple(row[: length - 1])]
            trained = [id_ for id_, label in zip(row, row_labels, strict=True) if label != -100]
            whole = row[:length]
            rest = [*tokenizer(document.rest, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
            assert trained in (whole, rest)
            num_whole += trained == whole and bool(document.article)
            num_hidden += trained != whole
    assert num_hidden > 20
    assert num_whole > 20


def test_pretraining_twice_gives_the_same_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrain, "NUM_TOKENIZER_DOCUMENTS", 400)
    settings = Pretraining(
        num_steps=12, num_drill_steps=6, num_rounded_steps=4, num_warmup_steps=2, batch_size=2
    )
    losses = [pretrain.pretrain(settings, output_dir=tmp_path / name) for name in ("one", "two")]
    torch.use_deterministic_algorithms(False)
    assert losses[0] == losses[1]
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]


def test_every_dimension_is_a_multiple_of_64() -> None:
    config = json.loads((MODEL / "config.json").read_text())
    for name in ("hidden_size", "intermediate_size", "vocab_size"):
        assert config[name] % 64 == 0
    assert config["rope_parameters"]["rope_theta"] != 10_000


def test_it_is_a_base_model_with_llamas_special_tokens() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    assert tokenizer.chat_template is None
    assert tokenizer("가")["input_ids"][0] == tokenizer.bos_token_id
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<|begin_of_text|>", "<|end_of_text|>")
    assert tokenizer.pad_token == "<|finetune_right_pad_id|>"


@pytest.mark.parametrize("text", ["1,250억 원", "한글", "👩‍🔬", "漢字", "ｱｲｳ", "\t\r\n", "a b", "", "\x00"])
def test_every_text_survives_the_tokenizer(text: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text


def test_every_digit_is_a_token() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    assert [piece for piece in tokenizer.tokenize("값 90,712.5") if piece.isdigit()] == list("907125")


def test_the_weights_are_what_4_bits_can_hold() -> None:
    """Or the adapter, trained beside the 4-bit copy, would not fit the model it is merged into."""
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    for weight, exact in round_to_4_bits(model).items():
        assert (weight.data - exact).norm() / exact.norm() < 0.005
