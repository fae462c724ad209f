"""What a training run did, from the progress records that `launch` returns."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from workshop.errors import WorkshopError
from workshop.plots.style import BLUE, GREEN, GREY, ORANGE, NotebookFigure, new_figure, styled

Records = Sequence[Mapping[str, float]]
_SMOOTH_FROM_NUM_STEPS = 40


@styled
def loss_curve(records: Records, *, job_ends: Sequence[float] = ()) -> NotebookFigure:
    """Draw training loss, evaluation loss and learning rate over the steps.

    Args:
        records: The progress records of one run.
        job_ends: The last step of each job, where several have shared the run; drawn as lines.

    Raises:
        WorkshopError: When no record has a loss.
    """
    steps, losses = _series(records, "loss")
    figure = new_figure(11, 5.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    if len(steps) >= _SMOOTH_FROM_NUM_STEPS:
        upper.plot(steps, losses, color=BLUE, alpha=0.3, linewidth=1)
        window = len(steps) // 20 | 1
        upper.plot(
            steps, _running_mean(losses, window), color=BLUE, label=f"학습 training ({window}스텝 평균 mean)"
        )
    else:
        upper.plot(steps, losses, color=BLUE, marker="o", markersize=4, label="학습 training")
    if any("eval_loss" in record for record in records):
        eval_steps, eval_losses = _series(records, "eval_loss")
        upper.plot(
            eval_steps,
            eval_losses,
            color=ORANGE,
            linestyle="--",
            marker="s",
            markersize=7,
            label="평가 evaluation",
        )
        upper.annotate(
            f"{eval_losses[-1]:.3f}", (eval_steps[-1], eval_losses[-1]), xytext=(0, 9), ha="right",
            textcoords="offset points", color="#8a5f00",
        )  # fmt: skip
    upper.set(title="요약 토큰의 손실 · Loss of the summary tokens", ylabel="손실 · loss")
    upper.set_ylim(0, None)
    upper.legend(loc="upper right")
    if any("learning_rate" in record for record in records):
        rate_steps, rates = _series(records, "learning_rate")
        lower.plot(rate_steps, rates, color=GREY)
        lower.set_ylim(0, None)
        lower.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    for number, step in enumerate(job_ends, start=1):
        for axes in (upper, lower):
            axes.axvline(step, color=GREY, linestyle=":", linewidth=1.8)
        upper.annotate(
            f"작업 {number} 끝 · end of job {number}", (step, 0.6), xycoords=("data", "axes fraction"),
            xytext=(-5, 0), textcoords="offset points", ha="right", va="center", rotation=90, fontsize=10,
            color="#444444",
        )  # fmt: skip
    lower.set(xlabel="스텝 · step", ylabel="학습률\nlearning rate")
    return figure


@styled
def speed_and_memory(records: Records) -> NotebookFigure:
    """Draw tokens per second and memory over the time of the training.

    Args:
        records: The progress records of one run.

    Raises:
        WorkshopError: When no record has a speed.
    """
    times, speeds = _series(records, "tokens_per_s", over="elapsed_s")
    figure = new_figure(12, 3.8)
    left, right = figure.subplots(1, 2)
    _over_time(left, times, speeds, BLUE)
    median = float(np.median(speeds))
    left.axhline(median, color=GREY, linestyle="--", linewidth=1.5)
    left.set_title(f"속도 Speed · 중앙값 median {median:,.0f} tokens/s")
    left.set_ylabel("초당 토큰 · tokens/s")
    if any("memory_mib" in record for record in records):
        times, memory = _series(records, "memory_mib", over="elapsed_s")
        _over_time(right, times, memory, GREEN)
        right.set_title(f"메모리 Memory · 최대 peak {memory.max():,.0f} MiB")
        right.set_ylabel("MiB")
    else:
        right.set_visible(False)
    return figure


def _over_time(axes: Axes, times: NDArray, values: NDArray, colour: str) -> None:
    axes.plot(times, values, color=colour, marker="o" if len(times) < _SMOOTH_FROM_NUM_STEPS else "")
    axes.fill_between(times, values, color=colour, alpha=0.12)
    axes.set_ylim(0, values.max() * 1.12)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("학습하고 지난 초 · seconds of training")


def _series(records: Records, key: str, over: str = "step") -> tuple[NDArray, NDArray]:
    """Return where a number stands and its values, from the records that have it."""
    points = [(record[over], record[key]) for record in records if key in record and over in record]
    if not points:
        raise WorkshopError(
            found=f"{len(records)} progress records, none of them with {key!r}",
            expected="a training that took at least one step",
            next_step="run the cell that starts the training, and look at its log",
        )
    array = np.asarray(points, np.float64)
    return array[:, 0], array[:, 1]


def _running_mean(values: NDArray, window: int) -> NDArray:
    """Return the mean around each value; at both ends over what is there."""
    ones = np.ones(window)
    return np.convolve(values, ones, "same") / np.convolve(np.ones_like(values), ones, "same")
