"""A launched process is shown, logged, timed, and never left behind.

Whether a process is gone is seen by a pipe that it holds open: its end is an event, nothing is polled.
"""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from workshop.training.launch import LaunchError, launch
from workshop.view import live as live_view
from workshop.view import process_output

PYTHON = sys.executable
# A parent, a child of its group, and a child in a session of its own, as torchrun starts its workers. All of
# them ignore SIGTERM, close the standard output, and hold the pipe whose number is in PIPE.
STUBBORN_FAMILY = """
import os, signal, subprocess, sys
fd = int(os.environ["PIPE"])
wait = ("import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.write({fd}, b'x');"
        "signal.pause()").format(fd=fd)
for own_session in (False, True):
    subprocess.Popen([sys.executable, "-c", wait], pass_fds=[fd], start_new_session=own_session,
                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
signal.signal(signal.SIGTERM, lambda *_: print("asked to end"))
os.write(fd, b"x")
print("family complete")
while True:
    signal.pause()
"""


def run_python(code: str, tmp_path: Path, **kwargs):
    options = {"timeout_s": 600, "log_path": tmp_path / "logs" / "run.log"} | kwargs
    return launch([PYTHON, "-c", code], **options)


class Family:
    """The pipe that every member of STUBBORN_FAMILY holds, each of which writes one byte when it is there."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def wait_until_complete(self) -> None:
        for _ in range(3):
            assert select.select([self.reading], [], [], 300)[0]
            assert os.read(self.reading, 1) == b"x"

    def wait_until_gone(self) -> None:
        os.close(self.writing)
        assert select.select([self.reading], [], [], 300)[0], "a process still holds the pipe"
        assert os.read(self.reading, 1) == b""
        os.close(self.reading)


def pass_on(monkeypatch: pytest.MonkeyPatch, *descriptors: int) -> None:
    """Hand descriptors to the command, not to its keeper: Popen closes every other one in the child."""
    real = subprocess.Popen

    def popen(command: list[str], **kwargs):
        return real(command, **kwargs, **({} if "-I" in command else {"pass_fds": descriptors}))

    monkeypatch.setattr(subprocess, "Popen", popen)


@pytest.fixture
def family(monkeypatch: pytest.MonkeyPatch) -> Family:
    pipe = Family()
    pass_on(monkeypatch, pipe.writing)
    return pipe


def test_the_result_holds_records_phases_lines_and_time(tmp_path: Path, capsys: pytest.CaptureFixture):
    began_s = time.monotonic()
    result = run_python(
        """
print('phase {"imports_s": 4.9}')
print('progress {"step": 1, "num_steps": 2, "loss": 1.5}')
print('progress {"step": 2, "num_steps": 2, "loss": NaN, "eval_loss": 1.25}')
print('모델을 저장했다 😀')
print('phase {"save_s": 0.5}')
print('progress report without numbers')
print('progress {broken')
""",
        tmp_path,
    )
    assert result.returncode == 0
    assert result.records[0] == {"step": 1, "num_steps": 2, "loss": 1.5}
    assert result.records[1]["eval_loss"] == 1.25
    assert result.phases == {"imports_s": 4.9, "save_s": 0.5}
    assert result.lines == ["모델을 저장했다 😀", "progress report without numbers", "progress {broken"]
    assert 0 < result.wall_s < time.monotonic() - began_s
    shown, log = capsys.readouterr().out, result.log_path.read_text(encoding="utf-8")
    assert "모델을 저장했다 😀\n" in log
    assert log.count("progress {") == 3
    assert 'progress {"step": 1, "num_steps": 2, "loss": 1.5}\n' in shown


def test_lines_are_shown_while_the_process_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    reading, writing = os.pipe()
    seen = []

    def show(view, text: str) -> None:
        seen.append(text)
        if text == "first":
            os.write(writing, b"go")

    monkeypatch.setattr(live_view.PlainView, "line", show)
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    pass_on(monkeypatch, reading)
    # The process prints its second line only after somebody has seen the first one.
    code = f"import os; print('first'); os.read({reading}, 2); print('second')"
    run_python(code, tmp_path, timeout_s=600)
    assert seen == ["first", "second"]


def test_what_a_process_wrote_just_before_its_end_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    reading, writing = os.pipe()
    real_line = live_view.PlainView.line

    def wait_for_the_end(view, text: str) -> None:
        real_line(view, text)
        if text == "line 0":
            os.close(writing)
            assert os.read(reading, 1) == b""  # the process, who holds the other end, is gone
            for thread in threading.enumerate():
                if thread.name == "wait for process":
                    thread.join()  # and its end is known

    monkeypatch.setattr(live_view.PlainView, "line", wait_for_the_end)
    monkeypatch.setattr(process_output, "_BLOCK_BYTES", 16)
    pass_on(monkeypatch, writing)
    result = run_python("for i in range(100): print('line', i)", tmp_path)
    assert result.lines == [f"line {i}" for i in range(100)]


def test_errors_and_carriage_returns_and_an_unfinished_last_line_are_kept(tmp_path: Path):
    code = "import sys; sys.stderr.write('to stderr\\n'); sys.stdout.write('10%\\r20%\\r\\nlast\\udcff'"
    result = run_python(code + ".encode('utf-8', 'surrogateescape').decode('latin-1'))", tmp_path)
    assert sorted(result.lines[:3]) == ["10%", "20%", "to stderr"]
    assert len(result.lines) == 4


def test_a_message_beside_other_text_in_one_line_is_read(tmp_path: Path):
    result = run_python("""print('rank 1 says progress {"step": 3} and more')""", tmp_path)
    assert result.records == [{"step": 3}]
    assert result.lines == ["rank 1 says ", " and more"]


def test_a_flood_of_output_is_kept_within_limits(tmp_path: Path):
    result = run_python("for i in range(50_000): print('line', i)", tmp_path)
    assert result.lines[-1] == "line 49999"
    assert len(result.lines) == 200
    assert result.log_path.read_text().count("\n") == 50_000


def test_failure_names_the_last_lines_and_the_log(tmp_path: Path):
    code = "import sys; print('x' * 20); [print('cause', i) for i in range(30)]; sys.exit(3)"
    with pytest.raises(LaunchError) as caught:
        run_python(code, tmp_path)
    text = str(caught.value)
    assert "exit status 3" in text
    assert "cause 29" in text
    assert "cause 14" not in text
    assert str(tmp_path / "logs" / "run.log") in text


def test_a_signal_is_named(tmp_path: Path):
    with pytest.raises(LaunchError, match="SIGKILL"):
        run_python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", tmp_path)


def test_a_program_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(LaunchError, match="'no-such-program' cannot be started"):
        launch(["no-such-program"], log_path=tmp_path / "log", timeout_s=5)


def test_timeout_stops_a_family_that_ignores_the_request(tmp_path: Path, family: Family):
    with pytest.raises(LaunchError, match=r"still running after 6 s") as caught:
        run_python(STUBBORN_FAMILY, tmp_path, timeout_s=6, grace_s=1, env={"PIPE": str(family.writing)})
    family.wait_until_complete()
    family.wait_until_gone()
    assert "asked to end" in str(caught.value)


def test_interrupt_stops_the_family_and_is_passed_on(tmp_path: Path, family: Family):
    def interrupt() -> None:
        family.wait_until_complete()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_python(STUBBORN_FAMILY, tmp_path, grace_s=1, env={"PIPE": str(family.writing)})
    thread.join()
    family.wait_until_gone()
    assert "asked to end" in (tmp_path / "logs" / "run.log").read_text()


def test_a_second_interrupt_kills_at_once(tmp_path: Path, family: Family, monkeypatch: pytest.MonkeyPatch):
    real_line = live_view.PlainView.line

    def line(view, text: str) -> None:
        real_line(view, text)
        if text == "asked to end":
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(live_view.PlainView, "line", line)
    thread = threading.Thread(
        target=lambda: (family.wait_until_complete(), os.kill(os.getpid(), signal.SIGINT))
    )
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_python(STUBBORN_FAMILY, tmp_path, grace_s=86_400, env={"PIPE": str(family.writing)})
    thread.join()
    family.wait_until_gone()


def test_a_process_that_ends_in_time_when_asked_is_not_killed(tmp_path: Path):
    code = """
import signal, sys
def save(*_):
    print("checkpoint saved")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
signal.pause()
"""
    with pytest.raises(LaunchError, match="was stopped"):
        run_python(code, tmp_path, timeout_s=5, grace_s=600)
    assert "checkpoint saved" in (tmp_path / "logs" / "run.log").read_text()


def test_children_left_by_a_process_that_ended_are_stopped(tmp_path: Path, family: Family):
    start_children = STUBBORN_FAMILY.split("signal.signal(signal.SIGTERM, lambda")[0]
    run_python(start_children, tmp_path, env={"PIPE": str(family.writing)})
    os.close(family.writing)
    # Whether they had come up already or not: nobody holds the pipe any more.
    while select.select([family.reading], [], [], 300)[0] and (block := os.read(family.reading, 10)):
        assert set(block) == {ord("x")}
    assert block == b""
    os.close(family.reading)


def test_the_family_ends_when_the_notebook_is_killed(tmp_path: Path):
    family = Family()
    notebook = f"""
import os, subprocess
real = subprocess.Popen
subprocess.Popen = lambda c, **k: real(c, **k, **({{}} if "-I" in c else {{"pass_fds": [{family.writing}]}}))
from workshop.training.launch import launch
launch([{PYTHON!r}, "-c", {STUBBORN_FAMILY!r}], log_path={str(tmp_path / "log")!r}, timeout_s=600, grace_s=1,
       env={{"PIPE": "{family.writing}"}})
"""
    process = subprocess.Popen([PYTHON, "-c", notebook], pass_fds=[family.writing], stdout=subprocess.DEVNULL)
    family.wait_until_complete()
    process.kill()
    process.wait()
    family.wait_until_gone()


def test_secret_values_are_neither_shown_nor_logged(tmp_path: Path, capsys: pytest.CaptureFixture):
    secret = "hf_abcdefghijkl"
    env = {
        "HF_TOKEN": secret,
        "DB_PASSWORD": "1234",
        "MAX_TOTAL_TOKENS": "2048",
        "TOKENIZERS_PARALLELISM": "false",
    }
    result = run_python("import os; print('token is', os.environ['HF_TOKEN'])", tmp_path, env=env)
    shown = capsys.readouterr().out
    for text in (shown, result.log_path.read_text(), *result.lines):
        assert secret not in text
    assert "token is ***" in result.log_path.read_text()
    for line in ("HF_TOKEN=***", "DB_PASSWORD=***", "MAX_TOTAL_TOKENS=2048", "TOKENIZERS_PARALLELISM=false"):
        assert line in shown


def test_secrets_of_the_own_environment_do_not_reach_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very/secret+value")
    with pytest.raises(LaunchError) as caught:
        run_python("import os, sys; sys.exit(os.environ['AWS_SECRET_ACCESS_KEY'])", tmp_path)
    assert "very/secret+value" not in str(caught.value)
    assert "***" in str(caught.value)
