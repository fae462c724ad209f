"""Draw what a run showed for the READMEs: the outputs of three cells, as the report has them.

    make screenshots        from the notebooks that `make sample` left on this machine

The same notebooks and the same browser give the same bytes. Another version of the browser may smooth letters
in another way; letters with Hangul are of a font that the page brings along.
"""

from __future__ import annotations

import html
import io
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from processes.files import atomic_write
from workshop.errors import WorkshopError
from workshop.notebooks.outputs import readable
from workshop.notebooks.page_style import page_style
from workshop.notebooks.report import hidden_places
from workshop.pictures.embed import IMG_DIR
from workshop.settings import load_settings
from workshop.view.fonts import font_faces

WIDTH, HEIGHT = 960, 620
"""Of every picture in the browser's units; they stand side by side."""
SCALE = 1.5
"""Pixels for each of them: a picture that is opened by itself fills most of a projector's width."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT_S = 120
NUM_COLOURS = 256  # a third of the bytes, and no difference that one sees

# It runs as root in containers, and has no display; it reports to its maker otherwise.
_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--hide-scrollbars"),
    *(f"--window-size={WIDTH},{HEIGHT}", f"--force-device-scale-factor={SCALE}"),
    "--virtual-time-budget=10000",
)
# A ground and an edge of its own, as the concept pictures have: it stands on a light page and on a dark one.
_STYLE = f"""
body {{ box-sizing: border-box; width: {WIDTH}px; height: {HEIGHT}px; max-width: none; margin: 0;
  padding: 14px 20px; overflow: hidden; border: 2px solid #c3ccd6; background: #fff; color: #16212e;
  font: 16px/1.5 Run, sans-serif; }}
header {{ display: flex; gap: 14px; align-items: baseline; margin-bottom: 6px; white-space: nowrap; }}
header b {{ font-size: 23px; }}
header span {{ color: #4a5a6a; font-size: 18px; }}
header i {{ margin-left: auto; color: #4a5a6a; font: 13px "DejaVu Sans Mono", monospace; }}
main {{ transform-origin: top left; }}
pre, code, .news-run pre {{ font: 13px/1.45 "DejaVu Sans Mono", ui-monospace, Run, monospace; }}
img {{ display: block; margin: 0 auto; }}
"""
# What an output takes is known when it is laid out: what is higher than the page is shown smaller.
_FIT = f"""<script>document.fonts.ready.then(() => {{
  const main = document.querySelector("main");
  const room = {HEIGHT} - main.offsetTop - 14;
  for (let scale = 1.5; scale > 0.3; scale -= 0.02) {{
    main.style.transform = `scale(${{scale}})`;
    main.style.width = `${{100 / scale}}%`;
    if (main.scrollHeight * scale <= room) break;
  }}
}});</script>"""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One picture.

    Args:
        name: Of its file in img/, without .png.
        notebook, cell: The notebook's name, and the id of the cell whose outputs are shown.
        korean, english: Its heading.
        style: CSS that leaves a part of the outputs away, where all are more than one sees at a glance.
    """

    name: str
    notebook: str
    cell: str
    korean: str
    english: str
    style: str = ""


SHOTS = (
    Shot(
        name="run-server",
        notebook="01-SageMaker-Inference-Local-Test",
        cell="02-01-14-code",
        korean="서버가 준비되었습니다",
        english="The server is ready",
    ),
    Shot(
        name="run-summaries",
        notebook="02-Train-Local-KR-News",
        cell="02-24-code",
        korean="학습 전과 후의 요약",
        english="Summaries before and after training",
        # The first article; without lead-3, which nobody has trained.
        style=".news-table table ~ table, .news-table :is(td, th):nth-child(3) { display: none; }",
    ),
    Shot(
        name="run-update",
        notebook="02-2-Option-Rolling-Update",
        cell="02-2-14-code",
        korean="무중단 롤링 업데이트",
        english="A rolling update, no request failed",
        style=".news-frame { display: none; }",
    ),
)


def main() -> int:
    """Draw all of them; exit status 1 when something that they need is missing."""
    try:
        settings = load_settings()
        browser = find_browser()
        for shot in SHOTS:
            content = draw(page(shot, settings.home), browser)
            atomic_write(IMG_DIR / f"{shot.name}.png", content)
            print(f"img/{shot.name}.png  {len(content):,} bytes  from {shot.notebook} [{shot.cell}]")
    except WorkshopError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def find_browser() -> str:
    """Return the path of the browser that draws.

    Raises:
        WorkshopError: None is installed.
    """
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    raise WorkshopError(
        found="no browser that draws without a display",
        expected=f"one of {', '.join(BROWSERS)} on the PATH",
        next_step="sudo apt-get install chromium",
    )


def page(shot: Shot, home: Path) -> str:
    """Return a picture's page: it loads nothing.

    Args:
        home: The folder of the mode's results; the executed notebooks are in its report/.

    Raises:
        WorkshopError: The notebook was not run, or the cell shows nothing.
    """
    outputs = _outputs(shot, home)
    words = f"{shot.korean}{shot.english}{shot.notebook}{outputs}"
    return (
        f'<!doctype html><html lang="ko"><head><meta charset="utf-8">'
        f"<style>{page_style()}{font_faces(words, 'Run')}{_STYLE}{shot.style}</style></head><body>"
        f"<header><b>{html.escape(shot.korean)}</b><span>{html.escape(shot.english)}</span>"
        f"<i>{html.escape(shot.notebook)}</i></header><main>{outputs}</main>{_FIT}</body></html>"
    )


def _outputs(shot: Shot, home: Path) -> str:
    import nbformat
    from nbconvert import HTMLExporter

    path = home / "report" / f"{shot.notebook}.ipynb"
    if not path.is_file():
        raise WorkshopError(
            found=f"no executed notebook {path}",
            expected="what `make sample` leaves there",
            next_step="make sample",
        )
    notebook = readable(nbformat.read(path, as_version=4), hidden_places(home))
    notebook.cells = [cell for cell in notebook.cells if cell.get("id") == shot.cell and cell.outputs]
    if not notebook.cells or any(one.output_type == "error" for one in notebook.cells[0].outputs):
        raise WorkshopError(
            found=f"no outputs of the cell {shot.cell} in {path}, or an error",
            expected="a run to the notebook's end",
            next_step="make sample; after a change of the notebook name its cell in SHOTS",
        )
    exporter = HTMLExporter(
        template_name="basic", embed_images=True, exclude_input=True, exclude_anchor_links=True
    )
    body, _ = exporter.from_notebook_node(notebook)
    return re.sub(r"<script\b.*?</script>", "", body, flags=re.DOTALL | re.IGNORECASE)


def draw(content: str, browser: str) -> bytes:
    """Return a page as a PNG of few colours.

    Raises:
        WorkshopError: The browser drew nothing in its time.
    """
    from PIL import Image

    with tempfile.TemporaryDirectory(prefix="screenshot-", ignore_cleanup_errors=True) as folder:
        source, target = Path(folder, "page.html"), Path(folder, "page.png")
        source.write_text(content, encoding="utf-8")
        command = [
            browser, *_OPTIONS, f"--user-data-dir={folder}/profile", f"--screenshot={target}", source.as_uri()
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
            said = done.stderr[-500:]
        except subprocess.TimeoutExpired:
            said = f"nothing after {TIMEOUT_S} s"
        if not target.is_file():
            raise WorkshopError(
                found=f"{browser} drew nothing: {said}",
                expected="a picture of the page",
                next_step=f"see what `{browser} --headless --no-sandbox --screenshot about:blank` says",
            )
        few = Image.open(target).convert("RGB").quantize(NUM_COLOURS, method=Image.Quantize.MAXCOVERAGE)
        packed = io.BytesIO()
        few.save(packed, format="PNG", optimize=True)
    return packed.getvalue()


if __name__ == "__main__":
    sys.exit(main())
