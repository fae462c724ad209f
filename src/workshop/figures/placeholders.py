"""Write the figures where the READMEs and notebooks ask for them, and find texts that say something else.

A placeholder is a pair of comments, which neither GitHub nor Jupyter shows:

    It takes <!-- measured cell en 04-SageMaker-Inference -->9 s<!-- /measured -->.

    total LANGUAGE [TRACK]     all of `make sample`, or of one track (or `all`), at the start of a sentence
    column LANGUAGE            the classes of processors, in the order of `cell`
    cell LANGUAGE NOTEBOOK     a notebook's time on each
    row NOTEBOOK               the same for a notebook's opening table, Korean and English
    machines LANGUAGE          what it was measured on
    scores LANGUAGES METRICS   notebook 02's scores; both may be several, with commas

What is not measured but estimated from the settings is called so, with estimated in place of measured:

    usage LANGUAGE             what the modes on AWS take: notebook, quota, minutes, dollars, the most
    time NOTEBOOK              a notebook's minutes on AWS for its opening table, Korean and English
    price NOTEBOOK             its dollars, likewise

What is read off the notebooks themselves is called linked:

    here NOTEBOOK              at its top, the notebooks of its track, this one marked

LANGUAGE is ko or en. A placeholder whose comments stand on lines of their own is filled with paragraphs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from workshop.errors import WorkshopError
from workshop.figures import text
from workshop.figures.record import FILE_NAME, read_runs
from workshop.notebooks.here import track_line
from workshop.notebooks.order import DEFAULT_TRACKS, choose_tracks, list_notebooks

PLACEHOLDER = re.compile(
    r"(<!-- (?:measured|estimated|linked) ([^>]*?) -->)(.*?)(<!-- /(?:measured|estimated|linked) -->)",
    re.DOTALL,
)
_OF_A_NOTEBOOK = ("row", "time", "price", "here")
_COMMENT = re.compile(r"<!-- /?(?:measured|estimated|linked)\b")


class Figures:
    """The texts of one repository and what they should say.

    Args:
        repo_dir: The repository's root; its figures are in notebook/measured.yaml.
    """

    def __init__(self, repo_dir: Path) -> None:
        self.repo_dir = repo_dir
        self.notebook_dir = repo_dir / "notebook"
        self.runs = read_runs(self.notebook_dir / FILE_NAME)

    def stale(self) -> dict[Path, str]:
        """Return the files that say something else than was measured, with what they should hold."""
        rendered = {path: self.render(path) for path in self.paths()}
        return {path: new for path, new in rendered.items() if new != path.read_text(encoding="utf-8")}

    def write(self) -> list[Path]:
        """Bring every file up to date and return those that changed."""
        stale = self.stale()
        for path, new in stale.items():
            path.write_text(new, encoding="utf-8")
        return list(stale)

    def paths(self) -> Iterator[Path]:
        """Yield the texts: Markdown in the root, in setup/ and under src/, and every notebook."""
        for pattern in ("*.md", "setup/*.md", "src/**/*.md"):
            yield from sorted(self.repo_dir.glob(pattern))
        yield from list_notebooks(self.notebook_dir)

    def render(self, path: Path) -> str:
        """Return a file's content with every placeholder filled.

        Raises:
            WorkshopError: A placeholder asks for something that is not there, or a notebook is not laid out
                as `make format` leaves it, so that writing it would change more than the placeholders.
        """
        old = path.read_text(encoding="utf-8")
        if path.suffix != ".ipynb":
            return self._fill(path, old)
        notebook = json.loads(old)
        if _notebook_text(notebook) != old:
            raise WorkshopError(
                found=f"{path.relative_to(self.repo_dir)} in another layout than notebooks have here",
                expected="JSON as nbformat writes it",
                next_step="make format",
            )
        for one in notebook["cells"]:
            if one["cell_type"] == "markdown":
                source = "".join(one["source"])
                filled = self._fill(path, source)
                if filled != source:
                    one["source"] = filled.splitlines(keepends=True)
        return _notebook_text(notebook)

    def _fill(self, path: Path, old: str) -> str:
        if 2 * len(PLACEHOLDER.findall(old)) != len(_COMMENT.findall(old)):
            raise WorkshopError(
                found=f"a comment of a place without its other half in {path.relative_to(self.repo_dir)}",
                expected="<!-- measured ... --> and <!-- /measured --> (or `estimated`, `linked`) in pairs",
                next_step="add the half that is missing",
            )

        def filled(placeholder: re.Match[str]) -> str:
            opening, wanted, before, closing = placeholder.groups()
            edge = "\n\n" if before.startswith("\n") else ""
            return f"{opening}{edge}{self._text(path, wanted)}{edge}{closing}"

        return PLACEHOLDER.sub(filled, old)

    def _text(self, path: Path, wanted: str) -> str:
        name, *words = wanted.split()
        try:
            if name not in _OF_A_NOTEBOOK and not {*words[0].split(",")} <= {"ko", "en"}:
                raise LookupError(words[0])
            known = [one.stem for one in list_notebooks(self.notebook_dir)]
            if name in (*_OF_A_NOTEBOOK, "cell") and words[-1] not in known:
                raise LookupError(words[-1])
            if name == "here":
                return track_line(self.notebook_dir, *words)
            if name == "total":
                language, *tracks = words
                chosen = choose_tracks(self.notebook_dir, tracks or DEFAULT_TRACKS)
                words = [language, [one.stem for one in chosen]]
            if name == "scores":
                words = [word.split(",") for word in words]
            return text.TEXTS[name](self.runs, *words)
        except (LookupError, TypeError):
            raise WorkshopError(
                found=f"<!-- measured {wanted} --> in {path.relative_to(self.repo_dir)}",
                expected="one of the forms that src/workshop/figures/placeholders.py lists",
                next_step="correct its words",
            ) from None


def _notebook_text(notebook: dict) -> str:
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"
