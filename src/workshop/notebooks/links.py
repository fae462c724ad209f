"""Ask every web address in the notebooks and texts whether it still answers. For a person with a network.

    .venv/bin/python -m workshop.notebooks.links                 all of them
    .venv/bin/python -m workshop.notebooks.links --timeout-s 30  on a slow line

Prints those that do not answer, each with where it stands and why. Exit code 0: all answered; 1: not all.
Some servers refuse programs (403, 429): open those in a browser before taking a link away.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from workshop.errors import WorkshopError
from workshop.notebooks.order import list_notebooks
from workshop.settings import find_repo_dir

TIMEOUT_S = 15.0
NUM_AT_ONCE = 8
TEXTS = ("*.md", "setup/**/*.md", "src/**/*.md")

# An address ends where Markdown or Korean goes on: `https://a.b/c`을, [c](https://a.b/c).
_ADDRESS = re.compile(r"https?://(?:(?![<>()\[\]\"'`|\\])[!-~])+")
_PUBLIC_HOST = re.compile(r"[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*\.[a-zA-Z]{2,}")


def web_addresses(text: str) -> list[str]:
    """Return the addresses in a text, in order, each as often as it stands there.

    What only this machine answers (127.0.0.1, localhost) and placeholders (HOST:PORT) are not on the web.
    """
    found = (one.rstrip(".,:;!?") for one in _ADDRESS.findall(text))
    return [one for one in found if _PUBLIC_HOST.fullmatch(urlsplit(one).hostname or "")]


def texts(repo_dir: Path) -> Iterator[tuple[Path, str]]:
    """Yield what people read: the markdown cells of each notebook, and each README and text of setup/."""
    for path in list_notebooks(repo_dir / "notebook"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        yield path, "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    for pattern in TEXTS:
        for path in sorted(repo_dir.glob(pattern)):
            yield path, path.read_text(encoding="utf-8")


def why_no_answer(address: str, timeout_s: float) -> str:
    """Ask by HEAD, then by GET, which some servers want; return "" when it answers, else why not."""
    why = ""
    for method in ("HEAD", "GET"):
        request = Request(address, method=method, headers={"User-Agent": "Mozilla/5.0 (link check)"})
        try:
            with urlopen(request, timeout=timeout_s):
                return ""
        except HTTPError as error:
            why = f"{error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            why = str(getattr(error, "reason", error)) or type(error).__name__
    return why


def unanswered(addresses: Sequence[str], timeout_s: float) -> dict[str, str]:
    """Ask each address once, several at a time; return those without an answer, and why.

    Raises:
        WorkshopError: None of several answers: this machine has no network.
    """
    once = list(dict.fromkeys(addresses))
    failed: dict[str, str] = {}
    with ThreadPoolExecutor(NUM_AT_ONCE) as pool:
        answers = pool.map(lambda one: why_no_answer(one, timeout_s), once)
        for number, (address, why) in enumerate(zip(once, answers, strict=True), start=1):
            if why:
                failed[address] = why
            if sys.stderr.isatty():
                print(f"\r{number}/{len(once)}", end="", file=sys.stderr, flush=True)
    if len(failed) == len(once) > 1:
        raise WorkshopError(
            found=f"none of {len(once)} addresses answers: {next(iter(failed.values()))}",
            expected="a network that reaches the web",
            next_step="look at the network and at HTTPS_PROXY, then run this again",
        )
    return failed


def report(places: Mapping[str, Sequence[str]], failed: Mapping[str, str]) -> str:
    """Return a line for each address that did not answer, then how many were asked."""
    lines = [f"{address}   {why}   in {', '.join(places[address])}" for address, why in failed.items()]
    return "\n".join([*lines, f"{len(places)} addresses, {len(failed)} without an answer"])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Ask every web address in the notebooks and texts.")
    parser.add_argument("--timeout-s", type=float, default=TIMEOUT_S, help="for each request, in seconds")
    timeout_s = parser.parse_args(arguments).timeout_s
    repo_dir = find_repo_dir()
    places: dict[str, list[str]] = {}
    for path, text in texts(repo_dir):
        for address in dict.fromkeys(web_addresses(text)):
            places.setdefault(address, []).append(str(path.relative_to(repo_dir)))
    try:
        failed = unanswered(list(places), timeout_s)
    except WorkshopError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    print(f"\n{report(places, failed)}" if sys.stderr.isatty() else report(places, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
