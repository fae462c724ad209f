"""Pictures of what is trained on, and of a training job's folders."""

from __future__ import annotations

from workshop.pictures.canvas import (
    BLUE,
    EDGE,
    FAINT,
    GREEN,
    GREY,
    PINK,
    PLAIN,
    RED,
    Canvas,
    Line,
    Tone,
    bold,
    english,
    korean,
    mono,
    on_ground,
    quiet,
)


def completion_loss() -> Canvas:
    canvas = Canvas(
        "completion-loss", 470,
        alt="지시문과 기사는 읽기만 하고, 요약과 끝 토큰만 학습합니다. 패킹은 여러 행을 한 줄에 담습니다 ·"
        " Instruction and article are only read, summary and end token are trained on; packing puts several"
        " rows into one",
        heading=("답만 학습합니다", "completion-only loss, and packing"),
    )  # fmt: skip
    left = 24
    cells = (
        (150, "지시문", "instruction", GREY), (290, "기사", "article", GREY),
        (130, "Assistant:", "cue", GREY), (250, "요약", "summary", RED), (126, "끝 토큰", "end token", RED),
    )  # fmt: skip
    for width, name, below, tone in cells:
        canvas.box(left, 62, width - 4, 62, korean(name), english(below), tone=tone)
        left += width + 2
    _bracket(canvas, 24, 594, 138, GREY)
    _bracket(canvas, 602, 972, 138, RED)
    canvas.text(309, 178, bold("읽기만 함: 라벨 −100"), tone=on_ground(GREY))
    canvas.text(309, 200, quiet("read only: label −100, no loss"))
    canvas.text(788, 178, bold("여기만 학습"), tone=on_ground(RED))
    canvas.text(788, 200, quiet("trained on: summary and end"))
    canvas.line((24, 222), (976, 222), tone=FAINT)
    canvas.text(24, 254, bold("패킹 없이"), anchor="start")
    canvas.text(138, 254, quiet("without packing: padding"), anchor="start")
    rows = ((BLUE, 250), (GREEN, 390), (PINK, 170))
    for index, (tone, length) in enumerate(rows):
        y = 268 + index * 40
        canvas.fill(24, y, 430, 30, FAINT.fill, line=EDGE)
        canvas.fill(24, y, length, 30, tone.line)
    canvas.text(500, 254, bold("패킹"), anchor="start")
    canvas.text(560, 254, quiet("packing: one full row of 2,048"), anchor="start")
    x = 500.0
    for tone, length in ((GREEN, 390), (BLUE, 250), (PINK, 170)):
        width = length * 0.565
        canvas.fill(x, 268, width, 62, tone.line)
        x += width
    canvas.fill(x, 268, 976 - x, 62, FAINT.fill, line=EDGE)
    for index, start in enumerate((500, 500 + 390 * 0.565, 500 + 640 * 0.565)):
        canvas.text(start + 8, 358, quiet(("0 1 2 …", "0 1 2 …", "0 1 …")[index]), anchor="start")
    canvas.text(500, 384, quiet("position_ids"), anchor="start")
    canvas.text(500, 424, bold("빈자리가 줄고, 행끼리는 서로 보지 않습니다"))
    canvas.text(500, 448, quiet("less padding; positions keep rows apart, so that none attends to another"))
    return canvas


def _bracket(canvas: Canvas, left: float, right: float, y: float, tone: Tone) -> None:
    canvas.line((left, y - 8), (left, y), (right, y), (right, y - 8), tone=tone, width=2.5)


def training_job() -> Canvas:
    canvas = Canvas(
        "training-job", 520,
        alt="학습 작업: S3의 채널과 코드가 /opt/ml/input으로 들어오고, checkpoints와 model이 S3로 나갑니다 ·"
        " Training job: channels and code come from S3 to /opt/ml/input; checkpoints and model go to S3",
        heading=("학습 작업의 /opt/ml", "what comes from S3, and what goes there"),
    )  # fmt: skip
    canvas.box(430, 58, 546, 446, bold("컨테이너 안 · in the container"), tone=GREY, top=8)
    rows = (
        ("채널", "model, train, validation", "input/data/<채널>", "읽기 · read", "in", BLUE),
        ("코드", "source_dir", "input/data/code", "train.py", "in", BLUE),
        ("하이퍼파라미터", "in the request", "input/config/…json", "SM_HPS", "in", BLUE),
        ("체크포인트", "kept while it runs", "checkpoints/", "이어서 · resume", "both", GREEN),
        ("결과", "at the end, as it is", "model/", "저장 · save", "out", RED),
        ("로그와 이유", "CloudWatch, FailureReason", "stdout, output/failure", "", "out", PINK),
    )  # fmt: skip
    for index, (name, below, folder, what, way, tone) in enumerate(rows):
        y = 98 + index * 66
        canvas.box(24, y, 270, 56, bold(name), english(below), tone=tone)
        canvas.box(
            450, y, 506, 56, tone=Tone(line=tone.line, fill="#ffffff", ink=tone.ink),
        )  # fmt: skip
        canvas.text(466, y + 34, mono(folder), anchor="start", within=(456, 800))
        if what:
            canvas.text(944, y + 34, quiet(what), anchor="end", within=(700, 950))
        start, end = (298, y + 28), (446, y + 28)
        if way == "out":
            start, end = end, start
        canvas.arrow(start, end, tone=tone, is_double=way == "both")
        label = {"in": "시작할 때", "both": "실행 중", "out": "끝날 때"}[way]
        if way == "out" and index == 5:
            label = "계속"
        canvas.text(372, y + 18, Line(label), within=(298, 446), tone=PLAIN)
    return canvas


def resume() -> Canvas:
    canvas = Canvas(
        "resume", 430,
        alt="작업이 제한 시간 전에 체크포인트를 남기고 끝나면 다음 작업이 거기서 이어서 합니다 ·"
        " A long run: a job saves a checkpoint and ends before its limit, and the next one goes on from it",
        heading=("끊겨도 이어서", "one training, several jobs"),
    )  # fmt: skip
    jobs = ((24, "작업 1", "job 1"), (340, "작업 2", "job 2"), (656, "작업 3", "job 3"))
    for index, (x, name, below) in enumerate(jobs):
        is_last = index == 2
        canvas.box(x, 66, 300, 122, korean(name), english(below), tone=GREEN if is_last else BLUE, top=8)
        for cell in range(4):
            canvas.fill(x + 20 + cell * 66, 138, 60, 34, (GREEN if is_last else BLUE).line)
        if not is_last:
            canvas.arrow((x + 254, 190), (x + 254, 242), tone=RED)
            canvas.arrow((x + 330, 242), (x + 330, 206), (x + 356, 206), (x + 356, 190), tone=RED)
    canvas.text(850, 232, bold("끝: 병합해 저장", 17), tone=on_ground(GREEN))
    canvas.text(850, 256, quiet("end: merged, saved"))
    canvas.box(
        24, 244, 690, 66, bold("S3의 체크포인트"), english("checkpoints/: complete or not counted"), tone=RED
    )
    canvas.line((24, 352), (976, 352), tone=GREY, width=3)
    for x, words, below, tone in (
        (470, "time_limit_s", "저장하고 끝냄 · saves, ends", GREEN),
        (850, "max_run_s", "강제 종료 · killed", RED),
    ):  # fmt: skip
        canvas.line((x, 340), (x, 364), tone=tone, width=5)
        canvas.text(x, 386, mono(words))
        canvas.text(x, 410, quiet(below), within=(x - 180, min(x + 180, 994)))
    canvas.text(24, 386, bold("작업 하나의 시간", 16), anchor="start")
    canvas.text(24, 410, quiet("time of one job"), anchor="start")
    return canvas
