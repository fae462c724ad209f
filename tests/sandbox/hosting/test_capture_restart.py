"""What was captured and acknowledged survives kill -9 and a full disk: every line once, none cut off."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.sandbox.conftest import RunningSandbox
from tests.sandbox.hosting.conftest import Hosting
from tests.sandbox.hosting.test_data_capture import BUCKET, captured, records

PROGRAM = Path(__file__).with_name("killed_capture.py")
NUM_CLIENTS = 8
BROKEN = (BotoCoreError, ClientError)


@pytest.fixture(scope="module")
def hosting(image_table: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosting]:
    running = RunningSandbox(tmp_path_factory.mktemp("killed") / "home", program=(str(PROGRAM),))
    running.client("s3").create_bucket(Bucket=BUCKET)
    try:
        yield Hosting(running)
    finally:
        running.close()


def ask(hosting: Hosting, name: str, id: str, text: str = "기사" * 100) -> str:
    """Invoke an endpoint, and return the id when it was answered."""
    hosting.runtime.invoke_endpoint(EndpointName=name, Body=text.encode(), InferenceId=id)["Body"].read()
    return id


def ids(sandbox: RunningSandbox, name: str) -> list[str]:
    """Return the ids of what is in S3."""
    found = records(sandbox, f"all/{name}/")
    assert len({each["eventMetadata"]["eventId"] for each in found}) == len(found)
    return [each["eventMetadata"]["inferenceId"] for each in found]


@pytest.mark.parametrize("point", ["frame", "put", "put done"])
def test_every_line_is_there_once_wherever_the_sandbox_was_killed(hosting: Hosting, point: str) -> None:
    sandbox = hosting.sandbox
    name = hosting.deploy(config={"DataCaptureConfig": captured("all")})
    acknowledged = [ask(hosting, name, f"id-{number}") for number in range(3)]
    kill_at = sandbox.home.with_name("home.kill_at")
    kill_at.write_text(point)
    with suppress(BROKEN):
        acknowledged.append(ask(hosting, name, "the last"))
    with suppress(BROKEN):
        sandbox.client("s3").list_objects_v2(Bucket=BUCKET)
    assert sandbox.process.wait(300) == -signal.SIGKILL
    kill_at.unlink()
    assert len(acknowledged) == (3 if point == "frame" else 4)
    assert list((sandbox.home / "captured").iterdir()) != []
    sandbox.restart()
    assert ids(sandbox, name) == acknowledged
    assert list((sandbox.home / "captured").iterdir()) == []


def test_a_kill_among_many_clients_loses_nothing_that_was_answered(hosting: Hosting) -> None:
    sandbox, acknowledged, numbers = hosting.sandbox, [], itertools.count()
    name = hosting.deploy(config={"DataCaptureConfig": captured("all")})
    is_listed = threading.Event()

    def go_on() -> None:
        with suppress(BROKEN):
            while True:
                acknowledged.append(ask(hosting, name, f"id-{next(numbers)}", "기사" * 2000))
                if len(acknowledged) > 60:
                    is_listed.set()

    clients = [threading.Thread(target=go_on) for _ in range(NUM_CLIENTS)]
    for client in clients:
        client.start()
    assert is_listed.wait(300)
    sandbox.client("s3").list_objects_v2(Bucket=BUCKET)  # some are in S3, some are not
    sandbox.stop(kill=True)
    for client in clients:
        client.join()
    sandbox.start()
    found = ids(sandbox, name)
    assert len(found) == len(set(found))
    assert {*acknowledged} <= {*found}
    assert len(found) - len(acknowledged) <= NUM_CLIENTS  # kept, and killed before it was answered


def test_a_file_that_cannot_be_read_does_not_keep_the_rest(hosting: Hosting) -> None:
    sandbox, name = hosting.sandbox, hosting.deploy(config={"DataCaptureConfig": captured("all")})
    ask(hosting, name, "damaged")
    folder = sandbox.home / "captured"
    (path,) = folder.iterdir()
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"parts"', b"?"))
    (folder / "head.frames").write_bytes(content.replace(b'"bucket"', b"?"))
    (folder / "cut.frames").write_bytes(content[:20])  # killed while it began: nothing was answered
    sandbox.restart(kill=True)
    name = hosting.deploy(config={"DataCaptureConfig": captured("all")})
    ask(hosting, name, "whole")
    assert ids(sandbox, name) == ["whole"]
    damaged = {f"{path.name}.damaged", "head.frames.damaged"}
    assert {each.name for each in folder.iterdir()} == damaged
    for each in damaged:
        (folder / each).unlink()


@pytest.fixture
def filled(image_table: Path, tmp_path: Path) -> Iterator[tuple[Hosting, Callable[[bool], None]]]:
    """A sandbox and what fills its disk, or frees it: a real disk where a test may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)]
    is_disk = subprocess.run(mount, capture_output=True).returncode == 0
    running = RunningSandbox(disk / "home" if is_disk else tmp_path / "home")
    running.client("s3").create_bucket(Bucket=BUCKET)
    process, filler = psutil.Process(running.pid), disk / "filler"
    unlimited = process.rlimit(psutil.RLIMIT_FSIZE)

    def fill(is_full: bool) -> None:
        if not is_disk:
            process.rlimit(psutil.RLIMIT_FSIZE, (0, unlimited[1]) if is_full else unlimited)
        elif is_full:
            with suppress(OSError), filler.open("wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass
            os.truncate(filler, filler.stat().st_size - 2 * 4096)  # a part of a frame finds room
        else:
            filler.unlink()

    try:
        yield Hosting(running), fill
    finally:
        running.close()
        if is_disk:
            subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_keeps_what_was_captured_and_goes_on_when_there_is_room(filled: Any) -> None:
    hosting, fill = filled
    sandbox, name = hosting.sandbox, hosting.deploy(config={"DataCaptureConfig": captured("all")})
    kept = [ask(hosting, name, f"before-{number}") for number in range(3)]
    fill(True)
    lost = [ask(hosting, name, f"full-{number}", "기사\n" * 5000) for number in range(4)]
    assert status(hosting, name) == "Stopped"
    fill(False)
    kept += [ask(hosting, name, f"after-{number}") for number in range(3)]
    assert status(hosting, name) == "Started"
    fill(True)
    with suppress(ClientError):
        sandbox.client("s3").list_objects_v2(Bucket=BUCKET)  # there is no room for its object
    assert [*(sandbox.home / "captured").iterdir()] != []
    fill(False)
    assert ids(sandbox, name) == kept
    assert status(hosting, name) == "Started"
    said = f"{len(lost)} invocations were not captured"
    lines = hosting.log_lines(name)["AllTraffic/data-capture"]
    assert any(said in line for line in lines), lines
    assert said in sandbox.log_path.read_text()


def status(hosting: Hosting, name: str) -> str:
    return hosting.sagemaker.describe_endpoint(EndpointName=name)["DataCaptureConfig"]["CaptureStatus"]
