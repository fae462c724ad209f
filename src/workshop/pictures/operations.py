"""Pictures of track 03: evaluating, retrieving, watching."""

from __future__ import annotations

from workshop.pictures.canvas import (
    BLUE,
    GREEN,
    GREY,
    PINK,
    RED,
    Canvas,
    bold,
    english,
    korean,
    mono,
    on_ground,
    quiet,
    row,
)


def evaluation() -> Canvas:
    canvas = Canvas(
        "evaluation", 400,
        alt="평가의 고리: 같은 문제를 여러 번 묻고, 검사하고, 짝지어 판정하고, 기록하고, 게이트로 지킵니다 ·"
        " The evaluation loop: ask the same cases several times, check, compare in pairs, record, guard",
        heading=("처음부터 평가", "the evaluation loop"),
    )  # fmt: skip
    row(
        canvas,
        [
            ((korean("문제"), english("cases"), quiet("질문과 검사")), BLUE),
            ((korean("답"), english("answers"), quiet("여러 번 · runs")), BLUE),
            ((korean("검사"), english("checks"), quiet("수, 이름, 길이")), GREEN),
            ((korean("판정"), english("paired verdict"), quiet("구간 · interval")), RED),
        ],
        x=24, y=66, width=215, height=104, gap=30.6,
    )  # fmt: skip
    outcomes = (
        ("better", "구간이 0보다 위", GREEN), ("no difference", "문제가 더 필요", GREY),
        ("worse", "품질 저하", RED),
    )  # fmt: skip
    for index, (name, below, tone) in enumerate(outcomes):
        canvas.box(520 + index * 156, 212, 146, 62, bold(name, 16), english(below), tone=tone, line_width=1.5)
    canvas.arrow((868, 172), (868, 190), (749, 190), (749, 210))
    canvas.box(272, 212, 200, 62, bold("MLflow"), english("runs, prompt"), tone=PINK)
    canvas.arrow((518, 243), (474, 243))
    canvas.box(24, 212, 200, 62, bold("CI 게이트"), english("pytest gate"), tone=PINK)
    canvas.arrow((270, 243), (226, 243))
    canvas.arrow((124, 210), (124, 172), tone=RED)
    canvas.text(500, 322, bold("프롬프트를 고칠 때마다 한 바퀴 돕니다"), tone=on_ground(RED))
    canvas.text(500, 348, quiet("once around for every change of a prompt; a bad answer becomes a new case"))
    canvas.text(500, 378, quiet("고를 때 쓴 답으로 판정하지 않습니다 · never by the answers that chose it"))
    return canvas


def retrieval() -> Canvas:
    canvas = Canvas(
        "retrieval", 420,
        alt="하이브리드 검색: 질문을 단어(BM25)와 벡터로 찾고, 순위를 RRF로 합쳐, 찾은 기사를 모델에 줍니다 ·"
        " Hybrid search: by words and by vectors, ranks fused by RRF; the article found goes to the model",
        heading=("검색해서 답하기", "hybrid search and RAG"),
    )  # fmt: skip
    canvas.box(24, 158, 130, 84, korean("질문"), english("question"), tone=GREY)
    canvas.box(
        206,
        72,
        200,
        96,
        korean("단어로"),
        english("full text, BM25"),
        quiet("조사를 떼고 · stems"),
        tone=BLUE,
    )
    canvas.box(
        206, 232, 200, 96, korean("뜻으로"), english("vectors, cosine"), quiet("E5 embedding"), tone=GREEN
    )
    canvas.arrow((156, 190), (180, 190), (180, 120), (204, 120))
    canvas.arrow((156, 210), (180, 210), (180, 280), (204, 280))
    canvas.box(458, 152, 160, 96, korean("순위 합치기"), english("RRF"), mono("1/(60+rank)"), tone=RED)
    canvas.arrow((408, 120), (432, 120), (432, 190), (456, 190))
    canvas.arrow((408, 280), (432, 280), (432, 210), (456, 210))
    canvas.box(660, 152, 140, 96, korean("맥락"), english("context"), quiet("기사 · article"), tone=PINK)
    canvas.arrow((620, 200), (658, 200))
    canvas.box(842, 152, 134, 96, korean("모델"), english("answer"), tone=GREY)
    canvas.arrow((802, 200), (840, 200))
    canvas.box(
        24, 348, 594, 56, bold("LanceDB 표 한 줄 = 기사 하나 · a row is an article", 17),
        tone=on_ground(GREY),
    )  # fmt: skip
    canvas.text(642, 370, bold("벡터는 늘 무언가를 찾습니다", 17), anchor="start")
    canvas.text(642, 394, quiet("there is always a nearest article"), anchor="start")
    return canvas


def monitoring() -> Canvas:
    canvas = Canvas(
        "monitoring", 450,
        alt="모니터링 루프: 가리고, 캡처하고, 채점하고, 드리프트를 보고, 경보가 파이프라인을 시작합니다 ·"
        " The monitoring loop: mask, capture, score, look for drift; an alarm starts the pipeline",
        heading=("모니터링", "from a request to a new model"),
    )  # fmt: skip
    row(
        canvas,
        [
            ((korean("요청"), english("requests"), quiet("개인정보 가림")), GREY),
            ((korean("엔드포인트"), english("endpoint"), quiet("tuned")), PINK),
            ((korean("캡처"), english("data capture"), quiet("S3 JSON Lines")), BLUE),
            ((korean("채점"), english("scoring job"), quiet("점수 여섯 · six")), BLUE),
        ],
        x=24, y=66, width=215, height=104, gap=30.6,
    )  # fmt: skip
    canvas.arrow((868, 172), (868, 216))
    lower = (
        (761, "드리프트", "drift: KS, classifier", "처음 사흘과 비교", GREEN),
        (515, "지표와 경보", "metric, alarm", "CloudWatch", RED),
        (269, "파이프라인", "pipeline", "다시 학습 · retrain", RED),
        (24, "새 모델", "new model", "승인 · approved", PINK),
    )  # fmt: skip
    for index, (x, name, below, what, tone) in enumerate(lower):
        canvas.box(x, 218, 215, 104, korean(name), english(below), quiet(what), tone=tone)
        if index:
            canvas.arrow((lower[index - 1][0] - 3, 270), (x + 218, 270))
    canvas.arrow((131, 216), (131, 196), (377, 196), (377, 173))
    canvas.box(
        24, 350, 460, 78, bold("독자의 평가 → 시험 문제"), english("a reader's thumb becomes a case"),
        tone=on_ground(BLUE),
    )  # fmt: skip
    canvas.box(
        515, 350, 461, 78, bold("오탐과 미탐을 먼저 측정"), english("first: false alarms and misses"),
        tone=on_ground(RED),
    )  # fmt: skip
    return canvas


def ladder() -> Canvas:
    canvas = Canvas(
        "ladder", 464,
        alt="사다리: 프롬프트만, 예시, 검색한 기사, 미세조정. 오를수록 만들고 관리할 것이 늘어납니다 ·"
        " The ladder: prompt alone, examples, a retrieved article, fine-tuning; each rung has more to keep",
        heading=("프롬프트, 검색, 미세조정", "each rung has more to build, and to keep"),
    )  # fmt: skip
    rungs = (
        ("아무것도 없이", "closed book", "질문", "a prompt", GREY),
        ("예시", "few-shot", "+ 예시 몇 개", "examples", BLUE),
        ("검색", "RAG", "+ 찾은 기사", "an index, embeddings", GREEN),
        ("미세조정", "fine-tuned", "가중치를 바꿈", "data, training, registry", RED),
    )
    for index, (name, below, gives, keep, tone) in enumerate(rungs):
        x, y = 24 + index * 240, 232 - index * 56
        canvas.box(
            x, y, 230, 88 + index * 56, korean(name), english(below), bold(gives, 16), tone=tone, top=10
        )
        canvas.text(
            x + 115, 364, bold("만들고 관리할 것", 16) if index == 0 else quiet("+"), within=(x, x + 230)
        )
        canvas.text(x + 115, 388, quiet(keep), within=(x - 4, x + 236))
    canvas.arrow((24, 336), (980, 336))
    canvas.text(
        500, 424, bold("답이 충분한 칸에서 멈춥니다. 같은 질문으로 재고 고릅니다"), tone=on_ground(RED)
    )
    canvas.text(500, 448, quiet("stop at the first rung that is good enough, measured on the same questions"))
    return canvas
