"""A small repository of its own for tests of settings and what builds on them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from workshop.settings import Settings, find_repo_dir, load_settings


@pytest.fixture
def repo_dir(tmp_path: Path) -> Path:
    """A folder with this repository's workshop.yaml and recipe names, and one notebook."""
    source, copy = find_repo_dir(), tmp_path / "repo"
    copy.mkdir()
    shutil.copy(source / "workshop.yaml", copy)
    shutil.copytree(source / "src" / "train" / "recipes", copy / "src" / "train" / "recipes")
    (copy / "notebook" / "01-first").mkdir(parents=True)
    (copy / "notebook" / "01-first" / "01-Prepare.ipynb").write_text("{}")
    return copy


@pytest.fixture
def settings(repo_dir: Path) -> Settings:
    return load_settings(repo_dir, environ={})
