"""What of src/ would not run on macOS or on the first Python 3.11, as far as names tell.

Which names the standard library has where is read from typeshed's stubs, which come with jedi (of IPython):
`if sys.platform == "linux"` and `if sys.version_info >= (3, 12)` stand in them. A name that is Linux's alone
needs an entry below, with what keeps it from being reached elsewhere. Nothing here was run on macOS.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import jedi
import pytest

REPO_DIR = Path(__file__).parents[1]
SRC_DIR = REPO_DIR / "src"
STUBS_DIR = Path(jedi.__file__).parent / "third_party" / "typeshed" / "stdlib"
# Where the three systems differ, and where a new Python brings most.
MODULES = (
    *("asyncio", "contextlib", "ctypes", "datetime", "enum", "errno", "fcntl", "functools", "hashlib"),
    *(
        "inspect",
        "itertools",
        "math",
        "mmap",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "resource",
        "select",
        "shutil",
    ),
    *("signal", "socket", "sqlite3", "statistics", "subprocess", "sys", "tarfile", "tempfile", "termios"),
    *("threading", "time", "types", "typing", "uuid"),
)
PSUTIL_ON_LINUX = {
    *("cpu_affinity", "cpu_num", "io_counters", "ionice", "memory_maps", "num_ctx_switches", "rlimit"),
    *("sensors_temperatures", "sensors_fans", "LINUX"),
}
# A path of Linux, or a function of its C library, in a text of the code.
TEXT = re.compile(r"^/(proc|sys|dev/shm)/|^(malloc_trim|mallopt|prctl|renameat2|memfd_create|unshare)$")
LIBRARY_CALLS = {
    "malloc_trim",
    "mallopt",
    "prctl",
    "renameat2",
    "memfd_create",
    "unshare",
    "sched_setaffinity",
}
NOT_LINUX = 'sys.platform != "linux"'
# file: (what it uses, what the file says that keeps it from being used elsewhere, and how)
ALLOWED = {
    "processes/cores.py": (
        {"os.sched_getaffinity"},
        ('hasattr(os, "sched_getaffinity")',),
        "elsewhere the machine's cores are counted",
    ),
    "sandbox/memory.py": (
        {"malloc_trim", "mallopt"},
        ("getattr(ctypes.CDLL(None)",),
        "asked for by name; where the C library has none, nothing is done",
    ),
    "processes/warm.py": (
        {"/proc/self/comm", "os.pidfd_open", "signal.pidfd_send_signal"},
        (NOT_LINUX,),
        "preload refuses; servers then start in the ordinary way",
    ),
    "processes/container_view.py": (
        {"unshare", "/proc/self/", "/proc/self/environ"},
        (NOT_LINUX,),
        "start refuses; the sandbox then replaces the paths that it would mount",
    ),
    "serve/preload.py": ({"/proc/self/task"}, (), "imported by the fork server of processes/warm.py alone"),
    "workshop/account/machine.py": (
        {"/sys/fs/cgroup/memory.max"},
        ("if limit.is_file()",),
        "the machine's own memory counts where no container limits it",
    ),
    "workshop/figures/processor.py": (
        {"/proc/cpuinfo"},
        ('_macos() if platform.system() == "Darwin"',),
        "macOS is asked with sysctl",
    ),
    "workshop/news/dataset.py": (
        {"renameat2"},
        ('sys.platform == "darwin"', "except AttributeError"),
        "macOS has renamex_np; a library without either renames twice",
    ),
}


def _holds(test: ast.expr, platform: str, version: tuple[int, int]) -> bool:
    """Evaluate a stub's condition."""
    code = compile(ast.Expression(test), "stub", "eval")
    known = {"sys": type("sys", (), {"platform": platform, "version_info": version}), "TYPE_CHECKING": True}
    return bool(eval(code, known))


def _defined(body: list[ast.stmt], platform: str, version: tuple[int, int]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.If):
            holds = _holds(node.test, platform, version)
            yield from _defined(node.body if holds else node.orelse, platform, version)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name == "*":
                    yield from stub_names(node.module or "", platform, version)
                else:
                    yield alias.asname or alias.name


@cache
def stub_names(module: str, platform: str, version: tuple[int, int] = (3, 12)) -> frozenset[str]:
    """Return what a module of the standard library defines on a system, in a version."""
    path = STUBS_DIR.joinpath(*module.split("."))
    path = path / "__init__.pyi" if path.is_dir() else path.with_suffix(".pyi")
    if not path.is_file():
        return frozenset()
    return frozenset(_defined(ast.parse(path.read_text(encoding="utf-8")).body, platform, version))


def linux_only(module: str) -> frozenset[str]:
    return stub_names(module, "linux") - stub_names(module, "darwin")


def too_new(module: str) -> frozenset[str]:
    return stub_names(module, "linux", (3, 14)) - stub_names(module, "linux", (3, 11))


def names_used(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield (module, name) of everything that code takes from the modules above."""
    aliases = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.value.id in aliases:
                yield aliases[node.value.id], node.attr
            else:
                yield "", node.attr


def found_in(source: str) -> set[str]:
    """Return what a source uses that is Linux's alone."""
    tree, found = ast.parse(source), set()
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body and isinstance(node.body[0], ast.Expr)
    }  # fmt: skip
    for module, name in names_used(tree):
        if module in MODULES and name in linux_only(module):
            found.add(f"{module}.{name}")
        elif module in ("", "psutil") and name in PSUTIL_ON_LINUX | LIBRARY_CALLS:
            found.add(name)
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in documentation and TEXT.match(node.value):
            found.add(node.value)
    return found


def sources() -> dict[str, str]:
    paths = sorted(SRC_DIR.rglob("*.py"))
    return {path.relative_to(SRC_DIR).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def test_the_stubs_tell_systems_and_versions_apart() -> None:
    for module, name in {
        "os": "sched_setaffinity", "select": "epoll", "signal": "pidfd_send_signal", "socket": "SO_PEERCRED",
        "fcntl": "F_SETPIPE_SZ", "resource": "prlimit",
    }.items():  # fmt: skip
        assert name in linux_only(module)
    for module, name in {"itertools": "batched", "typing": "override"}.items():
        assert name in too_new(module)
    for module, names in {"os": {"fork", "killpg"}, "select": {"poll"}, "fcntl": {"flock"}}.items():
        assert names <= stub_names(module, "darwin")
    assert all(stub_names(module, "linux") for module in MODULES)


def test_what_only_linux_has_is_kept_from_other_systems() -> None:
    texts = sources()
    assert len(texts) > 150
    found = {name: used for name, text in texts.items() if (used := found_in(text))}
    assert found == {name: used for name, (used, _, _) in ALLOWED.items()}
    for name, (_, guards, _) in ALLOWED.items():
        assert [guard for guard in guards if guard not in texts[name]] == [], name


def test_what_has_no_guard_of_its_own_is_named_to_what_has_one() -> None:
    names = [name for name, text in sources().items() if "serve.preload" in text]
    assert names == ["sandbox/hosting/server_process.py"]
    assert '_LIBRARIES = "serve.preload"' in sources()[names[0]]


def test_nothing_of_the_standard_library_is_newer_than_python_3_11() -> None:
    files = [*SRC_DIR.rglob("*.py"), *(REPO_DIR / "tests").rglob("*.py"), *(REPO_DIR / "setup").glob("*.py")]
    used = {
        (path.name, module, name)
        for path in files
        for module, name in names_used(ast.parse(path.read_text(encoding="utf-8")))
        if module in MODULES and name in too_new(module)
    }
    assert used == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import os\nos.sched_getaffinity(0)", "os.sched_getaffinity"),
        ("from select import epoll", "select.epoll"),
        ("import signal as s\ns.pidfd_send_signal(1, 2)", "signal.pidfd_send_signal"),
        ("import fcntl\nfcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1)", "fcntl.F_SETPIPE_SZ"),
        ("import os\nos.memfd_create('x')", "os.memfd_create"),
        ("open('/proc/meminfo')", "/proc/meminfo"),
        ("open(f'/proc/{1}/stat')", "/proc/"),
        ("import ctypes\nctypes.CDLL(None).prctl(1)", "prctl"),
        ("import ctypes\ngetattr(ctypes.CDLL(None), 'malloc_trim')", "malloc_trim"),
        ("import psutil\npsutil.Process().cpu_affinity()", "cpu_affinity"),
    ],
)
def test_what_only_linux_has_is_found(source: str, found: str) -> None:
    assert found_in(source) == {found}


def test_what_every_system_has_is_left_alone() -> None:
    source = (
        '"""/proc/self."""\nimport fcntl, os\nfcntl.flock(1, fcntl.LOCK_EX)\nos.killpg(1, 15)\n"a /proc/b"'
    )
    assert found_in(source) == set()
