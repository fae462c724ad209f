"""The look for marked secrets finds them in every form in which a walk could leave one."""

from __future__ import annotations

import base64
import gzip
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from tests.notebooks.marked_secrets import MarkedSecrets


@pytest.fixture
def secrets(tmp_path: Path) -> MarkedSecrets:
    return MarkedSecrets(tmp_path)


def archive(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as packed:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        packed.addfile(member, io.BytesIO(content))
    return file.getvalue()


def test_a_secret_is_found_in_a_file_its_name_its_packed_form_and_as_base64(
    secrets: MarkedSecrets, tmp_path: Path
) -> None:
    token, key = secrets.variables["HF_TOKEN"], secrets.variables["AWS_SECRET_ACCESS_KEY"]
    (tmp_path / "a.log").write_text(f"token={token}")
    (tmp_path / "b.json").write_bytes(base64.b64encode(f"me:{key}".encode()))
    (tmp_path / "source.tar.gz").write_bytes(archive("train/.env", token.encode()))
    (tmp_path / "log.gz").write_bytes(gzip.compress(key.encode()))
    (tmp_path / f"cache-{token}").touch()
    (tmp_path / "c.log").write_text(f"sagemaker-api-key-{'aB3+' * 20} X-Amz-Signature={'0a' * 32}")
    (tmp_path / "clean").write_text("HF_TOKEN=***")
    expected = [
        "a.log: HF_TOKEN",
        "b.json: AWS_SECRET_ACCESS_KEY",
        "c.log: a bearer token",
        "c.log: a signed address",
        f"cache-{token}: HF_TOKEN",
        "log.gz > content: AWS_SECRET_ACCESS_KEY",
        "source.tar.gz > content: HF_TOKEN",
    ]
    assert secrets.found_below(tmp_path) == expected
    assert secrets.found_below(tmp_path) == [], "what did not change is not looked through again"


def test_what_was_planted_in_files_is_looked_for_where_it_is_copied_to(
    secrets: MarkedSecrets, tmp_path: Path
) -> None:
    token = (Path(secrets.variables["HF_HOME"]) / "token").read_text()
    profile = Path(secrets.variables["AWS_SHARED_CREDENTIALS_FILE"]).read_text()
    (tmp_path / "copied").write_text(token + profile)
    assert secrets.found_below(tmp_path) == ["copied: a key of a profile", "copied: a token file"]


@pytest.mark.skipif(sys.platform != "linux", reason="environments are read from /proc")
def test_a_secret_is_found_in_the_environment_of_a_running_server(
    secrets: MarkedSecrets, tmp_path: Path
) -> None:
    (tmp_path / "serve.py").write_text("input()")
    command = [sys.executable, "-m", "serve"]
    environ = {**os.environ, "WANDB_API_KEY": secrets.variables["WANDB_API_KEY"]}
    with subprocess.Popen(command, env=environ, cwd=tmp_path, stdin=subprocess.PIPE) as running:
        secrets.look_at_processes(tmp_path)
        running.communicate(b"\n")
    (found,) = secrets.found_in_processes
    assert found.startswith("environment of server (")
    assert found.endswith(": WANDB_API_KEY")
    assert secrets.kinds == {"server"}
