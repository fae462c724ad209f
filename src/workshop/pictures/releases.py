"""Pictures of track 03: falling back, rolling out, the pipeline."""

from __future__ import annotations

from workshop.pictures.canvas import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    PINK,
    PLAIN,
    RED,
    Canvas,
    Tone,
    bold,
    english,
    korean,
    on_ground,
    quiet,
    row,
)


def fallback() -> Canvas:
    canvas = Canvas(
        "fallback", 440,
        alt="폴백 사다리: tuned, base, 앞 세 문장의 순서로 답하고, 누가 왜 답했는지 호출 기록에 남깁니다 ·"
        " The fallback ladder: tuned, base, first three sentences; a ledger says who answered and why",
        heading=("폴백 사다리", "fallback: somebody always answers"),
    )  # fmt: skip
    canvas.box(24, 94, 130, 84, korean("질문"), english("question"), quiet("예산 budget"), tone=GREY)
    rungs = (
        ("1  tuned", "미세조정한 모델", "fine-tuned endpoint", BLUE),
        ("2  base", "베이스 모델", "base endpoint", GREEN),
        ("3  lead-3", "앞 세 문장", "no network, always there", PINK),
    )
    for index, (name, what, below, tone) in enumerate(rungs):
        y = 66 + index * 118
        x = 260 + index * 60
        canvas.box(x, y, 300, 92, korean(name), english(what), quiet(below), tone=tone)
        canvas.arrow((x + 302, y + 46), (748, y + 46), tone=tone)
        if index:
            canvas.arrow((x - 30, y - 24), (x - 30, y + 46), (x - 2, y + 46), tone=RED)
    canvas.text(226, 218, bold("오류, 시간 초과", 16), tone=on_ground(RED), within=(90, 318), anchor="middle")
    canvas.text(226, 240, quiet("error, timeout"), within=(90, 318))
    canvas.arrow((156, 136), (206, 136), (206, 112), (258, 112))
    canvas.box(750, 66, 226, 328, korean("답과 호출 기록"), english("answer + ledger"), tone=GREY, top=10)
    for index, (name, below) in enumerate(
        (("누가", "who answered"), ("왜", "why"), ("비용", "tokens, USD"), ("품질", "quality"))
    ):
        y = 134 + index * 63
        canvas.box(766, y, 194, 54, bold(name, 17), english(below), tone=PLAIN, line_width=1.5)
    canvas.text(
        24, 402, bold("서킷 브레이커: 자꾸 실패하는 단계는 잠시 건너뜁니다"),
        anchor="start", tone=on_ground(RED),
    )  # fmt: skip
    canvas.text(
        24, 426, quiet("circuit breaker: a rung that keeps failing is skipped for a while"), anchor="start"
    )
    return canvas


def canary() -> Canvas:
    canvas = Canvas(
        "canary", 460,
        alt="카나리: 새 인스턴스의 절반이 먼저 요청을 받고, 경보가 울리면 모두 되돌립니다 ·"
        " Canary: half of the new instances take requests and are watched, then the rest; an alarm: back",
        heading=("카나리와 롤백", "blue/green: a little, watched, then the rest"),
    )  # fmt: skip
    left, unit = 150, 82.0
    for name, below, y in (("옛 버전", "old, blue", 100), ("새 버전", "new, green", 212)):
        canvas.text(24, y + 6, bold(name), anchor="start")
        canvas.text(24, y + 28, quiet(below), anchor="start")
    _fleet(
        canvas, left, 70, ((0, 2, "100 %", BLUE), (2, 5, "50 %", BLUE), (5, 8, "대기 standby", GREY)), unit
    )
    _fleet(
        canvas, left, 182,
        (
            (0.7, 2, "시작 start", GREY), (2, 5, "50 %", GREEN),
            (5, 8, "100 %", GREEN), (8, 10, "100 %", GREEN),
        ),
        unit,
    )  # fmt: skip
    for begin, words, below in ((2, "지켜봄 1", "baking"), (5, "지켜봄 2", "baking")):
        a, b = left + begin * unit, left + (begin + 3) * unit
        canvas.line((a + 4, 274), (a + 4, 282), (b - 4, 282), (b - 4, 274), width=2.5)
        canvas.text((a + b) / 2, 304, bold(f"{words} · {below}", 16))
    canvas.text(left + 9 * unit, 304, bold("끝 · done", 16), within=(left + 8 * unit, 990))
    canvas.arrow((left, 322), (left + 10 * unit, 322))
    for index, (name, below) in enumerate(
        (("오류 수", "errors"), ("p90 지연", "latency"), ("나쁜 답의 비율", "quality"))
    ):
        canvas.box(24 + index * 186, 350, 174, 66, bold(name, 17), english(below), tone=RED)
    canvas.arrow((574, 383), (616, 383), tone=RED)
    canvas.box(
        620,
        350,
        356,
        66,
        bold("하나라도 울리면 모두 옛 버전으로", 17),
        english("one alarm: everything goes back"),
        tone=BLUE,
    )
    canvas.text(24, 444, quiet("경보 셋 · three alarms, watched while the canary bakes"), anchor="start")
    return canvas


def _fleet(
    canvas: Canvas, left: float, y: float, parts: tuple[tuple[float, float, str, Tone], ...], unit: float
) -> None:
    """Draw what share of the requests a fleet takes, over time."""
    canvas.line((left, y + 80), (left + 10 * unit, y + 80), tone=FAINT)
    for begin, end, words, tone in parts:
        x, width = left + begin * unit, (end - begin) * unit - 3
        is_idle = tone is GREY
        height = 74 if words == "100 %" else 40
        canvas.box(x, y + 80 - height, width, height, bold(words, 17), tone=tone, is_dashed=is_idle, radius=5)


def pipeline() -> Canvas:
    canvas = Canvas(
        "pipeline", 460,
        alt="파이프라인: 준비, 학습, 평가, 조건, 등록, 사람의 승인, 배포. 못 미치면 이유를 말하고 멈춥니다 ·"
        " Prepare, train, evaluate, condition, register, a person approves, deploy; else it says why",
        heading=("파이프라인과 레지스트리", "from raw news to an approved version"),
    )  # fmt: skip
    row(
        canvas,
        [
            ((korean("준비"), english("Prepare"), quiet("processing job")), BLUE),
            ((korean("학습"), english("Train"), quiet("training job")), BLUE),
            ((korean("평가"), english("Evaluate"), quiet("운영 중인 버전과")), BLUE),
            ((korean("조건"), english("Condition"), quiet("구간 > 0, 하한")), RED),
        ],
        x=24, y=66, width=215, height=104, gap=30.6,
    )  # fmt: skip
    canvas.arrow((830, 172), (830, 216), tone=GREEN)
    canvas.text(818, 200, bold("예 yes", 16), anchor="end", tone=on_ground(GREEN), within=(720, 826))
    canvas.arrow((930, 172), (930, 350), tone=RED)
    canvas.text(922, 200, bold("아니요 no", 16), anchor="end", tone=on_ground(RED), within=(838, 926))
    canvas.box(700, 218, 215, 96, korean("등록"), english("Register"), quiet("승인 대기 pending"), tone=GREEN)
    canvas.box(780, 352, 196, 84, korean("실패"), english("FailStep"), quiet("이유 · its reason"), tone=RED)
    canvas.box(
        420,
        218,
        215,
        96,
        korean("사람의 승인"),
        english("a person approves"),
        quiet("이유와 함께"),
        tone=PINK,
    )
    canvas.box(140, 218, 215, 96, korean("배포"), english("deploy"), quiet("approved only"), tone=GREEN)
    canvas.arrow((698, 266), (637, 266))
    canvas.arrow((418, 266), (357, 266))
    canvas.arrow((180, 352), (180, 317), tone=RED, is_dashed=True)
    canvas.box(
        24,
        354,
        331,
        82,
        bold("앞 버전으로 롤백"),
        english("roll back to the version before"),
        tone=on_ground(RED),
    )
    canvas.box(
        386,
        354,
        362,
        82,
        bold("캐시: 같은 입력이면 건너뜀"),
        english("cache: same inputs, step skipped"),
        tone=on_ground(BLUE),
    )
    return canvas


def own_image() -> Canvas:
    canvas = Canvas(
        "own-image", 440,
        alt="AWS 이미지의 레이어를 내 저장소로 복사하고 하나를 얹습니다."
        " 태그는 옮겨지고 다이제스트는 그대로입니다 · Layers of AWS's image are copied to an own repository,"
        " one is added; tags move, digests do not",
        heading=("나만의 이미지", "copied layers, one of your own, tags and digests"),
    )  # fmt: skip
    canvas.box(24, 62, 260, 262, korean("AWS의 저장소"), english("base image"), tone=GREY, top=8)
    canvas.box(370, 62, 280, 262, korean("내 ECR 저장소"), english("own repository"), tone=BLUE, top=8)
    for index, name in enumerate(("CUDA", "PyTorch", "엔진 engine")):
        y = 266 - index * 50
        canvas.box(44, y, 220, 44, english(name), tone=PLAIN, line_width=1.5)
        canvas.box(390, y, 240, 44, english(name), tone=PLAIN, line_width=1.5)
        canvas.arrow((266, y + 22), (387, y + 22))
    canvas.box(390, 122, 240, 40, bold("우리 레이어 · own layer", 16), tone=RED)
    canvas.text(327, 116, bold("복사", 17), within=(286, 368))
    canvas.text(327, 138, quiet("copy"), within=(286, 368))
    tags = (("1", "버전 · version", GREEN, 84), ("live", "지금 쓰는 버전", RED, 164))
    for tag, below, tone, y in tags:
        canvas.box(720, y, 256, 64, bold(f"태그 {tag}"), english(below), tone=tone)
        canvas.arrow((718, y + 32), (653, y + 32), tone=tone)
    canvas.box(720, 260, 256, 64, bold("엔드포인트"), english("sha256:… digest"), tone=PINK)
    canvas.arrow((848, 230), (848, 258))
    canvas.text(500, 364, bold("태그는 옮겨지고, 다이제스트는 옮겨지지 않습니다"))
    canvas.text(
        500, 388, quiet("tags move, digests do not: an endpoint keeps the image that it was deployed with")
    )
    canvas.text(500, 420, quiet("운영에서는 IMMUTABLE · in production a version's tag never moves"))
    return canvas
