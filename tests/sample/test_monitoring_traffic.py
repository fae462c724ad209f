"""Planted traffic has the kinds, days and shares that it is asked for, and readers mark what is wrong."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from sample.monitoring import texts, traffic
from sample.monitoring.traffic import Request, is_right, planted, thumb
from sample.news.names import COINED, is_held_out

WEEK = planted(7, 300, seed=1, drift_from=4, drift_share=0.25)


def shares(requests: list[Request]) -> dict[str, float]:
    return {kind: count / len(requests) for kind, count in Counter(one.kind for one in requests).items()}


def test_every_day_has_its_requests_in_order() -> None:
    days = Counter(one.day for one in WEEK)
    assert days == {f"2026-11-{day:02d}": 300 for day in range(3, 10)}
    assert [one.day for one in WEEK] == sorted(one.day for one in WEEK)
    assert len({one.request_id for one in WEEK}) == len(WEEK)
    assert {one.day for one in planted(2, 1, seed=1, first_day="2026-12-31")} == {"2026-12-31", "2027-01-01"}


def test_the_new_topic_comes_on_its_day_and_takes_from_all_others_alike() -> None:
    before, after = (
        [one for one in WEEK if (one.day >= "2026-11-06") is has_drifted] for has_drifted in (False, True)
    )
    assert traffic.NEW_TOPIC not in shares(before)
    assert min(one.day for one in after if one.kind == traffic.NEW_TOPIC) == "2026-11-06"
    assert shares(after)[traffic.NEW_TOPIC] == pytest.approx(0.25, abs=0.06)
    for kind, share in traffic.SHARES.items():
        assert shares(before)[kind] == pytest.approx(share, abs=0.03)
        assert shares(after)[kind] == pytest.approx(0.75 * share, abs=0.03)
    assert set(shares(WEEK)) == set(traffic.KINDS)


def test_a_stream_without_drift_has_no_new_topic() -> None:
    assert traffic.NEW_TOPIC not in shares(planted(10, 50, seed=2))


def test_the_same_seed_plants_the_same_and_another_one_others() -> None:
    first, again, other = (planted(3, 50, seed=seed) for seed in (5, 5, 6))
    assert first == again
    assert {one.content for one in first} != {one.content for one in other}
    assert [one.kind for one in first] != [one.kind for one in other]


def test_personal_data_are_what_stands_in_the_text_and_nowhere_else() -> None:
    form = re.compile(r"\d{6}-?[1-8]\d{6}\b|01[016789][-. ]?\d{3,4}[-. ]?\d{4}|[\w.+-]+ ?@ ?[\w.-]+\.\w+")
    for one in WEEK:
        assert bool(one.personal) == (one.kind == "personal data")
        assert all(value in one.text and value == value.strip() for value in one.personal)
        rest = one.content
        for value in one.personal:
            rest = rest.replace(value, "")
        assert not form.search(rest)


def test_what_is_sent_is_the_text_an_empty_line_and_the_article() -> None:
    for one in WEEK:
        assert one.text or one.article
        both = bool(one.text and one.article)
        assert one.content == (f"{one.text}\n\n{one.article}" if both else one.text or one.article)
    kinds = {one.kind for one in WEEK if one.article}
    assert kinds == {"normal", "injection", "personal data"}


def test_normal_readers_send_an_article_alone_or_ask_in_many_words() -> None:
    asked = [one.text for one in WEEK if one.kind == "normal"]
    assert asked.count("") / len(asked) == pytest.approx(0.7, abs=0.05)
    assert len(set(asked)) > 20


def test_texts_are_held_out_and_articles_have_names_that_no_training_text_has() -> None:
    tuning = {row["text"] for row in texts.rows("tuning")}
    assert not tuning & {one.text for one in WEEK}
    for one in WEEK:
        if one.reference:
            assert is_held_out(COINED, *re.sub(r"\W", "", one.reference)[:2])


def test_a_right_answer_is_mostly_marked_up_and_a_wrong_one_mostly_down() -> None:
    asked = [one for one in WEEK if one.kind == "normal"]
    right = Counter(thumb(one, one.reference, seed=1) for one in asked)
    wrong = Counter(thumb(one, "기사를 잘 읽었습니다.", seed=1) for one in asked)
    assert right[None] == wrong[None]  # who speaks does not depend on the answer
    assert right[None] == pytest.approx(0.5 * len(asked), rel=0.15)
    assert right[True] > 10 * right[False] > 0
    assert wrong[False] > 4 * wrong[True] > 0
    assert thumb(asked[0], "", seed=1) == thumb(asked[0], "", seed=1)


def test_nobody_marks_an_answer_whose_truth_is_not_known() -> None:
    unknown = [one for one in WEEK if not one.reference]
    assert {one.kind for one in unknown} == set(traffic.KINDS) - {"normal", "personal data"}
    assert {thumb(one, "네", seed=1) for one in unknown} == {None}


def test_one_changed_number_or_name_makes_an_answer_wrong_and_a_particle_does_not() -> None:
    reference = (
        "들갈문화재단이 오는 4일 섬늘시에서 예산 4,782억 원 규모의 빛 축제를 개최한다. 류솔혁 단장은 말했다."
    )
    assert is_right(reference, reference)
    assert is_right(reference.replace("단이", "단은").replace("규모의", "규모"), reference)
    for old, new in (
        ("4,782", "4,728"),
        ("4일", "14일"),
        ("류솔혁", "류솔연"),
        ("섬늘시", "섬들시"),
        ("개최한다", "연다"),
    ):
        assert not is_right(reference.replace(old, new), reference), new
    assert not is_right("", reference)


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ({"shares": {"spam": 0.1}}, "the kind 'spam'; expected one of jailbreak"),
        ({"shares": {"insult": 1.1}}, "at most 1"),
        ({"shares": {"insult": -0.1}}, "none below 0"),
        ({"drift_share": 1.5}, "at most 1"),
    ],
)
def test_wrong_shares_are_told(fault: dict, found: str) -> None:
    with pytest.raises(ValueError, match=found):
        planted(1, 1, seed=1, **fault)
