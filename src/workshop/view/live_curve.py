"""The loss while a training runs, as a small SVG: drawn in a millisecond, where a figure takes a second."""

from collections.abc import Sequence

WIDTH, HEIGHT = 640, 120
MAX_POINTS = 240
"""More would not be seen: the mean of neighbours stands for them."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 8, 20
_TRAIN, _EVAL = "#0072b2", "#e69f00"

Point = tuple[float, float]


def loss_svg(train: Sequence[Point], evaluation: Sequence[Point], num_steps: float | None) -> str:
    """Draw the training loss as a line and the evaluation loss as dots, over all steps of the run.

    Args:
        train: (step, loss) in order.
        evaluation: The same on unseen rows; may be empty.
        num_steps: Of the whole run, so that the line grows to the right; the last step when None.

    Returns:
        An <svg> element, or "" before there are two points to join.
    """
    if len(train) < 2:
        return ""
    last_step = max(num_steps or 0, train[-1][0], *(step for step, _ in evaluation)) or 1
    highest = max(max(loss for _, loss in train), *(loss for _, loss in evaluation), 1e-9)

    def place(point: Point) -> str:
        x = _LEFT + point[0] / last_step * (WIDTH - _LEFT - _RIGHT)
        y = HEIGHT - _BOTTOM - point[1] / highest * (HEIGHT - _TOP - _BOTTOM)
        return f"{x:.1f},{y:.1f}"

    floor = HEIGHT - _BOTTOM
    line = " ".join(map(place, _thinned(train)))
    dots = "".join(
        f'<circle cx="{x}" cy="{y}" r="4" fill="{_EVAL}"/>'
        for x, y in (place(point).split(",") for point in evaluation)
    )
    label = 'fill="currentColor" font-size="11" opacity=".7"'
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" style="max-width:100%;margin-top:6px" '
        f'role="img" aria-label="training loss">'
        f'<path d="M{_LEFT} {_TOP}V{floor}H{WIDTH - _RIGHT}" fill="none" stroke="currentColor" '
        f'opacity=".35"/>'
        f'<text x="{_LEFT - 6}" y="{_TOP + 9}" text-anchor="end" {label}>{highest:.2f}</text>'
        f'<text x="{_LEFT - 6}" y="{floor}" text-anchor="end" {label}>0</text>'
        f'<text x="{_LEFT}" y="{HEIGHT - 4}" {label}>loss over the steps</text>'
        f'<text x="{WIDTH - _RIGHT}" y="{HEIGHT - 4}" text-anchor="end" {label}>{last_step:,.0f}</text>'
        f'<polyline points="{line}" fill="none" stroke="{_TRAIN}" stroke-width="2"/>{dots}</svg>'
    )


def _thinned(points: Sequence[Point]) -> list[Point]:
    """Return at most MAX_POINTS points, each the mean of its neighbours; the last one stays itself."""
    size = -(-len(points) // MAX_POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    means = [tuple(sum(values) / len(group) for values in zip(*group, strict=True)) for group in groups]
    return [*means[:-1], points[-1]]
