"""The picture of a load test shows its numbers."""

from __future__ import annotations

import warnings
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from workshop import plots
from workshop.errors import WorkshopError
from workshop.serving.load_test import LoadRequest, LoadResult


def result(num_users: int, *, error: str = "") -> LoadResult:
    requests = tuple(
        LoadRequest(
            index=index, user=index % num_users, started_s=0.0, seconds=0.2 * num_users + 0.01 * index,
            first_token_s=0.02 * num_users, gaps_s=(0.01,), num_tokens=20, error=error,
        )
        for index in range(20)
    )  # fmt: skip
    return LoadResult(num_users=num_users, requests=requests, wall_s=4.0 / num_users)


@pytest.mark.parametrize("users", [(1, 2, 4, 8), (4,)])
def test_it_is_drawn_without_a_warning(users: tuple[int, ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        png = plots.load_curves([result(count) for count in users])._repr_png_()
    with Image.open(BytesIO(png)) as image:
        assert image.width > 800
        assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 20


def test_lines_are_the_results_in_the_order_of_users() -> None:
    left, right = plots.load_curves([result(4), result(1), result(2, error="refused")]).axes
    first, first_p95, total, total_p95 = (line.get_ydata() for line in left.get_lines())
    assert list(left.get_lines()[0].get_xdata()) == [1, 4]
    assert list(first) == pytest.approx([20, 80])
    assert list(first_p95) == pytest.approx([20, 80])
    assert list(total) == pytest.approx([295, 895])
    assert total_p95[0] > total[0]
    assert list(right.get_lines()[0].get_ydata()) == pytest.approx([100, 400])
    assert "20.0 requests/s" in right.texts[1].get_text()


def test_tests_without_an_answer_have_no_picture() -> None:
    with pytest.raises(WorkshopError, match="without one answer"):
        plots.load_curves([result(2, error="refused")])
