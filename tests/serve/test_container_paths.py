"""The container's paths where nothing is mounted: read where the files are, shown as they were given."""

from __future__ import annotations

from pathlib import Path

import pytest

from serve.container_paths import VARIABLE, ContainerPaths
from serve.settings import read_settings


@pytest.fixture
def paths(tmp_path: Path) -> ContainerPaths:
    """Behind a link, as the sandbox has it."""
    (tmp_path / "files").mkdir()
    (tmp_path / "ml").symlink_to(tmp_path / "files")
    return ContainerPaths(str(tmp_path / "ml"))


def test_a_path_below_opt_ml_lies_in_the_folder_and_others_are_left_alone(
    paths: ContainerPaths, tmp_path: Path
) -> None:
    assert paths.local("/opt/ml/model/") == tmp_path / "ml" / "model"
    for path in ("/opt/mlx", "/srv/opt/ml", "model", "/opt/ml/../etc"):
        expected = tmp_path / "ml" / "../etc" if ".." in path else Path(path)
        assert paths.local(path) == expected


def test_a_text_shows_opt_ml_for_the_folder_and_for_where_its_link_leads(
    paths: ContainerPaths, tmp_path: Path
) -> None:
    text = f"no file {tmp_path}/ml/model/a, nor {tmp_path}/files/b; but {tmp_path}/mlx"
    assert paths.shown(text) == f"no file /opt/ml/model/a, nor /opt/ml/b; but {tmp_path}/mlx"


@pytest.mark.parametrize("folder", ["", "/opt/ml"])
def test_with_a_mount_nothing_is_changed(folder: str) -> None:
    paths = ContainerPaths(folder)
    assert paths.local("/opt/ml/model") == Path("/opt/ml/model")
    assert paths.shown("/opt/ml/model /tmp/x") == "/opt/ml/model /tmp/x"


@pytest.mark.parametrize("dialect", ["tgi", "lmi", "vllm"])
def test_a_rewritten_variable_is_the_model_under_the_name_that_it_was_given(
    dialect: str, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").touch()
    variable = "SM_VLLM_MODEL" if dialect == "vllm" else "HF_MODEL_ID"
    environ = {
        VARIABLE: str(tmp_path),
        "SM_MODEL_DIR": f"{tmp_path}/model",
        variable: f"{tmp_path}/model",
        "SERVE_CACHE_DIR": f"{tmp_path}/cache",
    }
    settings = read_settings(["--dialect", dialect], environ)
    assert settings.model.id == "/opt/ml/model"
    assert str(tmp_path) not in "".join((*settings.model.known_names, settings.model.store_url))
    assert settings.model_dir == tmp_path / "model"
    assert settings.cache_dir == tmp_path / "cache"
