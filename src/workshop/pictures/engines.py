"""Pictures of serving engines: layers, the KV cache, batches, ways to spread a model."""

from __future__ import annotations

from workshop.pictures.canvas import (
    BLUE,
    EDGE,
    FAINT,
    GREEN,
    GREY,
    GROUND,
    PINK,
    PLAIN,
    RED,
    Canvas,
    Tone,
    bold,
    english,
    korean,
    mono,
    on_ground,
    quiet,
    row,
)


def serving_layers() -> Canvas:
    canvas = Canvas(
        "serving-layers", 462,
        alt="서빙의 다섯 단계와 DJL Serving의 층: 모델 파일, 내려받기, 나누고 줄이기, 엔진, 호출 ·"
        " Five steps of serving and the layers of DJL Serving: files, download, split, engine, call",
        heading=("서빙의 다섯 단계", "and the layers of DJL Serving (LMI)"),
    )  # fmt: skip
    steps = (
        ("1 최적화", "merge, convert", GREY), ("2 내려받기", "S3 → instance", GREY),
        ("3 나누고 줄임", "split, quantise", BLUE), ("4 GPU에 올림", "load, 1 or more", GREEN),
        ("5 호출", "prompt → answer", RED),
    )  # fmt: skip
    boxes = [((bold(name), english(below)), tone) for name, below, tone in steps]
    row(canvas, boxes, x=24, y=62, width=172, height=76, gap=23)
    layers = (
        ("프런트 서버", "Java front, HTTP :8080", "/ping, /invocations", RED),
        ("처리기", "Python handler", "serving.properties, OPTION_*", BLUE),
        ("엔진", "vLLM, TensorRT-LLM", "batching, KV cache", GREEN),
        ("PyTorch · CUDA", "on one GPU or several", "kernels, NCCL", GREY),
    )
    for index, (name, below, what, tone) in enumerate(layers):
        y = 168 + index * 72
        canvas.box(24, y, 330, 60, bold(name), english(below), tone=tone)
        canvas.box(420, y, 400, 60, mono(what), tone=on_ground(tone))
        canvas.line((356, y + 30), (418, y + 30), tone=tone)
        if index:
            canvas.arrow((189, y - 11), (189, y - 1), tone=GREY)
    canvas.text(838, 276, bold("우리가 고치는 층", 16), anchor="start", tone=on_ground(BLUE))
    canvas.text(838, 298, quiet("what one sets"), anchor="start")
    return canvas


def kv_cache() -> Canvas:
    canvas = Canvas(
        "kv-cache", 470,
        alt="KV 캐시: 한도만큼 이어서 잡으면 대부분이 비고, 블록으로 나누면 쓰는 만큼만 잡습니다 ·"
        " KV cache: one stretch of the limit stays mostly empty; blocks joined by a table do not",
        heading=("KV 캐시 블록", "paged attention: blocks of 16 tokens"),
    )  # fmt: skip
    tones = (BLUE, RED, GREEN)
    canvas.text(24, 84, bold("예전: 한도만큼 이어서"), anchor="start")
    canvas.text(24, 106, quiet("one stretch of the limit for each request"), anchor="start")
    for index, used in enumerate((5, 9, 3)):
        y = 120 + index * 44
        canvas.text(24, y + 24, quiet(f"요청 {index + 1}"), anchor="start")
        for cell in range(22):
            is_used = cell < used
            canvas.fill(
                100 + cell * 39.5, y, 36, 34, tones[index].line if is_used else FAINT.fill,
                line=tones[index].line if is_used else EDGE,
            )  # fmt: skip
    canvas.text(976, 106, bold("비어 있음 · wasted", 16), anchor="end", tone=on_ground(GREY))
    canvas.line((24, 264), (976, 264), tone=FAINT)
    canvas.text(24, 294, bold("블록: 쓰는 만큼, 어디에나"), anchor="start")
    canvas.text(24, 316, quiet("blocks: as many as used, anywhere"), anchor="start")
    tables = ((0, "7 · 1"), (1, "0 · 4 · 9"), (2, "5"))
    for index, numbers in tables:
        words = (bold(f"요청 {index + 1}", 16), quiet(f"→ {numbers}"))
        canvas.box(24 + index * 150, 334, 138, 58, *words, tone=tones[index])
    canvas.text(236, 424, bold("블록 표"), within=(24, 480))
    canvas.text(236, 448, quiet("block table"), within=(24, 480))
    canvas.arrow((470, 362), (516, 362))
    owners = {0: RED, 1: BLUE, 4: RED, 5: GREEN, 7: BLUE, 9: RED}
    for block in range(10):
        x, y = 524 + block % 5 * 91, 290 + block // 5 * 66
        tone = owners.get(block, PLAIN)
        is_free = block not in owners
        canvas.box(x, y, 84, 58, bold(str(block), 17), tone=tone, is_dashed=is_free, line_width=1.5)
    canvas.text(750, 446, quiet("GPU 메모리의 블록 · blocks in memory"), within=(500, 990))
    return canvas


def batching() -> Canvas:
    canvas = Canvas(
        "batching", 470,
        alt="고정 배치는 가장 긴 답을 기다리고, 연속 배치는 끝난 자리에 다음 요청을 바로 넣습니다 ·"
        " A static batch waits for its longest answer; continuous batching fills a free row at the next step",
        heading=("연속 배치", "continuous batching: a row is free, the next request enters"),
    )  # fmt: skip
    tones = (BLUE, RED, GREEN, PINK)
    static = ((0, 0, 9), (1, 0, 4), (2, 0, 6), (0, 9, 5), (1, 9, 8), (2, 9, 3))
    flowing = ((0, 0, 9), (1, 0, 4), (2, 0, 6), (1, 4, 5), (2, 6, 8), (0, 9, 3))
    for name, below, rows, top in (
        ("고정 배치", "static", static, 62), ("연속 배치", "continuous", flowing, 254),
    ):  # fmt: skip
        canvas.text(24, top + 56, bold(name), anchor="start", within=(16, 140))
        canvas.text(24, top + 80, quiet(below), anchor="start", within=(16, 140))
        for slot in range(3):
            canvas.fill(144, top + slot * 46, 17 * 48, 40, FAINT.fill, line=EDGE)
        for number, (slot, start, length) in enumerate(rows):
            tone = tones[number % 4]
            canvas.box(
                144 + start * 48 + 2, top + slot * 46 + 2, length * 48 - 4, 36,
                bold(f"요청 {number + 1}", 16), tone=tone, radius=5,
            )  # fmt: skip
    idle = bold("회색: 노는 자리 · grey: idle rows", 16)
    canvas.text(976, 222, idle, anchor="end", tone=on_ground(GREY))
    for step, y in ((17, 62), (14, 254)):
        x = 144 + step * 48
        canvas.line((x, y - 4), (x, y + 142), tone=RED, width=3)
    canvas.text(24, 436, bold("같은 여섯 요청: 17스텝 → 14스텝"), anchor="start")
    canvas.text(24, 458, quiet("the same six requests: 17 steps, then 14"), anchor="start")
    return canvas


def parallelism() -> Canvas:
    canvas = Canvas(
        "parallelism", 480,
        alt="네 가지로 나누기: 데이터, 텐서, 파이프라인, 샤딩. GPU마다 무엇을 갖고 무엇이 오가는지 ·"
        " Four ways to spread a model: data, tensor, pipeline, sharded; what each GPU holds and what travels",
        heading=("모델을 GPU 여럿에", "four ways to spread it"),
    )  # fmt: skip
    kinds = (
        ("데이터", "data", "모델 전체", "오가는 것: 그래디언트", "gradients travel"),
        ("텐서", "tensor", "층마다 절반", "오가는 것: 층마다 합", "a sum per layer"),
        ("파이프라인", "pipeline", "앞 층, 뒤 층", "오가는 것: 활성값", "activations travel"),
        ("샤딩 FSDP", "sharded", "평소에는 조각", "오가는 것: 가중치", "weights travel"),
    )
    for index, (name, below, holds, travels, in_english) in enumerate(kinds):
        left = 20 + index * 243
        canvas.box(left, 58, 231, 406, korean(name), english(below), tone=GREY, top=8)
        for gpu, tone in enumerate((BLUE, RED)):
            x = left + 14 + gpu * 105
            frame = Tone(line=EDGE, fill=GROUND, ink=tone.ink)
            canvas.box(x, 116, 97, 220, bold(f"GPU {gpu + 1}", 16), tone=frame, top=6)
            _model(canvas, x + 10, kind=index, gpu=gpu, tone=tone)
        middle, within = left + 115.5, (left + 4, left + 227)
        canvas.text(middle, 366, bold(holds, 17), within=within, tone=GREY)
        canvas.text(middle, 406, bold(travels, 16), within=within, tone=GREY)
        canvas.text(middle, 430, quiet(in_english), within=within, tone=GREY)
    return canvas


def _model(canvas: Canvas, x: float, *, kind: int, gpu: int, tone: Tone) -> None:
    """Draw four layers as one GPU holds them."""
    for layer in range(4):
        y = 152 + layer * 45
        left, width, is_here = x, 77.0, True
        if kind == 1:
            width, left = 38.5, x + gpu * 38.5
        elif kind == 2:
            is_here = layer // 2 == gpu
        elif kind == 3:
            width, left = 38.5, x + gpu * 38.5
        canvas.fill(x, y, 77, 36, GROUND, line=EDGE)
        if is_here:
            canvas.fill(left, y, width, 36, tone.line)
        if kind == 3 and layer == 1:
            other = (RED, BLUE)[gpu]
            canvas.fill(x + (1 - gpu) * 38.5, y, 38.5, 36, other.line)


def container() -> Canvas:
    canvas = Canvas(
        "container", 430,
        alt="컨테이너의 약속: 모델 폴더와 환경 변수를 받고, 8080 포트에서 /ping과 /invocations로 답합니다 ·"
        " The container's contract: a model folder and variables in, /ping and /invocations on port 8080 out",
        heading=("컨테이너의 약속", "the same here and on SageMaker"),
    )  # fmt: skip
    gives = (
        ("이미지", "TGI · vLLM · LMI", GREY), ("모델 폴더", "/opt/ml/model, read only", BLUE),
        ("환경 변수", "limits, GPUs, no secret", GREEN),
    )  # fmt: skip
    for index, (name, below, tone) in enumerate(gives):
        y = 70 + index * 88
        canvas.box(24, y, 260, 72, korean(name), english(below), tone=tone)
        canvas.arrow((286, y + 36), (376, y + 36), tone=tone)
    canvas.box(380, 62, 300, 264, korean("서버 · serve"), quiet(":8080"), tone=GREY, top=10)
    routes = (
        ("GET /ping", "준비됨? ready?"),
        ("POST /invocations", "요약 · summary"),
        ("GET /metrics", "지표"),
    )
    for index, (route, below) in enumerate(routes):
        canvas.box(400, 132 + index * 62, 260, 54, mono(route), quiet(below), tone=PLAIN, line_width=1.5)
    for index, (name, below, tone) in enumerate(
        (("이 컴퓨터", "127.0.0.1: this notebook", RED), ("SageMaker", "the endpoint: notebook 04", PINK))
    ):
        y = 92 + index * 122
        canvas.box(744, y, 232, 84, korean(name), english(below), tone=tone)
        canvas.arrow((742, y + 42), (683, y + 42), tone=tone)
    canvas.text(24, 372, bold("여기서 뜨지 않는 것은 엔드포인트에서도 뜨지 않습니다"), anchor="start")
    canvas.text(
        24,
        398,
        quiet("what does not start here does not start there: minutes and dollars saved"),
        anchor="start",
    )
    return canvas
