"""The questions on the hand-written articles: answered by their article, put in the shares that are told."""

from collections import Counter

from sample.news import handwritten

ROWS = handwritten.questions()
ARTICLES = {(split, row): article for split in handwritten.SPLITS
            for row, article in enumerate(handwritten.rows(split))}  # fmt: skip


def words_of(text: str) -> set[str]:
    return {word.strip("?.,‘’") for word in text.split()}


def shared(row: dict) -> int:
    """Count the words of a question, without what may be a particle, that its article has."""
    article = ARTICLES[row["split"], row["row"]]
    text = f"{article['title']} {article['document']}"
    return sum(word[: max(len(word) - 1, 2)] in text for word in words_of(row["question"]) if len(word) > 1)


def test_there_are_two_questions_on_each_article() -> None:
    counts = Counter((row["split"], row["row"]) for row in ROWS)
    assert counts == dict.fromkeys(ARTICLES, 2)


def test_wordings_and_answers_have_the_shares_that_the_readme_tells() -> None:
    wordings = Counter(row["wording"] for row in ROWS)
    assert wordings == dict(zip(handwritten.WORDINGS, (27, 17, 7, 9), strict=True))
    asked_for = Counter(row["asks_for"] for row in ROWS)
    assert asked_for == {"number": 38, "name": 15, "place": 4, "time": 3}


def test_each_answer_stands_in_its_article_and_in_no_question() -> None:
    for row in ROWS:
        assert row["answers"][0] in ARTICLES[row["split"], row["row"]]["document"], row
        assert not any(answer in row["question"] for answer in row["answers"]), row
    assert len({row["question"] for row in ROWS}) == len(ROWS)


def test_a_paraphrase_has_few_words_of_its_article_and_a_direct_question_has_many() -> None:
    means = {
        wording: sum(
            shared(row) / len(words_of(row["question"])) for row in ROWS if row["wording"] == wording
        )
        / sum(row["wording"] == wording for row in ROWS)
        for wording in handwritten.WORDINGS
    }
    assert means["paraphrase"] < 0.35 < 0.6 < means["direct"], means
