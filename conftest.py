"""What holds for every test and every notebook that pytest runs, whichever folder it is started with."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import signal
import sys
import tempfile
import types
from collections import Counter
from pathlib import Path
from typing import Any

import botocore.session
import pytest

REPO_DIR = Path(__file__).parent
TRAININGS = REPO_DIR / "tests" / "train"
CONTAINERS = "tests/containers/"
RECORDED = ("tests/notebooks/test_requests_in_both_modes.py", "tests/notebooks/test_run_all_twice.py")
# Ends what hangs, and nothing else: on one busy core without AVX512 the longest takes half an hour.
NOTEBOOK_TIMEOUT_S = 7200  # single tests have the limit in pyproject.toml
NUM_SLOWEST_FILES, MIN_SLOW_FILE_S = 25, 10
_home: Path | None = None


def pytest_configure(config: pytest.Config) -> None:
    """Give the whole run sample mode and a home of its own: it can never touch a real account's files.

    Set in the environment and not in a fixture, because notebook kernels and torchrun inherit it.
    """
    global _home
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):  # this process collects
        # That creates what lives to the end: to search it for garbage took a quarter of the time.
        gc.disable()
    # What a script starts in the background ignores Ctrl-C, and so would what a test interrupts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith("WORKSHOP_")]:
        del os.environ[name]
    _home = Path(tempfile.mkdtemp(prefix="workshop-test-"))
    os.environ["WORKSHOP_HOME"] = str(_home)
    os.environ["WORKSHOP_MODE"] = "sample"
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Each session reads the services' descriptions for itself, and nearly every test has a session.
    botocore.session.create_loader = functools.cache(botocore.session.create_loader)
    # A kernel named python3 in the user's folder would win over this environment's.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """Run a notebook beside marked secrets, as a person has theirs, and look for them in what it left."""
    if item.path.suffix != ".ipynb" or _home is None:
        return (yield)
    # Where notebooks alone are collected, a package of that name among the installed ones would be found.
    tests = types.ModuleType("tests")
    tests.__path__ = [str(REPO_DIR / "tests")]
    sys.modules.setdefault("tests", tests)
    from tests.notebooks.marked_walk import run_among_marked_secrets

    with run_among_marked_secrets(_home, item.path):
        return (yield)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Search for garbage from here on, among what tests make."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure(config: pytest.Config) -> None:
    if _home is not None:
        from workshop.aws import local as local_aws

        local_aws.stop(_home / "sample" / "sandbox")  # the notebooks leave it running, for the next one
        shutil.rmtree(_home, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say which files took longest: many short tests do, too, and a process takes a file as a whole.

    Of containers it says how many ran, and why the others did not.
    """
    seconds: Counter[str] = Counter()
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        if isinstance(report, pytest.TestReport):
            seconds[report.nodeid.partition("::")[0]] += report.duration
    slowest = [each for each in seconds.most_common(NUM_SLOWEST_FILES) if each[1] >= MIN_SLOW_FILE_S]
    if slowest:
        terminalreporter.section("slowest files")
        for file, duration_s in slowest:
            terminalreporter.write_line(f"{duration_s:.0f}s {file}")
    _tell_of_containers(terminalreporter)


def _tell_of_containers(terminalreporter: Any) -> None:
    ended = {
        report.nodeid: report
        for outcome in ("passed", "failed", "error", "skipped")
        for report in terminalreporter.stats.get(outcome, ())
        if report.nodeid.startswith(CONTAINERS)
    }
    skipped = [report for report in ended.values() if report.skipped]
    if ended:
        reasons = {report.longrepr[2].removeprefix("Skipped: ") for report in skipped}
        why = f" ({'; '.join(sorted(reasons))})" if reasons else ""
        num_ran = len(ended) - len(skipped)
        terminalreporter.write_line(f"containers: {num_ran} ran, {len(skipped)} skipped{why}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run notebooks in their order, since each one reads what the one before it made.

    They come first: with two processes the longest begins soonest. Then trainings, which take both cores,
    come evenly among the other tests, which wait much of their time: side by side they leave no core idle.
    """
    from workshop.notebooks.order import order_key

    files = dict.fromkeys(item.path for item in items)
    trainings = [file for file in files if TRAININGS in file.parents]
    others = [file for file in files if TRAININGS not in file.parents]
    place = {file: number / len(group) for group in (trainings, others) for number, file in enumerate(group)}

    def key(item: pytest.Item) -> tuple:
        if item.path.suffix != ".ipynb":
            return (1, place[item.path])
        item.add_marker(pytest.mark.timeout(NOTEBOOK_TIMEOUT_S))
        return (0, order_key(item.path.relative_to(REPO_DIR)))

    items.sort(key=key)  # stable: the tests of a file keep their order


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several processes keep a file's tests together, and all notebooks, in the order of collection.

    The two files that run recorded notebooks are one, too: the second takes over what the first has computed.
    """
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            scope = super()._split_scope(nodeid)
            if scope.endswith(RECORDED):
                return "recorded notebooks"
            return "notebooks" if scope.endswith(".ipynb") else scope

    return ByFile(config, log)
