"""Korean text is cut for a search so that particles do not hide a name, whatever form it is written in."""

import unicodedata

import pytest

from workshop.retrieval.tokens import CUTS, bigrams, morphemes, stems, words

NAME = "몽흰과학원"


def test_a_particle_hides_a_name_from_words_and_from_nothing_else() -> None:
    asked, told = f"{NAME}이 연 교실", f"{NAME}은 교실을 열었다"
    shared = {name: {*cut([asked])[0]} & {*cut([told])[0]} for name, cut in CUTS.items()}
    assert shared["words"] == set()
    assert {NAME, "교실"} <= shared["stems"]
    assert "교실" in shared["morphemes"]
    assert {"몽흰", "흰과", "과학", "학원", "교실"} <= shared["bigrams"]


def test_a_coined_name_that_the_analyser_cuts_in_two_stays_whole_as_a_stem() -> None:
    (cut,) = morphemes(["섬빛은행의 한도는 얼마인가요?"])
    (stem,) = stems(["섬빛은행의 한도는 얼마인가요?"])
    assert "섬빛은행" not in cut
    assert {"섬빛은행", "은행", "한도"} <= set(stem)


def test_stems_are_the_words_without_what_stands_behind_them_and_the_morphemes_too() -> None:
    assert stems(["‘담콩’ 과정을 개설했다고 밝혔다."]) == [
        ["담콩", "과정", "개설", "밝혔", "담콩", "과정", "개설", "밝히"]
    ]


def test_bigrams_are_pairs_of_neighbouring_syllables_within_a_word() -> None:
    assert bigrams(["빛 축제, 3,400명"]) == [["빛", "축제", "3400", "400명"]]


def test_words_are_what_stands_between_spaces_without_punctuation() -> None:
    assert words(["“섬빛은행의” 한도는 3.5%."]) == [["섬빛은행의", "한도는", "3.5%"]]


@pytest.mark.parametrize(
    "text",
    [
        "漢字를 배우는 교실",
        "AI가 GPT-4를",
        "👍 좋아요 ㅋㅋ",
        "ﾤￂ 반각",
        "1조2천500억 원",
        "가\u0000나 다\u200b라",
    ],
)
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_other_forms_of_the_same_text_have_the_same_terms_without_white_space(cut, text: str) -> None:
    (terms,) = cut([text])
    assert terms
    assert cut([unicodedata.normalize("NFD", text)]) == [terms]
    assert all(term and term == "".join(term.split()) for term in terms)


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_what_has_no_words_has_no_terms(cut) -> None:
    assert cut(["", "  \n", "?!", "\ud800"]) == [[], [], [], []]
    assert cut([]) == []


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_a_text_is_cut_alone_as_among_others(cut) -> None:
    texts = ["섬빛은행의 한도는", "", "漢字 👍", "과정을 개설했다"]
    assert cut(texts) == [cut([text])[0] for text in texts]
