"""A small repository of its own for tests of settings and what builds on them, and AWS on this machine."""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from workshop.settings import Settings, find_repo_dir, load_settings

if TYPE_CHECKING:
    from workshop.aws.session import Aws


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


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be the only folder on PATH: a machine with these programs and no others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture(autouse=True)
def no_real_account() -> Iterator[None]:
    """Keep every test away from AWS and from a person's credentials, and undo what `connect` changes."""
    saved = dict(os.environ)
    for name in [name for name in saved if name.startswith(("AWS_", "SAGEMAKER_", "WORKSHOP_"))]:
        del os.environ[name]
    os.environ |= {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    yield
    os.environ.clear()
    os.environ.update(saved)
    if "boto3" in sys.modules:
        sys.modules["boto3"].DEFAULT_SESSION = None
    if "sagemaker.core.utils.utils" in sys.modules:
        sys.modules["sagemaker.core.utils.utils"].SageMakerClient.reset()


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """The address of a moto server: S3, STS, IAM and Logs over real HTTP."""
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def account(moto_url: str, tmp_path: Path, repo_dir: Path) -> Settings:
    """Settings of a mode on AWS, whose account is the moto server, found by a profile's endpoint_url."""
    profile = f"[default]\nendpoint_url = {moto_url}\naws_access_key_id = a\naws_secret_access_key = b\n"
    (tmp_path / "aws-config").write_text(profile)
    os.environ["AWS_CONFIG_FILE"] = str(tmp_path / "aws-config")
    return load_settings(repo_dir, environ={"WORKSHOP_MODE": "debug"})


@pytest.fixture(scope="session")
def sandbox_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The workshop's home in which one AWS on this machine runs for all tests."""
    from workshop.aws import local as local_aws

    home = tmp_path_factory.mktemp("home")
    clock_speed = load_settings(environ={}).sandbox_clock_speed
    local_aws.ensure_running(home / "sample" / "sandbox", clock_speed=clock_speed)
    yield home
    local_aws.stop(home / "sample" / "sandbox")


@pytest.fixture
def sample_aws(sandbox_home: Path) -> Aws:
    """A connection as the notebooks of sample mode make it."""
    from workshop.aws.session import connect

    return connect(load_settings(environ={"WORKSHOP_HOME": str(sandbox_home)}))


@pytest.fixture(scope="session")
def adapter_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random LoRA adapter for the small base, as adapter components want it: files at the root."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("adapter")
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(find_repo_dir() / "src" / "sample" / "base" / "model")
    lora = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(model, lora).save_pretrained(folder / "files")
    with tarfile.open(folder / "adapter.tar.gz", "w:gz") as archive:
        for path in (folder / "files").iterdir():
            archive.add(path, arcname=path.name)
    return folder / "adapter.tar.gz"
