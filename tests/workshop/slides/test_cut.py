"""What of a notebook is shown on slides, where they begin, and what the speaker is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.workshop.slides.notebooks import code_cell, notebook, plot, text_cell

from workshop.errors import WorkshopError
from workshop.notebooks.order import HEADING, list_notebooks
from workshop.slides.cut import Slide, cut
from workshop.slides.notes import PAGES, add_talk, add_waits, load_waits, notes_html
from workshop.slides.talk import Note

REPO_DIR = Path(__file__).parents[3]
TITLE = text_cell(
    "# 00. 제목 · Title\n\n**여기 · You are here** 01\n\n무엇을 합니다.\n\n> What.\n\n| a |\n|---|\n| b |"
)
NOTE = Note(minutes=3, short=0, say=("말",), ask="", en="words")
PICTURE = "![그림 · picture](../../img/qlora.svg)"
EXERCISES = """## 직접 해보기 · Try it

바꿉니다.

**1. 더 크게 · Larger**

열로 바꿉니다.

```diff
-small = 1
+small = 10
```

<details><summary>무엇이 달라지나요? · What changes?</summary>

커집니다.

> It grows.

</details>

**질문 1** 왜요? · Why?

<details><summary>답 · Answer</summary>

그래서입니다.

</details>
"""


def names(slides: list[Slide]) -> list[str]:
    return [one.name for one in slides]


def test_code_and_outputs_are_shown_and_what_is_read_is_the_speakers() -> None:
    slides = cut(notebook(
        TITLE,
        text_cell("## 1. 하나 · One\n\n- [점](x.ipynb)\n\n읽을 글입니다.\n\n> To be read."),
        code_cell("call()", "a < b"),
        text_cell("더 읽습니다."),
        code_cell("other()", "second"),
        text_cell("## 확인 · Check", "skip"),
    ))  # fmt: skip
    assert [(one.name, one.title, one.is_below) for one in slides] == [
        ("제목", "00. 제목 · Title", False),
        ("하나", "1. 하나 · One", False),
        ("하나/2", "1. 하나 · One", True),
    ]
    first, second = ("".join(one.body) for one in slides[1:])
    assert "<li>점</li>" in first
    assert "call" in first
    assert "a &lt; b" in first
    assert "other" in second
    assert "call" not in second
    notes = notes_html(slides[1])
    assert notes.index("읽을 글입니다.") < notes.index("To be read.")
    assert "더 읽습니다." not in notes
    assert "더 읽습니다." in notes_html(slides[2])


def test_the_title_says_what_it_is_about_and_the_table_for_who_runs_it_is_a_note() -> None:
    slides = cut(notebook(TITLE))
    assert "무엇을 합니다." in slides[0].body[0]
    assert "<td" not in "".join(slides[0].body)
    assert "<td" in notes_html(slides[0])
    assert "You are here" not in notes_html(slides[0])


def test_settings_are_not_shown_and_a_heading_without_anything_has_no_slide() -> None:
    start = code_cell('from workshop.start import start\nsettings = start("NAME")', "mode sample")
    slides = cut(
        notebook(
            TITLE, text_cell("## 1. 설정 · Settings\n\n어디서."), start, text_cell("## 2. 둘 · Two\n\n글.")
        )
    )
    assert names(slides) == ["제목", "둘"]
    assert "글." in slides[1].body[0]  # paragraphs are shown where nothing else is


def test_a_picture_has_a_slide_to_itself_and_its_text_is_beside_the_code_too() -> None:
    slides = cut(notebook(TITLE, text_cell(f"## 하나 · One\n\n글\n\n{PICTURE}"), code_cell("call()", "a")))
    assert [one.body[0][:4] for one in slides[1:]] == ["<svg", "<pre"]
    assert all(one.read == ["글"] for one in slides[1:])
    shown_first = cut(notebook(TITLE, text_cell(f"## 둘 · Two\n\n- 점\n\n{PICTURE}")))
    assert [one.body[0][:4] for one in shown_first[1:]] == ["<ul>", "<svg"]


def test_what_there_is_no_room_for_stands_below() -> None:
    long = "\n".join(f"line_{number} = {number}" for number in range(20))
    slides = cut(
        notebook(TITLE, text_cell("## 하나 · One"), code_cell(long, plot(1200, 500), "x", seconds=9))
    )
    assert [len(one.body) for one in slides[1:]] == [1, 2]
    assert [one.seconds for one in slides[1:]] == [9, 0]


def test_slides_of_a_heading_are_numbered_whatever_signs_it_has() -> None:
    slides = cut(
        notebook(TITLE, text_cell("## 5. A/B: 둘 · Two"), code_cell("a"), text_cell("글"), code_cell("b"))
    )
    assert names(slides) == ["제목", "A/B: 둘", "A/B: 둘/2"]


def test_exercises_are_shown_and_what_is_folded_is_a_note() -> None:
    slides = cut(notebook(TITLE, text_cell(EXERCISES)))[1:]
    assert [one.title for one in slides] == [
        "직접 해보기 · Try it",
        "1. 더 크게 · Larger",
        "질문 · Questions",
    ]
    exercise = "".join(slides[1].body)
    assert "열로 바꿉니다." in exercise
    assert 'class="gi"' in exercise  # the line that is put in, coloured
    assert "커집니다." not in exercise
    assert "커집니다." in notes_html(slides[1])
    assert "왜요?" in slides[2].body[0]
    assert "그래서입니다." in notes_html(slides[2])


def story(*cells: Any) -> list[Slide]:
    return cut(notebook(TITLE, *cells), has_talk=True)


def test_a_talk_is_cut_where_its_author_says_and_shows_no_code() -> None:
    slides = story(
        text_cell("## 1. 하나 · One\n\n- 점"),
        code_cell("secret", "a < b"),
        code_cell("secret", "c", slide_type="subslide"),
    )
    assert [(one.name, one.title, one.is_below) for one in slides] == [
        ("제목", "제목 · Title", False),
        ("하나", "하나 · One", False),
        ("하나/2", "하나 · One", True),
    ]
    assert "secret" not in "".join(part for one in slides for part in one.body)
    add_talk(slides, dict.fromkeys(names(slides), NOTE))
    assert notes_html(slides[1]).startswith(
        "<p><b>3분 · 30분 길에서는 건너뜁니다</b></p><ul><li>말</li></ul>"
    )


@pytest.mark.parametrize("given", [("제목",), ("제목", "하나", "셋")])
def test_a_slide_without_notes_and_notes_without_a_slide_are_named(given: tuple[str, ...]) -> None:
    with pytest.raises(WorkshopError, match="하나" if len(given) == 1 else "셋"):
        add_talk(story(text_cell("## 1. 하나 · One\n\n- 점")), dict.fromkeys(given, NOTE))


def test_the_speaker_is_told_how_long_a_cell_takes_and_what_to_say_at_the_longest_of_its_section() -> None:
    waits = load_waits(REPO_DIR / "setup")
    wait = waits["02-Train-Local-KR-News", "3"]
    quick, slow = code_cell("quick()", seconds=2.5), code_cell("slow()", seconds=21.7)
    slides = cut(
        notebook(
            TITLE,
            text_cell("## 3. 학습 · Train"),
            quick,
            text_cell("글"),
            slow,
            text_cell("## 4. 끝 · End\n\n글"),
        )
    )
    add_waits(slides, {"3": wait})
    assert [one.said for one in slides[::3]] == ["", ""]
    assert "2초 걸렸습니다 · this cell took 2 s" in slides[1].said
    assert wait.say[0] not in slides[1].said
    assert "22초 걸렸습니다 · this cell took 22 s" in slides[2].said
    assert all(one in notes_html(slides[2]) for one in (*wait.say, *wait.on_aws))


def test_each_wait_of_the_presenters_page_is_a_section_of_a_notebook() -> None:
    notebooks = {path.stem: path for path in list_notebooks(REPO_DIR / "notebook")}
    for stem, section in load_waits(REPO_DIR / "setup"):
        text = notebooks[stem].read_text(encoding="utf-8").replace("\\n", "\n").replace('"', "\n")
        assert any(one.startswith(f"{section}. ") for one in HEADING.findall(text)), (stem, section)


def test_a_wait_that_stands_on_one_of_both_pages_is_named(tmp_path: Path) -> None:
    for name in PAGES:
        text = (REPO_DIR / "setup" / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("| 7. A better", "| 8. A better"), encoding="utf-8")
    with pytest.raises(WorkshopError, match="06-Pipeline-Registry', '7'"):
        load_waits(tmp_path)
