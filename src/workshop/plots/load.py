"""What many users at once do to a server: how long each waits, and how much it does in all."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from workshop.errors import WorkshopError
from workshop.plots.style import BLUE, GREEN, ORANGE, NotebookFigure, new_figure, styled

if TYPE_CHECKING:
    from workshop.serving.load_test import LoadResult

_WAITS = (("첫 토큰 first token", "first_token_s", BLUE, "o"), ("전체 whole answer", "total_s", ORANGE, "s"))


@styled
def load_curves(results: "Sequence[LoadResult]") -> NotebookFigure:
    """Draw latency and throughput over the number of users.

    Lines are medians; the band above each reaches to the 95th percentile.

    Args:
        results: Of load tests with different numbers of users.

    Raises:
        WorkshopError: When no request of any test went well.
    """
    shown = sorted((one for one in results if one.good), key=lambda result: result.num_users)
    if not shown:
        raise WorkshopError(
            found=f"{len(results)} load tests without one answer",
            expected="at least one request without an error",
            next_step="look at the errors of the load test, and at the server's log",
        )
    users = [result.num_users for result in shown]
    figure = new_figure(12, 4.4)
    left, right = figure.subplots(1, 2)
    for label, measure, colour, marker in _WAITS:
        medians = [1000 * getattr(result, measure)(50) for result in shown]
        highs = [1000 * getattr(result, measure)(95) for result in shown]
        left.plot(users, medians, color=colour, marker=marker, label=f"{label} · 중앙값 median")
        left.fill_between(users, medians, highs, color=colour, alpha=0.18, linewidth=0)
        left.plot(users, highs, color=colour, linestyle=":", linewidth=1.4, label=f"{label} · p95")
    left.set(title="요청의 지연 시간 · Latency of a request", ylabel="ms")
    left.legend(loc="upper left", fontsize=11)
    speeds = [result.tokens_per_s for result in shown]
    right.plot(users, speeds, color=GREEN, marker="D", label="generated tokens/s")
    for count, speed, result in zip(users, speeds, shown, strict=True):
        right.annotate(
            f"{speed:,.0f}\n{result.requests_per_s:.1f} requests/s", (count, speed), xytext=(0, 9),
            textcoords="offset points", ha="center", fontsize=10, color="#444444",
        )  # fmt: skip
    right.set(
        title="서버의 처리량 · Throughput of the server",
        ylabel="초당 토큰, 모든 사용자 · tokens/s, all users",
    )
    for axes in (left, right):
        _over_users(axes)
    return figure


def _over_users(axes: Axes) -> None:
    axes.set_xlabel("동시 사용자 수 · users in parallel")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.margins(x=0.12)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.3)
