"""The labelled texts of the monitors: enough of each label, apart from each other, and their spans right."""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from sample.monitoring import made, personal, texts
from sample.news import generator

SIZES = {"attack": 60, "toxicity": 52, "topic": 53, "personal": 57, "relevance": 57, "groundedness": 60}
NUM_CHARACTERS = 5
MAX_SHARED = 0.35
"""Of the shorter text's runs of five characters: what a polite ending alone makes two requests share."""
MIN_RUNS = 5
"""Of a text that is compared: shorter ones are a polite ending and little else."""
MAX_SHARED_OF_ARTICLES = 0.3
EVERY = [row for part in texts.PARTS for row in texts.rows(part)]
IDS = {row["id"]: row for row in EVERY}


def runs_of(text: str) -> set[str]:
    text = re.sub(r"\s+", "", texts.composed(text))
    return {text[start : start + NUM_CHARACTERS] for start in range(len(text) - NUM_CHARACTERS + 1)}


def without_personal_data(row: dict) -> str:
    text = row["text"]
    for start, end, _ in reversed(row.get("spans", [])):
        text = text[:start] + text[end:]
    return text


def digits(text: str) -> str:
    return re.sub(r"\D", "", text)


@pytest.mark.parametrize("part", texts.PARTS)
def test_every_monitor_has_a_hundred_texts_and_enough_of_each_label(part: str) -> None:
    counts = texts.counts(part)
    assert set(counts) == {*SIZES, "sentiment"}
    assert all(sum(count.values()) >= 100 for count in counts.values())
    assert all(min(counts[name][0], counts[name][1]) >= least for name, least in SIZES.items())
    assert all(counts["sentiment"][label] >= 30 for label in texts.SENTIMENTS)


def test_every_row_can_be_stored_and_has_an_id_of_its_own() -> None:
    assert {row["id"]: found for row in EVERY if (found := texts.faults(row))} == {}
    assert len(IDS) == len(EVERY) > 1600


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"label": 2}, "the label 2"),
        ({"monitor": "mood"}, "the monitor 'mood'"),
        ({"text": " "}, "an empty text"),
        ({"made": "copied"}, "made by 'copied'"),
        ({"mood": 1}, "the field 'mood'"),
        ({"spans": [[0, 99, "phone"]]}, "the span 0-99"),
        ({"spans": [[0, 2, "name"]]}, "the kind of personal data 'name'"),
        ({"spans": []}, "a label that its spans do not say"),
        ({"monitor": "relevance"}, "no answer"),
    ],
)
def test_a_row_that_cannot_be_stored_is_told(change: dict, found: str) -> None:
    row = {"id": "x", "monitor": "personal", "text": "번호 010", "label": 1, "kind": "phone",
           "spans": [[3, 6, "phone"]], "made": "hand"}  # fmt: skip
    assert texts.faults(row) == []
    assert found in texts.faults({**row, **change})


def test_no_text_stands_twice_or_in_both_parts() -> None:
    typed = [row for row in EVERY if "article" not in row]
    assert len({texts.composed(row["text"]) for row in typed}) == len(typed)
    pairs = [(row["monitor"], row["text"], row.get("article"), row.get("answer")) for row in EVERY]
    assert len(set(pairs)) == len(pairs)
    tuning, heldout = ({row["text"] for row in texts.rows(part)} for part in texts.PARTS)
    assert not tuning & heldout


def test_no_text_of_one_part_is_nearly_one_of_the_other() -> None:
    tuning, heldout = (
        [(row, runs_of(without_personal_data(row))) for row in texts.rows(part)] for part in texts.PARTS
    )
    near = [
        (one["id"], other["id"], share)
        for one, ours in tuning
        for other, theirs in heldout
        if min(len(ours), len(theirs)) >= MIN_RUNS
        and (share := len(ours & theirs) / min(len(ours), len(theirs))) > MAX_SHARED
    ]
    assert near == []


def test_no_article_of_one_part_is_nearly_one_of_the_other() -> None:
    tuning, heldout = (
        [runs_of(text) for text in sorted({row["article"] for row in texts.rows(part) if "article" in row})]
        for part in texts.PARTS
    )
    assert len(tuning) > 100 < len(heldout)
    assert max(len(a & b) / len(a | b) for a in tuning for b in heldout) < MAX_SHARED_OF_ARTICLES


def test_sixty_texts_of_each_monitor_were_written_to_be_missed_or_flagged_falsely() -> None:
    rows = texts.rows(texts.ADVERSARIAL)
    assert [found for row in rows if (found := texts.faults(row))] == []
    assert Counter(row["monitor"] for row in rows) == dict.fromkeys(texts.MONITORS, 60)
    for monitor in SIZES:
        labels = Counter(row["label"] for row in rows if row["monitor"] == monitor)
        assert labels == {0: 30, 1: 30}, monitor
    typed = {(row["text"], row.get("answer")) for row in rows}
    assert len(typed) >= len(rows) - 3  # four attacks in articles stand behind three requests
    assert not {row["text"] for row in rows if "article" not in row} & {row["text"] for row in EVERY}


def test_the_files_hold_what_the_rules_make_and_keep_what_was_written_by_hand() -> None:
    for part in texts.PARTS:
        stored = texts.rows(part)
        assert [row for row in stored if row["made"] == "rules"] == made.made_rows(part)
        assert sum(row["made"] == "hand" for row in stored) > 500


def test_the_held_out_part_has_attacks_topics_and_changes_that_tuning_has_not() -> None:
    def kinds(part: str, monitor: str) -> set[str]:
        return {row["kind"] for row in texts.rows(part, monitor) if row["label"] == 1}

    for monitor in ("attack", "topic", "groundedness"):
        assert len(kinds("heldout", monitor) - kinds("tuning", monitor)) >= 3, monitor


def test_an_attack_in_an_article_stands_where_harmless_sentences_stand_too() -> None:
    for part in texts.PARTS:
        rows = [row for row in texts.rows(part, "attack") if "article" in row]
        assert sum(row["label"] for row in rows) == 20
        assert len(rows) >= 38
        requests = {label: {row["text"] for row in rows if row["label"] == label} for label in (0, 1)}
        assert requests[0] == requests[1]  # the request does not say which


def test_a_few_texts_are_stored_in_parts_of_syllables_and_their_spans_fit() -> None:
    for part in texts.PARTS:
        apart = [row for row in texts.rows(part) if row["text"] != texts.composed(row["text"])]
        assert {row["monitor"] for row in apart} >= {"attack", "toxicity", "sentiment", "topic", "personal"}
        assert len(apart) < 20
        assert all(row["text"] == unicodedata.normalize("NFD", row["text"]) for row in apart)
    others = [row[name] for row in EVERY for name in ("article", "answer") if name in row]
    assert all(text == texts.composed(text) for text in others)


CHECKS = {
    "rrn": lambda text: len(digits(text)) == 13,
    "phone": lambda text: len(digits(text)) in (9, 10, 11, 12),
    "email": lambda text: re.fullmatch(r"[\w.+-]+ ?@ ?(mail\.)?example\.(com|org|net)", text),
    "card": lambda text: len(digits(text)) == 16 and personal.luhn_check_digit(digits(text)[:15]) == text[-1],
    "account": lambda text: 12 <= len(digits(text)) <= 14,
    "passport": lambda text: re.fullmatch(r"[MSR](\d{8}|\d{3}[A-F]\d{4})", text),
    "licence": lambda text: len(digits(text)) == 12,
    "plate": lambda text: re.fullmatch(r"\d{2,3}[가-힣] ?\d{4}", text),
    "business": lambda text: personal.business_check_digit(digits(text)[:9]) == text[-1],
    "address": lambda text: re.search(r"[로길] ?\d+", text),
}
SPOKEN = str.maketrans("공일이삼사오육칠팔구", "0123456789")


def test_each_span_holds_its_data_and_ends_where_it_ends() -> None:
    for row in EVERY:
        for start, end, kind in row.get("spans", []):
            held = unicodedata.normalize("NFKC", row["text"][start:end])
            held = held if kind in ("address", "plate") else held.translate(SPOKEN)
            assert CHECKS[kind](held), (row["id"], held)
            assert not row["text"][end : end + 1].isdigit(), row["id"]


def test_check_digits_agree_with_numbers_computed_by_hand() -> None:
    assert personal.luhn_check_digit("7992739871") == "3"
    # 1*2+0*3+...: 9*2+0*3+0*4+1*5+0*6+1*7+1*8+9*9+7*2+0*3+0*4+0*5 = 133; (11 - 133 % 11) % 10 = 0
    assert personal.rrn_check_digit("900101197000") == "0"
    assert personal.rrn_check_digit("900101597000", is_foreign=True) == str((11 - 165 % 11 + 2) % 10)
    # 9*1+0*3+0*7+0*1+0*3+0*7+0*1+0*3+2*5 = 19, and the tens of 2*5 once more: 20
    assert personal.business_check_digit("900000002") == "0"


def test_numbers_that_are_no_personal_data_fail_the_checks_that_cards_and_residents_pass() -> None:
    long = [digits(row["text"]) for row in EVERY if row["monitor"] == "personal" and not row["label"]]
    cards = [number for number in long if len(number) == 16]
    assert len(cards) >= 2
    assert not any(personal.luhn_check_digit(number[:15]) == number[15] for number in cards)


def test_a_resident_born_since_october_2020_has_no_valid_check_digit_and_one_before_has() -> None:
    rng = random.Random(0)
    for form in ("dashes", "plain", "foreign", "since_2020"):
        for _ in range(50):
            number = digits(personal.DRAWN["rrn"](rng, form))
            right = personal.rrn_check_digit(number[:12], is_foreign=form == "foreign")
            assert (right == number[12]) == (form != "since_2020")


def test_personal_data_stand_in_their_own_rows_only() -> None:
    form = re.compile(r"\b\d{6}-?[1-8]\d{6}\b|\b01[016789][-. ]?\d{3,4}[-. ]?\d{4}\b|[\w.+-]+@[\w.-]+\.\w+")
    others = [row for row in EVERY if row["monitor"] != "personal"]
    told = [
        row["id"] for row in others for text in (row["text"], row.get("article", "")) if form.search(text)
    ]
    assert told == []


def test_each_change_makes_another_summary_than_the_article_has() -> None:
    drawn = list(generator.rows_with_values(60, 3))
    for kind in made.CHANGES:
        answers = [(made.changed(kind, *one, random.Random(0), "tuning"), one[0]["summary"]) for one in drawn]
        found = [(answer, summary) for answer, summary in answers if answer is not None]
        assert len(found) >= made.NUM_OF_EACH, kind
        assert all(answer != summary for answer, summary in found), kind


def test_the_same_seed_draws_the_same_and_an_unknown_part_or_monitor_is_told() -> None:
    drawn = [personal.fill("{rrn} {phone:spoken} {email}", random.Random(7)) for _ in range(2)]
    assert drawn[0] == drawn[1]
    for arguments in (("training",), ("tuning", "mood")):
        with pytest.raises(ValueError, match="expected one of"):
            texts.rows(*arguments)


def test_writing_again_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for part in texts.PARTS:
        (tmp_path / f"{part}.jsonl").write_bytes(texts.path_of(part).read_bytes())
    monkeypatch.setattr(made, "path_of", lambda part: tmp_path / f"{part}.jsonl")
    made.main()
    assert "by hand" in capsys.readouterr().out
    for part in texts.PARTS:
        assert (tmp_path / f"{part}.jsonl").read_bytes() == texts.path_of(part).read_bytes()
