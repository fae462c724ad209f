"""A generation ends by length, end token or stop text, in TGI's order."""

from __future__ import annotations

from serve.engine import Sampling, Token
from serve.text import TextCodec
from serve.token_stream import TokenStream


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
