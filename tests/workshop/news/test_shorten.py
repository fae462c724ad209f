"""Fitting rows into a context."""

from typing import Any

import pytest

from sample.news import generator
from workshop.errors import WorkshopError
from workshop.news import shorten as module
from workshop.news.clean import MIN_DOCUMENT_CHARS, clean
from workshop.news.sentences import sentences
from workshop.news.shorten import (
    NO_SENTENCE_FITS,
    SUMMARY_TOO_LONG,
    TOO_LITTLE_LEFT,
    count_tokens,
    shorten,
)
from workshop.prompt import chat_messages, chat_template

from .conftest import ARTICLE, SUMMARY, MakeNews, row

TEXTS = [
    "한글",
    "大韓民國 😀👨‍👩‍👧",
    "ｶﾀｶﾅ ＡＢＣ",
    "\x01\ufeff",
    "iPhone 15",
    "<|end_of_text|>",
    " ",
    "\n" * 9,
]


class ByteTokenizer:
    """One token a byte: the most that a byte-level tokenizer can make."""

    def encode(self, text: str) -> list[int]:
        return list(text.encode())


def num_tokens(tokenizer: Any, article: str, summary: str) -> int:
    """Count as training does: by the template, in transformers."""
    ids = tokenizer.apply_chat_template(chat_messages(article, summary), chat_template=chat_template())
    return len(ids["input_ids"])


def long_rows(num_rows: int) -> list[dict[str, str]]:
    rows = list(generator.rows(num_rows * 5, seed=21))
    return [
        {**rows[n], "document": " ".join(r["document"] for r in rows[n : n + 5])}
        for n in range(0, num_rows * 5, 5)
    ]


@pytest.mark.parametrize("max_tokens", [350, 450])
def test_as_many_first_sentences_stay_as_fit(make_news: MakeNews, tokenizer: Any, max_tokens: int) -> None:
    rows = long_rows(30)
    news = shorten(clean(make_news(train=rows)), tokenizer, max_tokens)
    shortened = 0
    for before, after in zip(rows, news.splits["train"].to_dict("records"), strict=True):
        article, summary = after["document"], after["summary"]
        assert summary == before["summary"]
        assert num_tokens(tokenizer, article, summary) <= max_tokens
        kept, whole = sentences(article), sentences(before["document"])
        assert kept == whole[: len(kept)]
        if len(kept) < len(whole):
            shortened += 1
            one_more = before["document"][: len(article)] + " " + whole[len(kept)]
            assert one_more in before["document"]
            assert num_tokens(tokenizer, one_more, summary) > max_tokens
    assert shortened > 20
    assert news.changes == {
        f"article shortened to fit {max_tokens} tokens": {"train": shortened, "validation": 0, "test": 0}
    }


def test_row_that_fits_exactly_stays_and_one_token_less_shortens_it(
    make_news: MakeNews, tokenizer: Any
) -> None:
    news = clean(make_news(train=[row()]))
    exact = num_tokens(tokenizer, ARTICLE, SUMMARY)
    assert shorten(news, tokenizer, exact).splits["train"]["document"].tolist() == [ARTICLE]
    shorter = shorten(news, tokenizer, exact - 1).splits["train"]["document"].tolist()
    assert shorter == [" ".join(sentences(ARTICLE)[:-1])]


def test_rows_that_cannot_fit_have_their_reason(make_news: MakeNews) -> None:
    tokenizer = ByteTokenizer()
    frame = module._Frame(tokenizer)
    room = 300
    max_tokens = len(frame.row("", "").encode()) + room
    rows = {
        None: row(document="가" * 40 + ". " + "나" * 60, summary="다" * 20),
        SUMMARY_TOO_LONG: row(document="가" * 200, summary="다" * 101),
        NO_SENTENCE_FITS: row(document="가" * 90 + ". 나.", summary="다" * 20),
        TOO_LITTLE_LEFT: row(document="가" * 15 + ". " + "나" * 90, summary="다" * 20),
    }
    news = shorten(make_news(train=list(rows.values())), tokenizer, max_tokens)
    assert news.rejected["reason"].tolist() == [SUMMARY_TOO_LONG, NO_SENTENCE_FITS, TOO_LITTLE_LEFT]
    assert news.splits["train"]["document"].tolist() == ["가" * 40 + "."]


def test_rows_that_are_short_enough_are_not_tokenized(make_news: MakeNews) -> None:
    class Counting(ByteTokenizer):
        num_calls = 0

        def encode(self, text: str) -> list[int]:
            self.num_calls += 1
            return super().encode(text)

    tokenizer = Counting()
    num_bytes = len(module._Frame(tokenizer).row(ARTICLE, SUMMARY).encode())
    shorten(make_news(train=[row()] * 50), tokenizer, num_bytes + 1)
    assert tokenizer.num_calls == 1  # the prompt alone
    shorten(make_news(train=[row()] * 50), tokenizer, num_bytes)
    assert tokenizer.num_calls == 1 + 51


@pytest.mark.parametrize("text", TEXTS)
def test_no_text_has_more_tokens_than_bytes(text: str, tokenizer: Any) -> None:
    for repeated in (text, text * 50):
        frame = module._Frame(tokenizer).row(repeated, repeated)
        assert len(tokenizer(frame, add_special_tokens=False)["input_ids"]) <= len(frame.encode())


def test_counts_are_those_of_training_for_any_kind_of_tokenizer(make_news: MakeNews, tokenizer: Any) -> None:
    rows = clean(make_news(train=[row(), *long_rows(5)])).splits["train"]
    expected = [num_tokens(tokenizer, r["document"], r["summary"]) for r in rows.to_dict("records")]

    def called(texts: list[str], add_special_tokens: bool = True) -> dict:
        return tokenizer(texts, add_special_tokens=add_special_tokens)

    class Encoding:
        def encode(self, text: str) -> list[int]:
            return tokenizer.encode(text, add_special_tokens=False)

    for kind in (tokenizer, tokenizer.backend_tokenizer, called, Encoding()):
        assert count_tokens(rows, kind) == expected


def test_tokenizer_that_is_set_to_cut_counts_whole_rows(make_news: MakeNews, tokenizer: Any) -> None:
    rows = make_news(train=long_rows(3)).splits["train"]
    expected = count_tokens(rows, tokenizer)
    tokenizer.backend_tokenizer.enable_truncation(100)
    try:
        assert count_tokens(rows, tokenizer) == expected
    finally:
        tokenizer.backend_tokenizer.no_truncation()


def test_very_long_article_is_shortened_with_few_countings(make_news: MakeNews) -> None:
    class Counting(ByteTokenizer):
        num_calls = 0

        def encode(self, text: str) -> list[int]:
            self.num_calls += 1
            return super().encode(text)

    tokenizer = Counting()
    # Sentences of very different lengths, short ones first, so that the first guess is far off.
    document = "짧다. " * 20_000 + "아주 긴 문장이 이어진다 " * 20_000 + "끝이다."
    news = shorten(make_news(train=[row(document=document)]), tokenizer, 100_000)
    kept = news.splits["train"]["document"][0]
    assert len(module._Frame(tokenizer).row(kept, SUMMARY).encode()) in range(99_990, 100_001)
    assert tokenizer.num_calls < 40


def test_context_too_small_for_the_prompt_is_refused(make_news: MakeNews, tokenizer: Any) -> None:
    with pytest.raises(WorkshopError, match="a context of 20 tokens"):
        shorten(make_news(train=[row()]), tokenizer, 20)


def test_largest_finds_the_same_from_every_guess() -> None:
    for too_large in range(1, 30):
        for answer in range(too_large):
            for guess in range(-2, too_large + 3):
                found = module._largest(
                    lambda n, answer=answer: n <= answer, guess=guess, too_large=too_large
                )
                assert found == answer


def test_shortened_rows_keep_their_id(make_news: MakeNews, tokenizer: Any) -> None:
    news = clean(make_news(train=long_rows(5)))
    after = shorten(news, tokenizer, 450).splits["train"]
    assert after["id"].tolist() == news.splits["train"]["id"].tolist()
    assert (after["document"].str.len() >= MIN_DOCUMENT_CHARS).all()
