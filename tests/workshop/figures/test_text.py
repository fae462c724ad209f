from __future__ import annotations

import pytest

from workshop.figures import text
from workshop.figures.text import about

from .conftest import make_run

NOTEBOOKS = ["01-Prepare", "02-Train-Local-KR-News"]


@pytest.mark.parametrize(
    ("seconds", "en", "ko"),
    [
        (0.2, "1 s", "1초"),
        (8.6, "9 s", "9초"),
        (22.4, "20 s", "20초"),
        (52.4, "50 s", "50초"),
        (57.6, "60 s", "60초"),
        (93, "90 s", "90초"),
        (117, "2 min", "2분"),
        (205, "3.5 min", "3분 30초"),
        (299, "5 min", "5분"),
        (385, "7 min", "7분"),
        (163, "3 min", "3분"),
        (1115, "19 min", "19분"),
    ],
)
def test_times_are_rounded(seconds: float, en: str, ko: str) -> None:
    assert (about(seconds, "en"), about(seconds, "ko")) == (en, ko)


def test_noise_of_a_few_percent_changes_no_text() -> None:
    assert about(51.1, "ko") == about(52.4, "ko") == about(48.0, "ko")


def test_one_class_needs_no_name_beside_its_time(only) -> None:
    assert text.row(only, "01-Prepare") == "약 15초 · about 15 s"
    assert text.total(only, "en", NOTEBOOKS) == "About 70 seconds"
    assert text.total(only, "ko", NOTEBOOKS) == "약 70초"
    assert text.column(only, "en") == "AVX512"


def test_two_classes_are_shown_and_the_imitated_one_is_marked(both) -> None:
    assert text.column(both, "en") == "AVX512 · AVX2 (masked)"
    assert text.column(both, "ko") == "AVX512 · AVX2(제한)"
    assert text.row(both, "01-Prepare") == (
        "AVX512 약 15초, AVX2(제한) 약 25초 · AVX512 about 15 s, AVX2 (masked) about 25 s"
    )
    assert text.total(both, "en", NOTEBOOKS) == "About 70 seconds with AVX512 or 8 minutes with AVX2 (masked)"
    assert text.total(both, "ko", NOTEBOOKS) == "AVX512에서 약 70초, AVX2(제한)에서 약 8분"
    same = {kind: both["AVX2"] for kind in both}
    assert text.total(same, "en", NOTEBOOKS).startswith("About 8 minutes with A")
    assert text.total(same, "en", NOTEBOOKS).count("minutes") == 1


def test_an_imitated_class_that_agrees_with_the_real_one_is_not_named_beside_it(both) -> None:
    nearly = {name: 0.95 * seconds for name, seconds in make_run().notebook_s.items()}
    imitated = make_run(masked_by=dict(both["AVX2"].masked_by), notebook_s=nearly)
    agreeing = {"AVX512": make_run(), "AVX2": imitated}
    assert text.total(agreeing, "en", NOTEBOOKS) == "About 70 seconds"
    assert text.total(agreeing, "ko", NOTEBOOKS) == "약 70초"
    assert text.row(agreeing, "01-Prepare") == "약 15초 · about 15 s"
    assert text.cell(agreeing, "ko", "01-Prepare") == "15초 · 14초"


def test_an_imitated_class_is_marked_where_it_is_the_only_one_too(both) -> None:
    masked = {"AVX2": both["AVX2"]}
    assert text.row(masked, "01-Prepare") == "AVX2(제한) 약 25초 · AVX2 (masked) about 25 s"
    assert text.total(masked, "en", NOTEBOOKS) == "About 8 minutes with AVX2 (masked)"
    assert text.total(masked, "ko", NOTEBOOKS) == "AVX2(제한)에서 약 8분"
    assert text.column(masked, "en") == "AVX2 (masked)"


def test_the_training_notebook_says_how_long_its_training_took(both) -> None:
    training = "02-Train-Local-KR-News"
    assert text.cell(both, "en", training) == "50 s (training 30 s) · 7 min (training 7 min)"
    assert text.cell(both, "ko", training) == "50초(학습 30초) · 7분(학습 7분)"
    assert text.cell(both, "en", "01-Prepare") == "15 s · 25 s"


def test_classes_with_the_same_first_word_get_their_whole_name() -> None:
    runs = {"AVX512 + VNNI + bfloat16": make_run(), "AVX512": make_run()}
    assert text.column(runs, "en") == "AVX512 + VNNI + bfloat16 · AVX512"


def test_a_notebook_that_no_run_knows_is_said_to_be_not_measured(both) -> None:
    assert text.row(both, "09-New") == "측정하지 못함 · not measured"
    assert text.cell(both, "en", "09-New") == "not measured · not measured"
    assert text.total(both, "en", [*NOTEBOOKS, "09-New"]) == "A time not measured yet"
    assert text.row({}, "01-Prepare") == "측정하지 못함 · not measured"


def test_a_masked_processor_is_no_processor_of_that_class(both) -> None:
    first, second = text.machines(both, "en").splitlines()
    assert first == (
        "- **AVX512 + VNNI + bfloat16**: 2 cores of an AMD EPYC (family 26, model 2), "
        "Debian GNU/Linux 12 (bookworm), November 2026, Python 3.11.2, torch 2.13.0+cpu, otherwise idle."
    )
    assert second.startswith("- **AVX2 (masked)**: ")
    assert second.endswith("one that can do more, held back by `ONEDNN_MAX_CPU_ISA=AVX2`.")
    assert "2026년 11월" in text.machines(both, "ko")


def test_a_busy_machine_is_named() -> None:
    assert "beside other work" in text.machines({"AVX2": make_run(load_before=1.8)}, "en")
    assert "다른 작업과 함께" in text.machines({"AVX2": make_run(load_before=1.8)}, "ko")


def test_scores_stand_in_percent_with_their_intervals(only) -> None:
    caption, table = text.scores(only, ["en"], ["word_rouge_l", "numbers_right"]).split("\n\n")
    assert "200 articles" in caption
    assert table.splitlines() == [
        "| | word ROUGE-L | numbers right |",
        "|---|---|---|",
        "| lead-3 | 16.6 [14.7, 18.4] | 1.0 [0.0, 2.5] |",
        "| tuned | 96.9 [95.5, 98.1] | 96.0 [93.0, 98.5] |",
    ]


def test_scores_of_two_classes_stand_side_by_side(both) -> None:
    korean, english, table = text.scores(both, ["ko", "en"], ["numbers_right"]).split("\n\n")
    assert korean.startswith("샘플 모드, 200건")
    assert english.startswith("> Sample mode")
    assert table.splitlines()[0] == "| | AVX512: numbers right | AVX2 (masked): numbers right |"
    assert table.splitlines()[-1] == "| tuned | 96.0 [93.0, 98.5] | 96.0 [93.0, 98.5] |"


def test_a_score_that_a_run_lacks_is_said_to_be_not_measured(both) -> None:
    assert "not measured" in text.scores(both, ["en"], ["syllable_rouge_l"])
