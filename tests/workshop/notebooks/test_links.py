"""Where people are sent: the form of each address without a network, and what does not answer on loopback."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

import pytest

from workshop.errors import WorkshopError
from workshop.notebooks import links
from workshop.notebooks.links import report, texts, unanswered, web_addresses
from workshop.settings import find_repo_dir

REPO_DIR = find_repo_dir()
TEXTS = dict(texts(REPO_DIR))
NOTEBOOKS = [path for path in TEXTS if path.suffix == ".ipynb"]
REFERENCES = "**참고 · References**\n"
MIN_REFERENCES, MAX_REFERENCES = 2, 6

# Where people may be sent, and what for. Another host is added here with its purpose, after a look at it.
KNOWN_HOSTS = {
    "aclanthology.org": "papers on language",
    "arxiv.org": "papers, by their abstract",
    "aws.amazon.com": "prices, and posts that introduce a feature",
    "console.aws.amazon.com": "AWS's console, in the reader's account",
    "docs.aws.amazon.com": "AWS's guides and API references",
    "docs.djl.ai": "the LMI containers",
    "docs.docker.com": "how Docker is installed",
    "docs.lancedb.com": "LanceDB's guide",
    "docs.nvidia.com": "how Docker gets GPUs",
    "docs.pytorch.org": "PyTorch's reference",
    "docs.vllm.ai": "vLLM's guide",
    "download.pytorch.org": "packages of torch for older drivers",
    "github.com": "source, specifications, issues, the original workshop",
    "huggingface.co": "models, data sets and the guides of their libraries",
    "martinfowler.com": "the circuit breaker's first description",
    "mlflow.org": "MLflow's guide",
    "plg.uwaterloo.ca": "the paper on fusing ranks, on its author's page",
    "www.evanmiller.org": "the post on looking at an A/B test too often",
    "www.philschmid.de": "posts that the original workshop follows",
    "www.usenix.org": "papers on systems",
}
TRACKING = re.compile(r"utm_|trk|sc_|(fbclid|gclid|igshid|mc_eid|ref|source)$", re.IGNORECASE)


def problems(address: str) -> list[str]:
    """Return what is wrong with the form of an address."""
    parts = urlsplit(address)
    found = {
        "not https": parts.scheme != "https",
        f"unknown host {parts.hostname}": parts.hostname not in KNOWN_HOSTS,
        "a port or a user": parts.netloc != parts.hostname,
        "no path": not parts.path,
        "tracks the reader": any(TRACKING.match(name) for name, _ in parse_qsl(parts.query, True)),
        "not the abstract": parts.hostname == "arxiv.org"
        and not re.fullmatch(r"/abs/\d{4}\.\d{5}", parts.path),
    }
    return [name for name, wrong in found.items() if wrong]


def references(text: str) -> list[str]:
    """Return the lines of a notebook's references: what stands below their head, to the end of the list."""
    below = text.partition(REFERENCES)[2].partition("\n\n")[0]
    return below.splitlines()


def name(path: Path) -> str:
    return str(path.relative_to(REPO_DIR))


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_addresses_have_the_form_and_a_host_that_is_known(path: Path) -> None:
    wrong = {one: problems(one) for one in web_addresses(TEXTS[path])}
    assert {one: why for one, why in wrong.items() if why} == {}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_ends_with_references_each_once_and_with_what_one_finds_there(path: Path) -> None:
    lines = references(TEXTS[path])
    assert MIN_REFERENCES <= len(lines) <= MAX_REFERENCES
    for line in lines:
        title, what = re.fullmatch(r"- \[([^]]+)\]\(https://\S+\): (.+)", line).groups()
        assert title
        assert re.search("[가-힣]", what)
    assert [one for one, number in Counter(web_addresses(TEXTS[path])).items() if number > 1] == []
    assert TEXTS[path].rstrip().endswith(lines[-1])


def test_notebooks_readmes_and_setup_are_looked_at_and_no_host_is_known_for_nothing() -> None:
    names = {name(path) for path in TEXTS}
    assert {"README.md", "README.ko.md", "setup/README.ko.md", "src/serve/README.md"} <= names
    assert len(NOTEBOOKS) >= 19
    used = {urlsplit(one).hostname for text in TEXTS.values() for one in web_addresses(text)}
    assert set(KNOWN_HOSTS) - used == set()


def test_both_readmes_credit_the_original_workshop() -> None:
    for one in ("README.md", "README.ko.md"):
        assert "https://github.com/aws-samples/aws-ai-ml-workshop-kr" in TEXTS[REPO_DIR / one]


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://arxiv.org/abs/2106.09685", "not https"),
        ("https://arxiv.org.example.com/abs/2106.09685", "unknown host arxiv.org.example.com"),
        ("https://me@github.com/a", "a port or a user"),
        ("https://github.com:8443/a", "a port or a user"),
        ("https://github.com", "no path"),
        ("https://mlflow.org/docs/?utm_source=chat", "tracks the reader"),
        ("https://aws.amazon.com/blogs/a/?trk=", "tracks the reader"),
        ("https://arxiv.org/pdf/2106.09685", "not the abstract"),
    ],
)
def test_a_wrong_form_is_found(address: str, why: str) -> None:
    assert problems(address) == [why]


def test_an_address_ends_where_markdown_or_korean_goes_on_and_this_machine_is_not_on_the_web() -> None:
    text = (
        "[a](https://a.org/x_(y).html) `https://b.org/c`을 <https://d.org/>, https://e.org/f는 "
        "(https://g.org/h). http://127.0.0.1:8080/v1 http://HOST:PORT/x http://localhost:8888/lab https://a.org/z"
    )
    assert web_addresses(text) == [
        "https://a.org/x_", "https://b.org/c", "https://d.org/", "https://e.org/f", "https://g.org/h",
        "https://a.org/z",
    ]  # fmt: skip


class Site(BaseHTTPRequestHandler):
    """Answers /here; /only-get not to HEAD; /moved leads to /here; /slow too late; all else is not there."""

    asked: ClassVar[Counter[str]] = Counter()

    def do_HEAD(self) -> None:
        self.answer({"/here": 200, "/only-get": 405, "/moved": 301}.get(self.path, 404))

    def do_GET(self) -> None:
        self.answer({"/here": 200, "/only-get": 200}.get(self.path, 404))

    def answer(self, status: int) -> None:
        self.asked[f"{self.command} {self.path}"] += 1
        if self.path == "/slow":
            self.server.closing.wait(5)  # longer than the client waits
        self.send_response(status)
        if status == 301:
            self.send_header("Location", "/here")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Site.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.closing = threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_what_answers_to_head_or_to_get_or_elsewhere_is_there_and_is_asked_once(site: str) -> None:
    there = [f"{site}/here", f"{site}/only-get", f"{site}/moved", f"{site}/here"]
    assert unanswered(there, 10) == {}
    assert Site.asked["GET /only-get"] == 1
    assert Site.asked["GET /here"] + Site.asked["HEAD /here"] == 2, "by itself, and from /moved"


def test_what_is_gone_or_too_slow_or_refused_is_named_with_its_reason_and_place(site: str) -> None:
    gone, slow, closed = f"{site}/gone", f"{site}/slow", "http://127.0.0.1:1/"
    failed = unanswered([f"{site}/here", gone, slow, closed], 0.3)
    assert list(failed) == [gone, slow, closed]
    assert failed[gone] == "404 Not Found"
    assert "timed out" in failed[slow]
    assert "refused" in failed[closed]
    lines = report(
        {gone: ["a.md", "b.ipynb"], slow: ["a.md"], f"{site}/here": ["a.md"]}, {gone: failed[gone]}
    )
    assert lines.splitlines() == [
        f"{gone}   404 Not Found   in a.md, b.ipynb",
        "3 addresses, 1 without an answer",
    ]


def test_no_answer_at_all_is_the_network_and_not_the_links(site: str) -> None:
    with pytest.raises(WorkshopError, match="none of 2 addresses answers: 404 Not Found"):
        unanswered([f"{site}/a", f"{site}/b"], 10)


def test_the_command_asks_each_address_of_a_repository_and_ends_with_1_when_one_is_gone(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notebook").mkdir()
    (tmp_path / "README.md").write_text(f"[a]({site}/here) [b]({site}/gone)")
    monkeypatch.setattr(links, "find_repo_dir", lambda: tmp_path)
    monkeypatch.setattr(links, "_PUBLIC_HOST", re.compile(r"127\.0\.0\.1"))
    assert links.main(["--timeout-s", "10"]) == 1
    assert f"{site}/gone   404 Not Found   in README.md" in capsys.readouterr().out
    (tmp_path / "README.md").write_text(f"[a]({site}/here)")
    assert links.main([]) == 0
    assert capsys.readouterr().out == "1 addresses, 0 without an answer\n"
