"""What Compose reads is what the SDK wrote, with limits and without keys; what the SDK reads is unchanged."""

from __future__ import annotations

import os
import sys
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import yaml

from workshop.training.compose_file import (
    COMPOSE_NAME,
    ContainerRules,
    amended,
    amended_compose_file,
    caller_user,
)

RULES = ContainerRules(project="news-1a2b", memory_bytes=2**31, user="1000:1000", is_offline=True)
LABEL = "workshop.run=news.1"


def local_container(root: Path, *, count: int = 2) -> Any:
    """The SDK's own object, with what ModelTrainer gives it for local folders."""
    from sagemaker.core.shapes import Channel, DataSource, FileSystemDataSource
    from sagemaker.train.local.local_container import _LocalContainer

    channels = []
    for name in ("model", "code", "sm_drivers"):
        folder = root.parent / name
        folder.mkdir(exist_ok=True)
        source = FileSystemDataSource.model_construct(directory_path=str(folder), file_system_type="EFS")
        channels.append(
            Channel(
                channel_name=name, data_source=DataSource(file_system_data_source=source), input_mode="File"
            )
        )
    return _LocalContainer(
        training_job_name="job",
        instance_type="local_cpu",
        instance_count=count,
        image="image:1",
        container_root=str(root),
        input_data_config=channels,
        environment={},
        hyper_parameters={},
        container_entrypoint=["/bin/bash"],
        container_arguments=["-c", "true"],
    )


@pytest.fixture
def written(tmp_path: Path) -> dict[str, Any]:
    """What the SDK writes for two hosts, and what Compose then reads."""
    root = tmp_path / "root"
    root.mkdir()
    container = local_container(root)
    volumes = container._prepare_training_volumes(str(root / "data"), container.input_data_config, {})
    session = boto3.Session("marked-key", "very-secret", region_name="us-east-1")
    container.sagemaker_session = SimpleNamespace(boto_session=session)
    with amended_compose_file(RULES, LABEL):
        returned = container._generate_compose_file({"MY_OWN": "value"}, volumes)
    return {"returned": returned, "read": yaml.safe_load((root / COMPOSE_NAME).read_text()), "root": root}


def test_every_container_has_limits_and_the_guards_label(written: dict[str, Any]) -> None:
    assert sorted(written["read"]["services"]) == ["algo-1", "algo-2"]
    for service in written["read"]["services"].values():
        assert service["labels"] == [LABEL]
        assert service["mem_limit"] == service["memswap_limit"] == 2**31
        assert (service["user"], service["cap_drop"]) == ("1000:1000", ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert (service["shm_size"], service["pids_limit"]) == ("1g", 4096)


def test_the_network_is_this_homes_own_and_leads_nowhere(written: dict[str, Any]) -> None:
    assert written["read"]["name"] == "news-1a2b"
    (network,) = written["read"]["networks"].values()
    assert network == {"name": "news-1a2b", "internal": True, "labels": [LABEL]}


def test_inputs_are_read_only_and_results_are_not(written: dict[str, Any]) -> None:
    volumes = [each.split(":") for each in written["read"]["services"]["algo-1"]["volumes"]]
    access = {inside: "".join(options) for _, inside, *options in volumes}
    assert access == {
        "/opt/ml/input/data/model": "ro",
        "/opt/ml/input/data/code": "ro",
        "/opt/ml/input/data/sm_drivers": "",
        "/opt/ml/model": "",
        "/opt/ml/input": "",
        "/opt/ml/output": "",
        "/opt/ml/output/data": "",
        "/opt/ml/checkpoints": "",
    }


def test_no_container_gets_a_key(written: dict[str, Any]) -> None:
    text = (written["root"] / COMPOSE_NAME).read_text()
    assert "very-secret" not in text + str(written["returned"])
    assert "MY_OWN=value" in text


def test_docker_finds_every_folder_and_place_of_a_mount(written: dict[str, Any]) -> None:
    root = written["root"]
    for service in written["read"]["services"].values():
        assert all(Path(each.split(":")[0]).is_dir() for each in service["volumes"])
    assert {path.name for path in (root / "algo-2" / "input" / "data").iterdir()} == {
        "model",
        "code",
        "sm_drivers",
    }


def test_the_sdk_reads_on_what_it_wrote(written: dict[str, Any]) -> None:
    service = written["returned"]["services"]["algo-1"]
    assert "labels" not in service
    assert not [each for each in service["volumes"] if each.count(":") > 1]


def test_the_sdk_still_writes_the_file_where_it_is_amended_and_then_starts_compose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An SDK that writes it elsewhere, or starts Compose before, turns this red."""
    from sagemaker.train.local import local_container as module

    root, started = tmp_path / "root", []
    root.mkdir()

    def popen(command: list[str], **options: Any) -> None:
        assert command[2:4] == ["-f", str(root / COMPOSE_NAME)]
        started.append(yaml.safe_load((root / COMPOSE_NAME).read_text()))
        raise RuntimeError("no Compose here")

    monkeypatch.setattr(module.subprocess, "Popen", popen)
    monkeypatch.setattr(module.subprocess, "check_output", lambda *args, **options: "version v2.26.1")
    before = module._LocalContainer._generate_compose_file
    with pytest.raises(RuntimeError, match="no Compose here"), amended_compose_file(RULES, LABEL):
        local_container(root, count=1).train(wait=True)
    assert started[0]["services"]["algo-1"]["labels"] == [LABEL]
    assert module._LocalContainer._generate_compose_file is before


@pytest.mark.parametrize("own", [None, "shop"])
def test_a_persons_own_name_for_composes_project_is_not_this_runs(
    monkeypatch: pytest.MonkeyPatch, own: str | None
) -> None:
    monkeypatch.delenv("COMPOSE_PROJECT_NAME", raising=False)
    if own:
        monkeypatch.setenv("COMPOSE_PROJECT_NAME", own)
    with amended_compose_file(RULES, LABEL):
        assert os.environ["COMPOSE_PROJECT_NAME"] == "news-1a2b"
    assert os.environ.get("COMPOSE_PROJECT_NAME") == own


def test_volumes_of_selinux_keep_their_letter(tmp_path: Path) -> None:
    volumes = [f"{tmp_path}:/opt/ml/input/data/model:z", f"{tmp_path}/m:/opt/ml/model:z"]
    content = {"services": {"algo-1": {"volumes": volumes, "environment": []}}}
    before = deepcopy(content)
    read = amended(content, RULES, LABEL, tmp_path)["services"]["algo-1"]["volumes"]
    assert read[:2] == [f"{tmp_path}:/opt/ml/input/data/model:ro,z", f"{tmp_path}/m:/opt/ml/model:z"]
    assert content == before


def test_studios_containers_keep_studios_network(tmp_path: Path) -> None:
    content = {"services": {"algo-1": {"volumes": [], "environment": [], "network_mode": "sagemaker"}}}
    read = amended(content, RULES, LABEL, tmp_path)
    assert "networks" not in read
    assert read["services"]["algo-1"]["network_mode"] == "sagemaker"


def test_files_are_the_callers_unless_the_engine_maps_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert caller_user("[name=seccomp,profile=default]") == f"{os.getuid()}:{os.getgid()}"
    assert caller_user("[name=seccomp,profile=default name=rootless]") is None
    monkeypatch.setattr(sys, "platform", "darwin")
    assert caller_user("[name=seccomp,profile=unconfined]") is None
