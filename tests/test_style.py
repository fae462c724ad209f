"""What holds for every file of the repository."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

REPO_DIR = Path(__file__).parents[1]
MAX_FILE_BYTES = 10 * 1024 * 1024
# Written in two halves, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX|HA" + r"CK)\b|raise NotImpl" + r"ementedError")
MACHINE_PATH = re.compile(
    r"(?<![\w.:/$}~-])/(wo" + r"rk|fa" + r"rm|ro" + r"ot|ho" + r"me/[a-z]+|Us" + r"ers/[A-Za-z]+)/"
)
TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{30,}\b|\bA[KS]IA[A-Z0-9]{16}\b")


def repository_files() -> list[Path]:
    """Return tracked files and new ones that git does not ignore; without git, all but environments."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPO_DIR, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode == 0 and listed.stdout:
        paths = [REPO_DIR / name for name in listed.stdout.split("\0") if name]
    else:
        skipped = {".git", ".venv", ".envs", ".workshop", "__pycache__", ".pytest_cache", ".ruff_cache"}
        paths = [path for path in REPO_DIR.rglob("*") if not skipped & set(path.relative_to(REPO_DIR).parts)]
    return [path for path in paths if path.is_file()]


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def lines_matching(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(REPO_DIR)}:{number}: {line.strip()[:100]}"
        for path in repository_files()
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if pattern.search(line)
    ]


def requirements(name: str) -> list[str]:
    lines = [
        line.split("#")[0].strip() for line in (REPO_DIR / name).read_text(encoding="utf-8").splitlines()
    ]
    return [line for line in lines if line]


def test_the_repository_was_found() -> None:
    names = {str(path.relative_to(REPO_DIR)) for path in repository_files()}
    assert {"Makefile", "workshop.yaml", "src/workshop/start.py", "tests/test_style.py"} <= names


def test_nothing_is_marked_unfinished() -> None:
    assert lines_matching(UNFINISHED) == []


def test_no_path_of_one_machine_stands_in_a_file() -> None:
    assert lines_matching(MACHINE_PATH) == []


def test_no_token_stands_in_a_file() -> None:
    assert lines_matching(TOKEN) == []


def test_no_file_is_over_10_mb() -> None:
    assert [str(path) for path in repository_files() if path.stat().st_size > MAX_FILE_BYTES] == []


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (UNFINISHED, "# TO" + "DO: later"),
        (MACHINE_PATH, 'open("/ro' + 'ot/x")'),
        (MACHINE_PATH, "cd /ho" + "me/kim/repo"),
        (TOKEN, "hf_" + "a" * 34),
        (TOKEN, "AK" + "IA" + "A" * 16),
    ],
)
def test_a_line_that_should_not_be_there_is_found(pattern: re.Pattern[str], line: str) -> None:
    assert pattern.search(line)


LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```", re.DOTALL)


def broken_links(path: Path) -> list[str]:
    """Return the links of a Markdown file that lead nowhere, and the paths in CONTRIBUTING.md's tables."""
    text = CODE.sub("", path.read_text(encoding="utf-8"))
    targets = {match.partition("#")[0] for match in LINK.findall(text) if "://" not in match}
    if path.name == "CONTRIBUTING.md":
        quoted = re.findall(r"`([\w./-]+/[\w./-]*\.\w+|[\w./-]+/)`", text)
        targets |= {name for name in quoted if "NAME" not in name and "NN-" not in name}
    return sorted(target for target in targets if target and not (path.parent / target).exists())


def test_every_link_of_a_document_leads_to_a_file() -> None:
    documents = [path for path in repository_files() if path.suffix == ".md"]
    assert len(documents) >= 10
    assert {str(path): links for path in documents if (links := broken_links(path))} == {}


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    path = tmp_path / "CONTRIBUTING.md"
    path.write_text("[a](none.md) [b](CONTRIBUTING.md#x) [c](https://d.e/f) `src/none.py` `src/NAME.py`")
    assert broken_links(path) == ["none.md", "src/none.py"]


def test_make_help_lists_every_target_with_one_line_of_meaning() -> None:
    text = (REPO_DIR / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z][a-z-]*):(?!=)", text, flags=re.MULTILINE)
    (phony,) = re.findall(r"^\.PHONY: (.+)$", text, flags=re.MULTILINE)
    assert sorted(phony.split()) == sorted(targets)
    # not a child of the make that runs the tests: its flags would travel along
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"
    }
    for arguments in ([], ["help"]):
        done = subprocess.run(
            ["make", *arguments], cwd=REPO_DIR, env=environ, capture_output=True, text=True, check=True
        )
        listed = re.findall(r"^make (\S+) +\S.+$", done.stdout, flags=re.MULTILINE)
        assert listed == targets


@pytest.mark.parametrize(
    "name", ["requirements.txt", "src/train/requirements.txt", "setup/lab-requirements.txt"]
)
def test_every_requirement_is_pinned_exactly(name: str) -> None:
    pins = [line for line in requirements(name) if not line.startswith(("-r ", "-c "))]
    assert len(pins) >= 10
    pin = re.compile(r"[\w.-]+(\[[\w,]+\])?==[\w.]+( ; sys_platform == \"darwin\")?")
    assert [line for line in pins if not pin.fullmatch(line)] == []


def test_the_constraints_agree_with_every_requirement() -> None:
    def by_name(lines: list[str]) -> dict[str, str]:
        pairs = [re.match(r"([\w.-]+)(?:\[[\w,]+\])?==(\S+)", line) for line in lines]
        return {re.sub(r"[-_.]+", "-", pair[1]).lower(): pair[2] for pair in pairs if pair}

    constraints = by_name(requirements("setup/constraints.txt"))
    assert len(constraints) == len(requirements("setup/constraints.txt")), (
        "each line is a pin, each package once"
    )
    asked = by_name(requirements("requirements.txt") + requirements("src/train/requirements.txt"))
    asked.pop("torch")
    assert {name: constraints.get(name) for name in asked} == asked


def test_torch_is_pinned_for_the_host_and_left_to_the_image_in_training() -> None:
    assert any(line.startswith("torch==") for line in requirements("requirements.txt"))
    for name in ("src/train/requirements.txt", "setup/constraints.txt"):
        assert not [line for line in requirements(name) if re.match(r"(torch|triton|nvidia)\b", line)]


def test_commit_hooks_use_the_environments_own_tools() -> None:
    config = yaml.safe_load((REPO_DIR / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    hooks = config["repos"][0]["hooks"]
    assert all(hook["language"] == "system" and hook["entry"].startswith(".venv/bin/") for hook in hooks)
    assert any("nbstripout --keep-id" in hook["entry"] for hook in hooks)


def test_ci_runs_what_the_readme_says() -> None:
    script = REPO_DIR / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text(encoding="utf-8")
    assert "make test" in (REPO_DIR / "README.md").read_text(encoding="utf-8")
