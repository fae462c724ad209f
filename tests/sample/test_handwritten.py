"""The thirty shipped articles are clean, varied and honest: no summary can be had by copying one sentence."""

import re
import unicodedata
from datetime import datetime
from itertools import combinations
from urllib.parse import urlsplit

import pytest

from sample.news import handwritten

COLUMNS = ["date", "category", "press", "title", "document", "link", "summary"]
CATEGORIES = {"경제", "IT과학", "사회", "생활문화", "스포츠", "세계"}
SPLITS = ("train", "validation", "test")

# Share of the words (or, as particles change words, of the character trigrams) of the shorter of two texts
# that the other one has too. Measured between first sentence and summary: at most 0.46 of the words and
# 0.31 of the trigrams; a sentence that is copied gives 1 and 1.
MAX_WORDS_FROM_FIRST_SENTENCE = 0.5
MAX_TRIGRAMS_FROM_FIRST_SENTENCE = 0.4
# Words of two letters and more that the summary shares with what follows the third sentence, and only with
# that. Measured: at least 6. It keeps lead-3 from being as good as the summary.
MIN_WORDS_FROM_BEYOND_LEAD_3 = 5
# Jaccard of the character trigrams of two documents. Measured: at most 0.026 over all pairs; a document and
# its own summary, the same story in a fifth of the length, have at least 0.098.
MAX_DOCUMENT_SIMILARITY = 0.06

# Who and what each article is about, in the order of the files; none of it may be met in another article.
NAMES = {
    "train": [
        "말여울 다리온 문서린",
        "은솔 물아래마을 오미란",
        "온샘 갈밭",
        "새들군 달내 설담 배춘길",
        "산내울군 마실병원 차은결",
        "파랑새 레드폭스 한라윈즈 임다온 렌데 류정화",
        "물빛신도시 터전주거연구원 남궁현서",
        "달모루게임즈 은하포차 윈허인터랙티브 심우경",
        "한마루조선 비데하운 허담",
        "할른비크 피오르모르 욘스도티르",
    ],
    "validation": [
        "마중은행 밀물썰물 여지훈",
        "노래도 강말순 우상민",
        "은가람천 맑은물길모임 표승희",
        "중부기상센터 옥한결",
        "두레군 범바위산성 한터문화유산연구원 탁해수",
        "누리체고 푸른들 한들고 백아린 변해랑 도은찬",
        "한술푸드 밥심라면 메도블루 계은서",
        "아라과학기술대 되살림머티리얼즈 진서우",
        "몬테라초 베르니",
        "글밭마을 어진명",
    ],
    "test": [
        "별무늬스페이스 부엉이 길보람",
        "나래솔항공 봉태오",
        "새터소방서 맑은샘초등학교 국지호 설다민 맹유나",
        "달품 너나들이극장 명소영",
        "돌마루배 표은재 감도현 제갈민 선우강",
        "해돋이씨팜 갯마루군 부현도",
        "귀밝이랩 참말 사공윤",
        "솔내군 바람재마을 지수빈 형주미",
        "우아라코 킨타나",
        "큰솔로보틱스 연제하",
    ],
}

ROWS = {split: handwritten.rows(split) for split in SPLITS}
ALL = [row for split in SPLITS for row in ROWS[split]]
each_row = pytest.mark.parametrize("row", ALL, ids=[urlsplit(row["link"]).path for row in ALL])

# 0.8 | 3만5000 | 1조2800억 | 9840억 | 2.7%
NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:[조억만]\d+)*[조억만]?%?")


def sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?])\s+|(?<=[.!?][”’])\s+", text)


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def overlap(one: set[str], other: set[str]) -> float:
    return len(one & other) / min(len(one), len(other))


def trigrams(text: str) -> set[str]:
    letters = re.sub(r"\W+", "", text)
    return {letters[i : i + 3] for i in range(len(letters) - 2)}


def similarity(one: str, other: str) -> float:
    a, b = trigrams(one), trigrams(other)
    return len(a & b) / len(a | b)


def numbers(text: str) -> set[str]:
    return set(NUMBER.findall(text))


@pytest.mark.parametrize("split", SPLITS)
def test_each_split_has_ten_articles(split):
    assert len(ROWS[split]) == 10


def test_an_unknown_split_is_answered_with_the_valid_ones():
    with pytest.raises(ValueError, match=r"'valid'.*train, validation, test"):
        handwritten.rows("valid")


@each_row
def test_columns_are_those_of_the_public_set_in_their_order(row):
    assert list(row) == COLUMNS
    assert all(isinstance(value, str) and value for value in row.values())


@each_row
def test_text_is_composed_and_clean(row):
    for value in row.values():
        assert unicodedata.is_normalized("NFC", value)
        assert not [c for c in value if unicodedata.category(c) in {"Cc", "Cf", "Co", "Cn", "Zl", "Zp"}]
        assert value == " ".join(value.split())
        assert not re.search(r"<[^>]*>|&\w+;|[\ufffd\xa0]", value)


@each_row
def test_quotation_marks_and_brackets_come_in_pairs(row):
    for column in ("title", "document", "summary"):
        for opening, closing in ("‘’", "“”", "()", "[]"):
            marks = [c for c in row[column] if c in opening + closing]
            assert marks == [opening, closing] * (len(marks) // 2), (column, opening)
        assert not set("\"'") & set(row[column]), column


@each_row
def test_dates_categories_and_links_have_the_stated_form(row):
    date = datetime.strptime(row["date"], "%Y-%m-%d %H:%M:%S")
    assert datetime(2025, 1, 1) <= date < datetime(2026, 7, 1)
    assert row["category"] in CATEGORIES
    link = urlsplit(row["link"])
    assert (link.scheme, link.hostname) == ("https", "news.example.com")
    assert re.fullmatch(rf"/{date.year}/\d{{6}}", link.path)


@pytest.mark.parametrize("column", ["link", "title", "document", "summary", "date"])
def test_nothing_that_identifies_an_article_occurs_twice(column):
    values = [row[column] for row in ALL]
    assert sorted(values) == sorted(set(values))


def test_no_two_articles_tell_the_same_story():
    similar = [
        (one["link"], other["link"])
        for one, other in combinations(ALL, 2)
        if similarity(one["document"], other["document"]) > MAX_DOCUMENT_SIMILARITY
    ]
    assert similar == []


@pytest.mark.parametrize("split", SPLITS)
def test_people_companies_and_places_are_met_in_one_article_only(split):
    for row, names in zip(ROWS[split], NAMES[split], strict=True):
        others = " ".join(" ".join(other.values()) for other in ALL if other is not row)
        assert [name for name in names.split() if name not in row["document"]] == []
        assert [name for name in names.split() if name in others] == []


def test_names_in_quotes_and_foreign_names_stay_in_one_split():
    def names(split):
        text = " ".join(row["document"] for row in ROWS[split])
        return set(re.findall(r"‘([^’]+)’", text)) | set(re.findall(r"[A-Z][A-Za-z]{3,}", text))

    for one, other in combinations(SPLITS, 2):
        assert names(one) & names(other) == set()


@each_row
def test_documents_have_the_size_of_a_short_news_article(row):
    assert 350 <= len(row["document"]) <= 900
    assert 6 <= len(sentences(row["document"])) <= 14


@each_row
def test_summaries_are_one_or_two_sentences_and_clearly_shorter_than_the_document(row):
    assert 90 <= len(row["summary"]) <= 220
    assert 1 <= len(sentences(row["summary"])) <= 2
    assert len(row["summary"]) < 0.6 * len(row["document"])


@each_row
def test_the_first_sentence_is_not_the_summary(row):
    first = sentences(row["document"])[0]
    assert overlap(words(first), words(row["summary"])) <= MAX_WORDS_FROM_FIRST_SENTENCE
    assert overlap(trigrams(first), trigrams(row["summary"])) <= MAX_TRIGRAMS_FROM_FIRST_SENTENCE


@each_row
def test_a_summary_tells_more_than_the_first_three_sentences(row):
    parts = sentences(row["document"])
    told = {word for word in words(row["summary"]) if len(word) > 1}
    beyond = told & words(" ".join(parts[3:])) - words(" ".join(parts[:3]))
    assert len(beyond) >= MIN_WORDS_FROM_BEYOND_LEAD_3


@each_row
def test_every_number_in_a_summary_occurs_in_its_document(row):
    assert numbers(row["summary"]) - numbers(row["document"]) == set()
    assert numbers(row["summary"]), "a news summary without a number says too little"


@each_row
def test_every_quoted_or_latin_name_in_a_summary_occurs_in_its_document(row):
    names = re.findall(r"‘([^’]+)’|([A-Za-z]{2,})", row["summary"])
    assert [name for pair in names for name in pair if name and name not in row["document"]] == []


def test_the_articles_are_varied():
    assert {row["category"] for row in ALL} == CATEGORIES
    assert len({row["press"] for row in ALL}) >= 5
    for split in SPLITS:
        assert len({row["category"] for row in ROWS[split]}) >= 5


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(r"[\u4e00-\u9fff]", id="hanja"),
        pytest.param(r"△\S+", id="list mark"),
        pytest.param(r"\d℃", id="degrees"),
        pytest.param(r"\d㎡", id="area"),
        pytest.param(r"\d+\.\d+%", id="decimal percentage"),
        pytest.param(r"\d만\d{4}명", id="number of people"),
        pytest.param(r"[A-Z][a-z]{3,}", id="foreign name"),
        pytest.param(r"“[^”]+”", id="speech"),
        pytest.param(r"‘[^’]+’", id="title in quotes"),
    ],
)
def test_the_articles_hold_what_text_handling_must_survive(pattern):
    assert any(re.search(pattern, row["title"] + " " + row["document"]) for row in ALL)
