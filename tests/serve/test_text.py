"""Prompts have training's ids; generated ids become text without half characters.

A generation ends by length, end token or stop text, in TGI's order.
"""

from __future__ import annotations

import random
import unicodedata

import pytest
from tests.serve.server_process import BASE
from tokenizers import Tokenizer, models

from sample.news.generator import rows
from serve.engine import Sampling, Token
from serve.text import Detokenizer, TextCodec, TokenStream
from workshop.prompt import BEGIN_TOKEN, END_TOKEN, chat_messages, chat_template, render

TEXTS = {
    "news": next(iter(rows(1, 7)))["document"],
    "rare syllables": "뷁 똠방각하 쀍 곬 톺아보기",
    "NFD": unicodedata.normalize("NFD", "한강의 기적"),
    "hanja": "漢江의 奇蹟, 𠮷野家",
    "emoji": "오늘 ☀️ 가족 👨‍👩‍👧‍👦 깃발 🇰🇷",
    "mixed": "GPU 8개로 LLM을 3.5시간 training했다.",
    "half-width": "ﾤￂ ３７％",
    "control": "가\x00나\r\n\t다",
    "spaces": "  앞과 뒤  ",
    "replacement character": "가�나",
}


def incremental(codec: TextCodec, ids: list[int], prompt_ids: list[int]) -> list[str]:
    detokenizer = Detokenizer(codec, prompt_ids)
    return [*(detokenizer.add(id_) for id_ in ids), detokenizer.flush()]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_pieces_together_are_the_text_and_none_is_half_a_character(codec: TextCodec, text: str) -> None:
    prompt_ids = codec.encode("기사: 서울\n\nAssistant:")
    ids = codec.encode(text)[1:]
    pieces = incremental(codec, ids, prompt_ids)
    assert "".join(pieces) == text
    if "�" not in text:
        assert "�" not in "".join(pieces)
        assert pieces[-1] == ""


def test_a_syllable_of_three_tokens_appears_with_its_last(codec: TextCodec) -> None:
    ids = codec.encode("뷁")[1:]
    assert len(ids) == 3, "the base's tokenizer knows this syllable now: take a rarer one"
    assert incremental(codec, ids, []) == ["", "", "뷁", ""]


def test_a_character_cut_by_the_end_is_flushed_as_a_replacement(codec: TextCodec) -> None:
    ids = codec.encode("가뷁")[1:-1]
    assert "".join(incremental(codec, ids, [])) == codec.decode(ids) == "가�"


def test_any_ids_give_what_decoding_them_at_once_gives(codec: TextCodec) -> None:
    source = random.Random(5)
    for _ in range(200):
        ids = [source.randrange(3, 2048) for _ in range(source.randrange(1, 60))]
        assert "".join(incremental(codec, ids, codec.encode("안녕"))) == codec.decode(ids)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_prompt_has_the_ids_that_training_gives_it(codec: TextCodec, text: str) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(BASE)
    messages = chat_messages(text)
    trained = tokenizer.apply_chat_template(
        messages, chat_template=chat_template(), add_generation_prompt=True, return_dict=False
    )
    prompt = render(messages, add_generation_prompt=True)
    assert prompt.startswith(BEGIN_TOKEN)
    assert prompt.endswith("Assistant:")
    assert codec.encode(prompt.removeprefix(BEGIN_TOKEN)) == trained, "the text as clients send it"
    assert codec.encode(prompt) == trained, "no second begin token when the text has one"
    assert trained.count(0) == 1
    with_answer = render(chat_messages(text, "요약"))
    assert codec.encode(with_answer)[: len(trained)] == trained, "a prefix of what was trained on"


def test_special_tokens_are_no_text(codec: TextCodec) -> None:
    assert [codec.is_special(id_) for id_ in (0, 1, 2, 3)] == [True, True, True, False]
    assert codec.special_text(1) == END_TOKEN
    ending = TextCodec(Tokenizer(models.BPE()), bos_id=None, eos_ids=frozenset({9}))
    assert ending.is_special(9), "an end token is none even where the tokenizer takes it for text"
    assert codec.decode([0, *codec.encode("가")[1:], 1]) == "가"


def stream(codec: TextCodec, ids: list[int], **sampling) -> list[Token]:
    sequence = TokenStream(codec, codec.encode("안녕"), Sampling(**{"max_new_tokens": 100} | sampling))
    tokens = []
    for id_ in ids:
        tokens.append(sequence.add(id_, -0.5))
        if tokens[-1].finish_reason:
            break
    return tokens


def text_of(tokens: list[Token]) -> str:
    return "".join(token.text for token in tokens if not token.special)


def test_the_end_token_ends_it_and_is_special(codec: TextCodec) -> None:
    tokens = stream(codec, [*codec.encode("가나")[1:], 1, 5])
    assert (tokens[-1].id, tokens[-1].special, tokens[-1].finish_reason) == (1, True, "eos_token")
    assert tokens[-1].text == "<|end_of_text|>"
    assert text_of(tokens) == "가나"


def test_the_last_allowed_token_ends_by_length_even_if_it_is_the_end_token(codec: TextCodec) -> None:
    ids = [*codec.encode("가나")[1:], 1]
    assert stream(codec, ids, max_new_tokens=len(ids))[-1].finish_reason == "length"


def test_a_stop_text_ends_it_and_stays_in_the_output(codec: TextCodec) -> None:
    tokens = stream(codec, codec.encode("서울에서 만났다. 그리고 부산에서")[1:], stop=("없는 글", "만났다."))
    assert tokens[-1].finish_reason == "stop_sequence"
    assert text_of(tokens) == "서울에서 만났다."


def test_a_stop_text_may_be_split_over_tokens_and_over_half_characters(codec: TextCodec) -> None:
    tokens = stream(codec, codec.encode("가나 뷁뷁 다라")[1:], stop=("나 뷁뷁",))
    assert text_of(tokens) == "가나 뷁뷁"


def test_a_stop_text_within_the_prompt_or_a_special_token_before_it_does_not_count(codec: TextCodec) -> None:
    tokens = stream(codec, [3, 4], stop=("안녕",))
    assert [token.finish_reason for token in tokens] == [None, None]


def test_one_line_break_in_the_token_after_a_stop_text_still_counts_as_in_tgi(codec: TextCodec) -> None:
    for text, reason in (("끝났다.\n그리고", "stop_sequence"), ("끝났다.\n\n그리고", None)):
        ids = codec.encode(text)[1:]
        assert codec.encode("끝났다.")[-1] not in ids, "the full stop and the line break are one token"
        assert stream(codec, ids, stop=("났다.",))[-1].finish_reason == reason


def test_half_a_character_at_the_end_by_length_is_shown_and_before_an_end_token_is_not(
    codec: TextCodec,
) -> None:
    half = [*codec.encode("가")[1:], *codec.encode("뷁")[1:-1]]
    assert text_of(stream(codec, half, max_new_tokens=len(half))) == "가�"
    tokens = stream(codec, [*half, 1])
    assert text_of(tokens) == "가"
    assert tokens[-1].text == "<|end_of_text|>"


def test_a_special_token_in_the_middle_is_no_text(codec: TextCodec) -> None:
    ids = codec.encode("뷁")[1:]
    tokens = stream(codec, [ids[0], 0, *ids[1:]])
    assert [token.text for token in tokens] == ["", "<|begin_of_text|>", "", "뷁"]
    assert text_of(tokens) == "뷁"


def test_an_end_token_counts_before_the_length_where_that_is_asked_for(codec: TextCodec) -> None:
    ids = [*codec.encode("가나")[1:], 1]
    tokens = stream(codec, ids, max_new_tokens=len(ids), end_before_length=True)
    assert tokens[-1].finish_reason == "eos_token"
    tokens = stream(codec, ids[:-1], max_new_tokens=len(ids) - 1, end_before_length=True)
    assert tokens[-1].finish_reason == "length"


def test_an_end_token_that_is_ignored_ends_nothing(codec: TextCodec) -> None:
    ids = [*codec.encode("가")[1:], 1, *codec.encode("나")[1:]]
    tokens = stream(codec, ids, ignore_eos=True)
    assert [token.id for token in tokens] == ids
    assert text_of(tokens) == "가나"


def test_an_id_may_end_it_as_a_stop_text_does(codec: TextCodec) -> None:
    first, second = codec.encode("가")[1:], codec.encode("나")[1:]
    tokens = stream(codec, [*first, *second, *first], stop_ids=frozenset(second))
    assert [token.id for token in tokens] == [*first, *second]
    assert tokens[-1].finish_reason == "stop_sequence"


def test_the_most_likely_tokens_have_their_own_text(codec: TextCodec) -> None:
    (id_,) = codec.encode("가")[1:]
    sequence = TokenStream(codec, codec.encode("안녕"), Sampling(max_new_tokens=9))
    token = sequence.add(id_, -0.5, ((id_, -0.5), (1, None)))
    assert token.top == (Token(id_, "가", -0.5, False), Token(1, "<|end_of_text|>", None, True))
