"""Pictures of data, training and what it leaves."""

from __future__ import annotations

from workshop.pictures.canvas import (
    BLUE,
    EDGE,
    GREEN,
    GREY,
    PINK,
    PLAIN,
    RED,
    Canvas,
    bold,
    english,
    korean,
    mono,
    on_ground,
    quiet,
)

# GiB of one GPU for Llama-3-8B with llama3-8b-qlora-g5-12xlarge.yaml (2 rows of 2,048 tokens): the base as it
# lies there, what is trained with gradients and optimizer, everything else (activations, temporary tensors,
# what FSDP gathers, libraries). A test holds them to src/train/tuning/memory_model.py. That knows no full
# fine-tuning: 16 bytes a parameter (bfloat16 weight and gradient, float32 copy, two moments of Adam).
MEMORY_GIB = {
    "full": (0.0, 119.7, 4.0),
    "lora": (15.0, 0.3, 4.0),
    "qlora": (5.3, 0.3, 4.1),
    "sharded": (1.4, 0.1, 6.2),
}
GPU_GIB = 24
ADAPTER_MILLION, MODEL_BILLION = 41.9, 8.03


def qlora() -> Canvas:
    canvas = Canvas(
        "qlora", 430,
        alt="QLoRA: 4비트로 고정한 W 옆에서 작은 행렬 A와 B만 학습합니다. 8B 모델의 GPU 메모리 비교 ·"
        " A frozen 4-bit W beside small trained matrices A and B; GPU memory of an 8B model: full, LoRA,"
        " QLoRA, QLoRA over 4 GPUs",
        heading=("QLoRA", "4-bit base, frozen + a small adapter, trained"),
    )  # fmt: skip
    canvas.box(24, 168, 52, 52, bold("x", 22), tone=PLAIN, radius=26)
    canvas.box(
        130, 76, 210, 112, korean("W  고정"), english("frozen, 4-bit NF4"), quiet("out × in"), tone=GREY
    )
    canvas.box(130, 236, 88, 84, bold("A", 22), quiet("r × in"), tone=RED)
    canvas.box(252, 236, 88, 84, bold("B", 22), quiet("out × r"), tone=RED)
    canvas.box(384, 172, 44, 44, bold("+", 24), tone=PLAIN, radius=22)
    canvas.arrow((76, 186), (100, 186), (100, 132), (128, 132))
    canvas.arrow((76, 202), (100, 202), (100, 278), (128, 278), tone=RED)
    canvas.arrow((218, 278), (250, 278), tone=RED)
    canvas.arrow((340, 132), (406, 132), (406, 170))
    canvas.arrow((340, 278), (406, 278), (406, 218), tone=RED)
    canvas.arrow((428, 194), (470, 194))
    canvas.text(482, 201, bold("y", 22), anchor="start", within=(476, 500))
    canvas.text(236, 356, bold("y = W x + (α / r) · B A x", 19), within=(24, 480))
    canvas.text(236, 386, bold("A, B만 학습"), within=(24, 480), tone=on_ground(RED))
    share = 100 * ADAPTER_MILLION / (1000 * MODEL_BILLION)
    canvas.text(
        236, 410, quiet(f"trained: {ADAPTER_MILLION} M of {MODEL_BILLION:.2f} B, {share:.1f} % (r = 16)"),
        within=(16, 490),
    )  # fmt: skip
    _memory_bars(canvas)
    return canvas


def _memory_bars(canvas: Canvas) -> None:
    left, per_gib = 520, 2.9
    rows = (
        ("full", "전체 미세조정 · full"), ("lora", "LoRA, 16비트 · bf16"), ("qlora", "QLoRA, 4비트 · 4-bit"),
        ("sharded", "QLoRA, GPU 4장의 한 장 · each of 4"),
    )  # fmt: skip
    limit = left + GPU_GIB * per_gib
    for index, (key, name) in enumerate(rows):
        y = 78 + index * 66
        total = sum(MEMORY_GIB[key])
        canvas.text(left, y + 14, bold(name, 17), anchor="start")
        canvas.text(978, y + 14, bold(f"{total:.0f} GiB", 19), anchor="end", within=(880, 994))
        x = float(left)
        for gib, tone in zip(MEMORY_GIB[key], (GREY, RED, BLUE), strict=True):
            canvas.fill(x, y + 23, gib * per_gib, 24, tone.line)
            x += gib * per_gib
        canvas.line((limit, y + 22), (limit, y + 50), tone=PLAIN, width=3)
    canvas.text(limit, 349, bold("A10G 24 GB", 16))
    words_of = ((0, GREY, "고정 frozen"), (142, RED, "학습 trained"), (290, BLUE, "활성값 등 the rest"))
    for x, tone, words in ((left + offset, tone, words) for offset, tone, words in words_of):
        canvas.fill(x, 381, 16, 16, tone.line)
        canvas.text(x + 22, 395, quiet(words), anchor="start")


def fsdp() -> Canvas:
    canvas = Canvas(
        "fsdp", 440,
        alt="FSDP: GPU마다 가중치의 4분의 1을 갖고, 레이어마다 모으고, 자기 배치로 계산하고, 다시 나눕니다 ·"
        " Each GPU keeps a quarter of the weights; per layer: all-gather, compute on its own batch, reshard",
        heading=("FSDP", "fully sharded data parallel: one layer after another"),
    )  # fmt: skip
    steps = (
        ("1  나누어 보관", "sharded"), ("2  모으기", "all-gather"),
        ("3  계산", "compute"), ("4  다시 나누기", "reshard"),
    )  # fmt: skip
    tones = (BLUE, RED, GREEN, PINK)
    for column, (name, english_name) in enumerate(steps):
        left = 96 + column * 234
        canvas.text(left + 85, 78, korean(name), within=(left - 22, left + 200))
        canvas.text(left + 85, 100, quiet(english_name), within=(left - 22, left + 200))
        for gpu in range(4):
            y = 116 + gpu * 62
            for part, tone in enumerate(tones):
                is_here = column in (1, 2) or part == gpu
                canvas.fill(
                    left + part * 42, y, 40, 44, tone.line if is_here else "#ffffff",
                    line=tone.line if is_here else EDGE,
                )  # fmt: skip
            if column == 2:
                canvas.text(
                    left + 178,
                    y + 28,
                    quiet(f"배치 {gpu + 1}"),
                    anchor="start",
                    within=(left + 172, left + 232),
                )
        if column < 3:
            canvas.arrow((left + 176, 231), (left + 226, 231))
    for gpu in range(4):
        canvas.text(16, 144 + gpu * 62, bold(f"GPU {gpu + 1}", 17), anchor="start")
    whole = "한 번에 한 레이어만 온전합니다. 역전파도 같고, 그래디언트는 나누어 더합니다"
    canvas.text(500, 402, bold(whole, 17))
    canvas.text(
        500, 426,
        quiet("one layer is whole at a time; backward the same, and gradients are reduce-scattered"),
    )  # fmt: skip
    return canvas


def merge() -> Canvas:
    canvas = Canvas(
        "merge", 350,
        alt="병합: bf16 베이스의 W에 (α/r)·BA를 더하면 모양이 같은 W′ 하나가 됩니다 ·"
        " W of the bf16 base plus (alpha/r) BA is one W′ of the same shape",
        heading=("병합", "merge: W′ = W + (α / r) · B A"),
    )  # fmt: skip
    big = bold("W", 26)
    canvas.box(40, 78, 190, 170, big, english("bf16"), quiet("4096 × 4096"), tone=GREY)
    canvas.text(256, 172, bold("+", 30))
    canvas.text(330, 172, bold("α / r  ·", 22))
    canvas.box(386, 78, 104, 170, bold("B", 24), quiet("4096 × 16"), tone=RED)
    canvas.box(498, 132, 190, 62, bold("A", 24), quiet("16 × 4096"), tone=RED)
    canvas.text(724, 172, bold("=", 30))
    merged = bold("W′", 26)
    canvas.box(760, 78, 190, 170, merged, english("bf16"), quiet("4096 × 4096"), tone=GREEN)
    canvas.text(135, 278, korean("베이스 모델"))
    canvas.text(135, 302, quiet("not the 4-bit copy"))
    canvas.text(535, 278, korean("어댑터"))
    canvas.text(535, 302, quiet("what was trained"))
    canvas.text(855, 278, korean("보통 모델 하나"))
    canvas.text(855, 302, quiet("any server reads it"))
    canvas.text(500, 334, mono("model/ = W′ …   model/adapter/ = A, B"))
    return canvas
