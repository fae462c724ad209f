"""What the preflight says of this machine. Programs that tell of it are stood for by scripts on PATH."""

from __future__ import annotations

import json
import platform
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.workshop.programs import docker_program, program

from workshop.account import machine
from workshop.account.checks import Check, Line, run_checks
from workshop.account.containers import container_checks
from workshop.account.machine import gpu_line, machine_checks, packages
from workshop.aws import roles
from workshop.containers.build import INPUTS_LABEL, inputs_sha256
from workshop.containers.images import TRAINING_IMAGE
from workshop.errors import WorkshopError
from workshop.settings import Settings, find_repo_dir, load_settings

GIB = 1024**3
CURRENT = {"Config": {"Labels": {INPUTS_LABEL: inputs_sha256(TRAINING_IMAGE)}}}


def lines_of(settings: Settings, notebook: str | None = None) -> dict[str, Line]:
    checks = [*machine_checks(settings, notebook), *container_checks(settings, notebook)]
    return {line.subject: line for line in run_checks(checks)}


@pytest.fixture
def sample(tmp_path: Path) -> Settings:
    return load_settings(environ={"WORKSHOP_HOME": str(tmp_path)})


@pytest.fixture
def debug(tmp_path: Path) -> Settings:
    return load_settings(environ={"WORKSHOP_HOME": str(tmp_path), "WORKSHOP_MODE": "debug"})


def test_a_machine_for_sample_mode_is_good_without_docker_and_gpu(sample: Settings, programs: Path) -> None:
    lines = lines_of(sample)
    assert list(lines) == ["python", "packages", "processor", "memory", "disk", "gpu"]
    assert {line.status for line in lines.values()} == {"OK"}, [*map(str, lines.values())]
    assert "none needed" in lines["gpu"].found


def test_looking_makes_no_file_and_no_folder(debug: Settings, programs: Path) -> None:
    lines_of(debug)
    assert not debug.home.exists()


def test_packages_are_compared_with_the_pins(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("torch==0.0.1  # its build does not matter\n")
    file = tmp_path / "requirements.txt"
    file.write_text("-r more.txt\n-c pins.txt\n# pytest==9\nmoto[s3,sts]==0.1 ; python_version > '3'\n")
    line = packages(file)
    assert line.status == "WARN"
    assert "torch 2." in line.found
    assert "+" not in line.found
    assert "not 0.0.1; moto " in line.found
    file.write_text("no-such-package==1.0\n")
    line = packages(file)
    assert (line.status, line.found) == ("FAIL", "not installed: no-such-package")
    assert "setup/environment.sh notebooks" in line.next_step
    assert packages(find_repo_dir() / "requirements.txt").status == "OK"


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.parametrize(("free_gib", "status"), [(1.9, "FAIL"), (2.1, "OK")])
def test_no_disk_is_told_with_what_is_needed(
    sample: Settings, monkeypatch: pytest.MonkeyPatch, free_gib: float, status: str
) -> None:
    # No disk can be filled here without filling everybody's.
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, int(free_gib * GIB)))
    line = lines_of(sample, "03-SageMaker-Training")["disk"]
    assert line.status == status
    assert "2 needed" in line.found
    assert line.status == "OK" or "WORKSHOP_HOME" in line.next_step


def test_the_disk_that_is_needed_is_that_of_what_runs_here(debug: Settings, sample: Settings) -> None:
    def needed(settings: Settings, notebook: str | None, *, has_gpu: bool = True) -> int:
        return machine.needed_disk_gib(settings, notebook, has_gpu=has_gpu)

    assert needed(sample, None) == 2
    assert needed(debug, None, has_gpu=False) == needed(debug, "03-SageMaker-Training") == 8
    assert needed(debug, "01-SageMaker-Inference-Local-Test") == 18
    assert needed(debug, None) == 56


def test_little_memory_is_told(sample: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: NamedTuple("M", [("total", int)])(4 * GIB))
    line = lines_of(sample)["memory"]
    assert line.status == "WARN"
    assert "4.0 GiB" in line.found


@pytest.mark.parametrize(
    ("driver", "cuda", "status"),
    [
        ("580.65.06", "13.0", "OK"),
        ("590.44", "13.2", "OK"),
        ("579.99", "13.0", "FAIL"),
        ("550.163.01", "13.0", "FAIL"),
        ("550.163.01", "12.6", "OK"),
        ("520.1", "12.6", "FAIL"),
        ("580.65.06", None, "FAIL"),
        ("580.65.06", "14.1", "OK"),  # a generation that is not known is not refused with a new driver
    ],
)
def test_the_driver_is_compared_with_the_cuda_of_torch(driver: str, cuda: str | None, status: str) -> None:
    line = gpu_line("1 x A10G", driver, cuda, is_needed=True)
    assert line.status == status
    if status == "FAIL":
        assert gpu_line("1 x A10G", driver, cuda, is_needed=False).status == "WARN"
        assert "rm -rf .venv && make sample" in line.next_step


def test_an_old_driver_is_told_with_the_index_of_a_torch_that_runs(
    debug: Settings, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(programs, "nvidia-smi", 'echo "NVIDIA A10G, 23028 MiB, 550.163.01"')
    docker_program(programs)
    monkeypatch.setattr(machine, "torch_cuda", lambda: "13.0")  # PyPI's build, which has 3 GB
    line = lines_of(debug)["gpu"]
    assert line.status == "FAIL"
    assert "1 x NVIDIA A10G (23028 MiB), driver 550.163.01; torch is built for CUDA 13.0" in line.found
    assert "TORCH_INDEX_URL=https://download.pytorch.org/whl/cu126" in line.next_step


def test_the_installation_names_the_same_driver_and_index() -> None:
    script = (find_repo_dir() / "setup" / "environment.sh").read_text(encoding="utf-8")
    assert f"CUDA_13_DRIVER={machine.MIN_DRIVERS[13]} " in script
    assert f"CUDA_12_INDEX_URL={machine.CUDA_12_INDEX_URL}\n" in script


def test_the_cuda_of_torch_is_read_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    assert machine.torch_cuda() == torch.version.cuda
    (tmp_path / "version.py").write_text("cuda: Optional[str] = '13.0'\n")
    found = type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})
    monkeypatch.setattr(machine, "find_spec", lambda name: found)
    assert machine.torch_cuda() == "13.0"


def test_a_laptop_without_gpu_is_warned_and_may_drive_the_rest(debug: Settings, programs: Path) -> None:
    lines = lines_of(debug)
    assert lines["gpu"].status == lines["serving"].status == "WARN"
    assert "no program `docker`" in lines["serving"].found
    assert "on a machine with one" in lines["gpu"].next_step
    lines = lines_of(debug, "01-SageMaker-Inference-Local-Test")
    assert lines["serving"].status == "FAIL", "this notebook can do nothing here"
    assert "serving" not in lines_of(debug, "04-SageMaker-Inference")


def test_no_compose_is_told_where_local_mode_needs_it(sample: Settings, programs: Path) -> None:
    local = replace(sample, use_local_mode=True)
    docker_program(programs, ClientInfo={})
    for notebook in (None, "03-SageMaker-Training"):
        line = lines_of(local, notebook)["local mode"]
        assert line.status == "FAIL"
        assert "no Docker Compose" in line.found
        assert "docker-compose-plugin" in line.next_step
    assert "local mode" not in lines_of(local, "04-SageMaker-Inference")
    docker_program(programs, image=CURRENT, Name=platform.node())
    assert "Docker 28.2.2, 32 GiB memory, " in str(lines_of(local)["local mode"])
    assert str(lines_of(local)["local mode"]).endswith(" GiB free, Compose 2.40.1")


def test_local_mode_of_a_model_of_the_hub_needs_a_gpu_that_containers_get(
    debug: Settings, programs: Path
) -> None:
    docker_program(programs)
    line = lines_of(replace(debug, use_local_mode=True))["local mode"]
    assert (line.status, "no NVIDIA GPU" in line.found) == ("FAIL", True)
    program(programs, "nvidia-smi", 'echo "NVIDIA A10G, 23028 MiB, 580.65.06"')
    assert lines_of(replace(debug, use_local_mode=True))["local mode"].status == "OK"


def test_an_image_that_is_missing_is_told_with_the_command_that_fetches_it(
    debug: Settings, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(programs, "nvidia-smi", 'echo "NVIDIA A10G, 23028 MiB, 580.65.06"')
    docker_program(programs, image={}, Name=platform.node())
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, 99 * GIB))
    line = lines_of(debug, "01-SageMaker-Inference-Local-Test")["serving"]
    assert line.status == "WARN"
    assert "aws ecr get-login-password --region us-east-1" in line.next_step
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, 14 * GIB))
    line = lines_of(debug, "01-SageMaker-Inference-Local-Test")["serving"]
    assert f"14 GiB free in {programs}" in line.found
    assert "a larger disk" in line.next_step
    docker_program(programs)
    assert lines_of(debug)["serving"].status == "OK"


@pytest.mark.parametrize(
    ("told", "changes", "subject", "found"),
    [
        ({"AppType": "JupyterLab", "SpaceName": "s"}, {}, "serving", "SageMaker Studio (JupyterLab): its"),
        ({"AppType": "CodeEditor"}, {"use_local_mode": True}, "local mode", "Studio (CodeEditor)"),
        ({"ResourceName": "mine", "ResourceArn": "arn:.../mine"}, {}, None, "mine, no app of Studio"),
        ({"AppType": "JupyterLab"}, {"serve_with": "process"}, None, "Studio (JupyterLab)"),
    ],
)
def test_studio_is_told_with_what_its_containers_cannot(
    debug: Settings,
    programs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    told: dict[str, str],
    changes: dict[str, Any],
    subject: str | None,
    found: str,
) -> None:
    path = tmp_path / "resource-metadata.json"
    path.write_text(json.dumps(told))
    monkeypatch.setattr(roles, "METADATA_PATH", path)  # a place that only SageMaker writes to
    program(programs, "nvidia-smi", 'echo "NVIDIA A10G, 23028 MiB, 580.65.06"')
    docker_program(programs)
    lines = lines_of(replace(debug, **changes))
    assert lines["sagemaker"].status == "OK"
    assert found in lines[subject or "sagemaker"].found
    for each in {"serving", "local mode"} & set(lines):
        assert lines[each].status == ("FAIL" if told.get("AppType") else "OK")
    assert lines_of(replace(debug, **changes), "04-SageMaker-Inference")["sagemaker"].status == "OK"


def test_a_check_that_breaks_or_hangs_is_a_line_of_its_own() -> None:
    import threading

    never = threading.Event()

    def refuse() -> Any:
        raise WorkshopError(found="a", expected="b", next_step="c")

    checks = [
        Check(subject="hangs", look=lambda: [never.wait()][1:], limit_s=0.01),
        Check(subject="breaks", look=lambda: [][1]),
        Check(subject="refuses", look=refuse),
        Check(subject="two", look=lambda: [Line(status="OK", subject="two", found=x) for x in "xy"]),
    ]
    lines = list(run_checks(checks))
    never.set()
    assert [(line.status, line.subject) for line in lines] == [
        *(("FAIL", "hangs"), ("FAIL", "breaks"), ("FAIL", "refuses"), ("OK", "two"), ("OK", "two"))
    ]
    assert "no answer within 0.01 s" in lines[0].found
    assert "IndexError: list index out of range" in lines[1].found
    assert str(lines[2]) == f"[FAIL] {'refuses':<14}a; expected b\n{'':<21}do next: c"


def test_of_an_account_number_only_the_last_digits_are_shown() -> None:
    line = Line(status="OK", subject="role", found="arn:aws:iam::123456789012:role/a, 1234567890123")
    assert str(line).endswith("arn:aws:iam::********9012:role/a, 1234567890123")
