"""Pictures of endpoints: what they are made of, components, and changes over time."""

from __future__ import annotations

from workshop.pictures.canvas import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    GROUND,
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
    row,
)

_WHITE_IN_PINK = Tone(line=PINK.line, fill=GROUND, ink=PINK.ink)


def endpoint() -> Canvas:
    canvas = Canvas(
        "endpoint", 420,
        alt="모델, 엔드포인트 구성, 엔드포인트의 순서로 만들고, 컨테이너는 /ping과 /invocations로 답합니다 ·"
        " Model, endpoint configuration, endpoint; the container answers /ping and /invocations on 8080",
        heading=("엔드포인트 하나가 되기까지", "model → configuration → endpoint"),
    )  # fmt: skip
    for index, (name, below) in enumerate(
        (("이미지", "image in ECR"), ("가중치", "weights in S3"), ("환경 변수", "variables"))
    ):
        y = 64 + index * 66
        canvas.box(24, y, 150, 56, bold(name, 17), english(below), tone=GREY)
        canvas.arrow((176, y + 28), (200, y + 28), (200, 158), (222, 158))
    canvas.box(224, 118, 150, 80, korean("모델"), english("Model"), tone=BLUE)
    canvas.arrow((376, 158), (412, 158))
    canvas.box(
        414, 98, 170, 120, korean("구성"), english("EndpointConfig"), quiet("instance, count"), tone=GREEN
    )
    canvas.arrow((586, 158), (622, 158))
    canvas.box(624, 64, 352, 340, korean("엔드포인트 · Endpoint"), tone=PINK, top=8)
    canvas.box(644, 104, 312, 282, english("인스턴스 · instance"), tone=_WHITE_IN_PINK, top=6)
    canvas.box(664, 138, 272, 232, english("컨테이너 · container :8080"), tone=GREY, top=6)
    canvas.box(684, 180, 232, 74, mono("GET /ping"), quiet("200: 준비됨 ready"), tone=PLAIN)
    canvas.box(684, 278, 232, 74, mono("POST /invocations"), quiet("본문 → 답 answer"), tone=PLAIN)
    canvas.box(224, 250, 150, 66, bold("SageMaker", 17), english("health check"), tone=BLUE)
    canvas.arrow((376, 283), (520, 283), (520, 240), (682, 240), tone=BLUE)
    canvas.box(24, 332, 150, 66, korean("클라이언트"), english("client"), tone=RED)
    canvas.arrow((176, 365), (600, 365), (600, 330), (682, 330), tone=RED)
    canvas.text(390, 355, mono("InvokeEndpoint"), within=(180, 600))
    canvas.text(390, 386, quiet("signed, streamed if asked for"), within=(180, 616))
    return canvas


def component() -> Canvas:
    canvas = Canvas(
        "component", 500,
        alt="인스턴스 위에서 컴포넌트의 복제본이 GPU를 하나씩 갖고, 어댑터는 베이스의 GPU를 함께 씁니다 ·"
        " On an endpoint's instance each copy of a component takes a GPU; an adapter shares its base's GPU",
        heading=("추론 컴포넌트", "endpoint → instance → component → copy → adapter"),
    )  # fmt: skip
    canvas.box(24, 58, 952, 316, korean("엔드포인트 · endpoint"), tone=PINK, top=6)
    canvas.box(42, 98, 668, 260, english("인스턴스 1 · instance, GPU 4"), tone=_WHITE_IN_PINK, top=6)
    canvas.box(
        728, 98, 230, 260, english("인스턴스 2"), quiet("ManagedInstanceScaling"),
        quiet("필요하면 if needed"), tone=_WHITE_IN_PINK, is_dashed=True,
    )  # fmt: skip
    copies = (
        ("tuned", "복제본 1", "copy 1", BLUE), ("tuned", "복제본 2", "copy 2", BLUE),
        ("base", "복제본 1", "copy 1", GREEN), ("", "빈 GPU", "free", PLAIN),
    )  # fmt: skip
    for index, (name, which, below, tone) in enumerate(copies):
        x = 58 + index * 162
        canvas.text(x + 75, 150, quiet(f"GPU {index + 1}"), within=(x, x + 150))
        lines = [bold(name)] if name else []
        is_base = name == "base"
        canvas.box(
            x, 160, 150, 104 if is_base else 182, *lines, english(which), english(below), tone=tone,
            is_dashed=not name,
        )  # fmt: skip
        if is_base:
            canvas.box(x, 272, 150, 70, bold("어댑터"), english("LoRA"), tone=RED)
    row(
        canvas,
        [
            ((korean("인스턴스"), english("billed by hour")), PINK),
            ((korean("컴포넌트"), english("model + needs")), BLUE),
            ((korean("복제본"), english("container, GPU")), GREEN),
            ((korean("어댑터"), english("on its base")), RED),
        ],
        x=24, y=396, width=215, height=84, gap=30.6,
    )  # fmt: skip
    return canvas


def rolling_update() -> Canvas:
    canvas = Canvas(
        "rolling-update", 470,
        alt="롤링 업데이트: 새 복제본이 뜨고, 지켜보고, 옛 복제본이 끝나기를 배치마다 되풀이합니다 ·"
        " Rolling update, batch by batch: a new copy starts, is watched, an old one ends; no request fails",
        heading=("무중단 롤링 업데이트", "a copy at a time, under load"),
    )  # fmt: skip
    left, unit = 120, 85.6
    canvas.text(20, 92, bold("요청"), anchor="start")
    canvas.box(
        left,
        66,
        10 * unit,
        40,
        bold("늘 누군가 답합니다 · always answered", 17),
        tone=GREEN,
    )
    bars = (
        (0, (("old", 0, 4.2), ("start", 4.8, 6.4), ("new", 6.4, 10))),
        (1, (("old", 0, 8.6),)),
        (2, (("start", 0.6, 2.2), ("new", 2.2, 10))),
    )
    looks = {
        "old": ("옛 버전 · old", BLUE, False), "new": ("새 버전 · new", RED, False),
        "start": ("시작 start", RED, True),
    }  # fmt: skip
    for slot, parts in bars:
        y = 130 + slot * 62
        canvas.text(20, y + 32, bold(f"GPU {slot + 1}"), anchor="start")
        canvas.line((left, y + 50), (left + 10 * unit, y + 50), tone=FAINT)
        for kind, begin, end in parts:
            words, tone, is_starting = looks[kind]
            canvas.box(
                left + begin * unit, y, (end - begin) * unit - 3, 50, bold(words, 17),
                tone=on_ground(tone) if is_starting else tone, is_dashed=is_starting,
            )  # fmt: skip
    for begin, end, words in ((0.6, 4.4, "배치 1 · batch 1"), (4.8, 8.8, "배치 2 · batch 2")):
        a, b = left + begin * unit, left + end * unit
        canvas.line((a, 324), (a, 332), (b, 332), (b, 324), width=2.5)
        canvas.text((a + b) / 2, 354, bold(words, 17))
    for begin, end in ((2.3, 4.2), (6.5, 8.6)):
        middle = left + (begin + end) / 2 * unit
        canvas.text(middle, 376, quiet("지켜봄 baking"), within=(middle - 90, middle + 90))
    canvas.arrow((left, 396), (left + 10 * unit, 396))
    canvas.text(left + 10 * unit, 418, quiet("시간 · time"), anchor="end")
    canvas.text(
        24, 432, bold("지켜보는 동안 경보가 울리면 롤백합니다"), anchor="start",
        tone=on_ground(RED),
    )  # fmt: skip
    canvas.text(
        24,
        455,
        quiet("an alarm, or a copy that cannot start: rolled back to the old version"),
        anchor="start",
    )
    return canvas


def scale_to_zero() -> Canvas:
    canvas = Canvas(
        "scale-to-zero", 480,
        alt="15분 한가하면 복제본이, 이어서 인스턴스가 0이 되고, 거절된 요청이 경보를 울려 다시 깨웁니다 ·"
        " Scale to zero: after 15 idle minutes copies, then instances go to 0; a refused call wakes them up",
        heading=("0까지, 그리고 다시", "scale to zero and back, in AWS's minutes"),
    )  # fmt: skip
    left, right = 150, 976
    names = (("요청", "requests", 84), ("복제본", "copies", 170), ("인스턴스", "instances", 266))
    for name, below, y in names:
        canvas.text(20, y, bold(name), anchor="start")
        canvas.text(20, y + 22, quiet(below), anchor="start")
    for x in (166, 182, 206):
        canvas.line((x, 70), (x, 104), tone=BLUE, width=5)
    canvas.line((640, 70), (640, 104), tone=RED, width=5)
    for x in (880, 902, 930):
        canvas.line((x, 70), (x, 104), tone=BLUE, width=5)
    canvas.text(640, 64, bold("거절 refused", 16), tone=on_ground(RED), within=(560, 740))
    canvas.text(905, 64, bold("답 answer", 16), tone=on_ground(BLUE), within=(840, 976))
    _steps(canvas, left, right, 156, 206, 420, 850, GREEN)
    _steps(canvas, left, right, 252, 302, 500, 760, PINK)
    canvas.arrow((216, 128), (416, 128), is_double=True)
    canvas.text(316, 122, Line("15분 한가함 · idle 15 min"), within=(212, 430))
    canvas.arrow((648, 128), (846, 128), is_double=True)
    canvas.text(750, 122, Line("약 10분 · ~10 min"), within=(648, 850))
    canvas.text(630, 286, bold("요금 0 · no cost"), within=(508, 752))
    row(
        canvas,
        [
            ((bold("대상 추적"), english("target tracking"), quiet("0까지 · to zero")), GREEN),
            ((bold("거절 횟수 경보"), english("NoCapacity…"), quiet("≥ 1")), RED),
            ((bold("단계 조정 정책"), english("step policy"), quiet("복제본 +1 copy")), BLUE),
            ((bold("인스턴스 시작"), english("start, load"), quiet("모델을 올림")), PINK),
        ],
        x=24, y=342, width=215, height=104, gap=30.6,
    )  # fmt: skip
    return canvas


def _steps(
    canvas: Canvas, left: float, right: float, high: float, low: float, down: float, up: float, tone: Tone
) -> None:
    """Draw a count of 1 that goes to 0 and comes back."""
    canvas.line(
        (left, high), (down, high), (down, low), (up, low), (up, high), (right, high), tone=tone, width=4
    )
    canvas.text(left - 8, high + 6, Line("1"), anchor="end", within=(110, 150))
    canvas.text(left - 8, low + 6, Line("0"), anchor="end", within=(110, 150))


def adapter() -> Canvas:
    canvas = Canvas(
        "adapter", 420,
        alt="병합한 모델은 일마다 GPU를 갖고, 어댑터는 베이스 하나의 GPU를 여럿이 함께 씁니다 ·"
        " A merged model has a GPU for each task; adapters share the GPU of one base",
        heading=("병합이냐 어댑터냐", "merged, or adapters on one base"),
    )  # fmt: skip
    canvas.box(24, 60, 440, 236, korean("병합한 모델"), english("merged: a GPU each"), tone=GREY, top=8)
    for index, name in enumerate(("요약", "질문")):
        x = 44 + index * 205
        canvas.box(x, 128, 195, 148, bold(f"GPU {index + 1}", 16), tone=PLAIN, top=6, line_width=1.5)
        canvas.box(x + 14, 164, 167, 96, bold(f"W′ {name}"), english("16 GB"), tone=BLUE)
    canvas.box(
        500, 60, 476, 236, korean("베이스와 어댑터"), english("one base, several adapters"), tone=GREY, top=8
    )
    canvas.box(520, 128, 436, 148, bold("GPU 1", 16), tone=PLAIN, top=6, line_width=1.5)
    canvas.box(534, 164, 150, 96, bold("W 베이스"), english("16 GB"), tone=GREEN)
    for index, name in enumerate(("요약", "질문")):
        canvas.box(700 + index * 124, 164, 114, 96, bold(f"BA {name}", 17), english("MB"), tone=RED)
    facts = (
        (24, "호출하는 이름: 컴포넌트", "called by the component's name", BLUE),
        (500, "호출하는 이름: 어댑터", "called by the adapter's name", RED),
    )  # fmt: skip
    for x, words, below, tone in facts:
        canvas.text(x + 8, 330, bold(words), anchor="start", tone=on_ground(tone))
        canvas.text(x + 8, 354, quiet(below), anchor="start")
    canvas.text(500, 396, bold("A/B: 같은 기사를 둘에게 · the same articles to both"), tone=PLAIN)
    return canvas
