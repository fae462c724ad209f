"""The folder that is sent to the pipeline's processing jobs."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from workshop.pipeline.sources import REQUIREMENTS, SCRIPTS, Sources, pipeline_sources
from workshop.settings import find_repo_dir

REPO_DIR = find_repo_dir()


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return pipeline_sources(tmp_path_factory.mktemp("pipeline"))


def pins(path: Path) -> dict[str, str]:
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return {name.lower(): version for name, _, version in (line.partition("==") for line in lines) if version}


def test_what_is_sent_runs_without_the_repository(sources: Sources, tmp_path: Path) -> None:
    for script in (sources.prepare, sources.evaluate):
        # The repository is installed here, but a script's own folder comes first.
        done = subprocess.run(
            [sys.executable, "-B", "-X", "importtime", str(script), "--help"],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "--output" in done.stdout
        imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        ours = {name for name in imported if name.split(".")[0] in ("workshop", "processes", "sample")}
        files = {name: sources.folder / Path(*name.split(".")) for name in ours}
        missing = [
            name
            for name, path in files.items()
            if not (path.with_suffix(".py").is_file() or (path / "__init__.py").is_file())
        ]
        assert missing == []
        assert "workshop.news.load" in ours or "workshop.pipeline.report" in ours


def test_only_what_the_scripts_import_is_sent(sources: Sources) -> None:
    names = {
        path.relative_to(sources.folder).as_posix() for path in sources.folder.rglob("*") if path.is_file()
    }
    assert {*SCRIPTS, REQUIREMENTS, "train/chat_template.jinja"} <= names
    assert "workshop/evaluation/verdict.py" in names
    assert not [name for name in names if name.startswith(("sample/", "workshop/aws/", "workshop/account/"))]
    assert all(name.endswith((".py", ".jinja", ".txt")) for name in names)


def test_the_same_files_are_one_folder_and_others_another(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = pipeline_sources(sources.folder.parent)
    assert again == sources
    monkeypatch.setattr("workshop.pipeline.sources._OTHER_FILES", ())
    assert pipeline_sources(sources.folder.parent).digest != sources.digest


def test_requirements_are_the_versions_of_this_environment_and_name_all_that_is_imported(
    sources: Sources,
) -> None:
    given = pins(sources.folder / REQUIREMENTS)
    ours = pins(REPO_DIR / "setup" / "constraints.txt")
    assert given == {name: ours[name] for name in given}
    distributions = packages_distributions()
    imported = set()
    for path in sources.folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.split(".")[0])
    needed = {name for name in imported if name in distributions}
    # torch is the image's; the others are for what a job does not do: hub, morphemes, a deployment's image.
    needed -= {
        "torch",
        "workshop",
        "processes",
        "sample",
        "datasets",
        "huggingface_hub",
        "kiwipiepy",
        "sagemaker",
    }
    assert {distributions[name][0].lower() for name in needed} <= set(given)
