"""The walk through all notebooks, for the first screen of the READMEs."""

from __future__ import annotations

from workshop.pictures.canvas import (
    BLUE,
    GREEN,
    PINK,
    RED,
    Canvas,
    Tone,
    bold,
    english,
    korean,
    quiet,
    row,
)

_ROWS: tuple[tuple[str, str, tuple[tuple[str, str, Tone], ...]], ...] = (
    (
        "이 컴퓨터에서 배우기", "track 01: notebooks 01, 02",
        (
            ("뉴스", "Korean news", BLUE), ("정리·검사", "clean, check", BLUE),
            ("대화 형식", "chat JSONL", BLUE), ("QLoRA", "FSDP, torchrun", RED),
            ("병합 모델", "merged model", RED), ("비교", "lead-3, untuned", RED),
        ),
    ),
    (
        "SageMaker에서", "track 01: 03, 04 · track 02",
        (
            ("S3", "data, base", GREEN), ("학습 작업", "training job", GREEN),
            ("S3의 모델", "uncompressed", GREEN), ("엔드포인트", "endpoint", PINK),
            ("컴포넌트", "components", PINK), ("롤링, 0까지", "rolling, to zero", PINK),
        ),
    ),
    (
        "운영하기", "track 03: LLMOps",
        (
            ("평가", "evaluate", BLUE), ("검색", "retrieval", BLUE),
            ("사다리", "prompt to tuned", BLUE), ("모니터링", "monitor", RED),
            ("카나리, 폴백", "roll-out", RED), ("파이프라인", "registry", RED),
        ),
    ),
)  # fmt: skip


def walk() -> Canvas:
    canvas = Canvas(
        "walk", 470,
        alt="뉴스에서 학습, 병합, 엔드포인트, 컴포넌트를 거쳐 평가와 모니터링까지 ·"
        " From news through training, merging, endpoint and components to evaluation and monitoring",
        heading=("뉴스에서 운영까지", "from Korean news to a model in operation"),
    )  # fmt: skip
    width, gap, left = 143, 18, 28
    for index, (name, notebooks, boxes) in enumerate(_ROWS):
        top = 66 + index * 136
        canvas.text(left, top + 12, bold(name), anchor="start")
        canvas.text(left + 250, top + 12, quiet(notebooks), anchor="start")
        lines = [((korean(words), english(below)), tone) for words, below, tone in boxes]
        row(canvas, lines, x=left, y=top + 26, width=width, height=74, gap=gap)
        if index:
            _to_next_row(canvas, top - 136 + 100, top + 26, x_from=left + 5.5 * width + 5 * gap)
    return canvas


def _to_next_row(canvas: Canvas, bottom: float, top: float, *, x_from: float) -> None:
    """Draw the way from the last box of a row to the first of the next one."""
    between, x_to = bottom + 9, 12
    canvas.arrow((x_from, bottom), (x_from, between), (x_to, between), (x_to, top + 37), (27, top + 37))
