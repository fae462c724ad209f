"""The curve that grows while a training runs: right places, few points, safe to show."""

import re
import xml.etree.ElementTree as ElementTree

from workshop.view.live_curve import HEIGHT, MAX_POINTS, WIDTH, loss_svg


def line(svg: str) -> list[tuple[float, float]]:
    points = re.search(r'points="([^"]+)"', svg)[1]
    return [tuple(map(float, point.split(","))) for point in points.split()]


def test_nothing_is_drawn_before_there_is_a_line() -> None:
    assert loss_svg([], [], 100) == loss_svg([(1, 2.0)], [(1, 2.0)], 100) == ""


def test_the_line_grows_to_the_right_and_falls_with_the_loss() -> None:
    svg = loss_svg([(0, 4.0), (50, 2.0)], [], 100)
    (x0, y0), (x1, y1) = line(svg)
    (_, _), (x2, _) = line(loss_svg([(0, 4.0), (100, 2.0)], [], 100))
    assert x1 - x0 == (x2 - x0) / 2
    assert y1 > y0
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in ((x0, y0), (x1, y1), (x2, 0)))


def test_a_long_run_is_drawn_with_few_points_and_its_true_end() -> None:
    points = [(float(step), 5.0 - step / 2000) for step in range(1, 5001)]
    drawn = line(loss_svg(points, [], 5000))
    assert MAX_POINTS / 2 < len(drawn) <= MAX_POINTS
    assert drawn[-1] == line(loss_svg(points[-2:], [(1, points[0][1])], 5000))[-1]


def test_zero_loss_and_unknown_length_are_drawn() -> None:
    for svg in (loss_svg([(0, 0.0), (0, 0.0)], [], None), loss_svg([(1, 1.0), (9, 0.5)], [(12, 2.0)], None)):
        assert ElementTree.fromstring(svg).tag == "svg"
        assert "nan" not in svg
