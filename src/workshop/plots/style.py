"""The look of every figure: a font with Hangul, colours for colour-blind eyes, sizes for a projector."""

import io
from collections.abc import Callable
from functools import cache, wraps
from importlib.metadata import PackageNotFoundError, distribution
from typing import ParamSpec

import matplotlib
from matplotlib.figure import Figure

from workshop.errors import WorkshopError

# Source: Okabe and Ito, "Color Universal Design", 2008; without their yellow, which a projector swallows.
BLUE, ORANGE, GREEN, RED, SKY, PINK = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7"
GREY = "#8a8f98"
COLOURS = (BLUE, ORANGE, GREEN, RED, SKY, PINK, GREY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", ":", "-.")

_FONT_PACKAGE = "koreanize-matplotlib"
_STYLE = {
    # Matplotlib takes each character from the first family that has it.
    "font.family": ["NanumGothic", "DejaVu Sans"],
    "font.size": 12,
    "axes.titlesize": 14,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.labelcolor": "#333333",
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.unicode_minus": False,
    "grid.color": "#e3e3e3",
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "xtick.labelcolor": "#333333",
    "ytick.labelcolor": "#333333",
    "legend.frameon": False,
    "lines.linewidth": 2.2,
    "figure.facecolor": "white",
    "figure.dpi": 120,
    "savefig.dpi": "figure",
}

Arguments = ParamSpec("Arguments")


class NotebookFigure(Figure):
    """A figure that shows itself in a notebook, without pyplot and its global state."""

    def _repr_png_(self) -> bytes:
        image = io.BytesIO()
        with matplotlib.rc_context(_STYLE):
            self.savefig(image, format="png")
        return image.getvalue()


def styled(draw: Callable[Arguments, NotebookFigure]) -> Callable[Arguments, NotebookFigure]:
    """Draw a figure in the workshop's look and leave matplotlib's own settings as they were."""

    @wraps(draw)
    def draw_styled(*args: Arguments.args, **kwargs: Arguments.kwargs) -> NotebookFigure:
        _load_fonts()
        with matplotlib.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return draw_styled


def new_figure(width_inches: float, height_inches: float) -> NotebookFigure:
    """Return an empty figure; use it in functions that are @styled."""
    return NotebookFigure(figsize=(width_inches, height_inches), layout="constrained")


@cache
def _load_fonts() -> None:
    """Tell matplotlib about NanumGothic, which a package brings: no network, no font of the system.

    The package itself is not imported: it needs distutils, which Python 3.12 no longer has.
    """
    from matplotlib import font_manager

    try:
        package = distribution(_FONT_PACKAGE)
    except PackageNotFoundError:
        raise WorkshopError(
            found=f"no package {_FONT_PACKAGE}, so no font with Hangul for the figures",
            expected="the packages of requirements.txt",
            next_step="pip install -r requirements.txt",
        ) from None
    # The extra bold one is a 700, matplotlib's "bold"; the one called bold is a 600, which DejaVu lacks.
    for weight in ("NanumGothic.ttf", "NanumGothicExtraBold.ttf"):
        font_manager.fontManager.addfont(str(package.locate_file(f"koreanize_matplotlib/fonts/{weight}")))
