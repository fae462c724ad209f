"""The systems without a model."""

from workshop.evaluation.baselines import best_sentence, lead

SENTENCES = [
    "첫 문장은 배경이다.",
    "한빛전자가 37% 성장했다.",
    "대표는 오래 준비한 일이 이제야 열매를 맺었다고 기뻐했다.",
    "내년에도 이어진다.",
]
ARTICLE = " ".join(SENTENCES)


def test_lead_3_is_the_first_three_sentences():
    assert lead(ARTICLE) == " ".join(SENTENCES[:3])
    assert lead(ARTICLE, 1) == SENTENCES[0]


def test_lead_of_a_short_article_is_all_of_it():
    assert lead(SENTENCES[0], 3) == SENTENCES[0]


def test_the_best_sentence_is_the_closest_to_the_reference():
    assert best_sentence(ARTICLE, "한빛전자가 크게 성장했다") == SENTENCES[1]


def test_the_earlier_of_two_equal_sentences_wins():
    assert best_sentence("가 나. 가 다.", "가") == "가 나."


def test_an_empty_article_has_empty_baselines():
    assert lead("") == ""
    assert best_sentence("", "무엇") == ""
