"""An offline kit is made of what is installed, installs where no index answers, and says what else is wrong.

The packages are tiny ones, made here; everything else is real: pip, git, the environment that is installed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.setup.test_environment import BASE_PYTHON, CHOICES, Clone

REPO_DIR = Path(__file__).parents[2]
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
PIN_FILES = {
    "requirements.txt": "-c setup/constraints.txt\n-r src/train/requirements.txt\ntorch==9.0\n",
    "src/train/requirements.txt": "tiny-text==1.0\n",
    "setup/constraints.txt": "tiny-text==1.0\n",
    "setup/lab-requirements.txt": "tiny-text==2.0\n",  # another version, as of real ones
    "setup/tgi-libraries.txt": "tiny_slides==1.0\n",
    "setup/slides.txt": "tiny_slides==1.0\n",
    "setup/browser.txt": "tiny_slides==1.0\n",
}
# torch in the build of this machine, and libraries that only this build asks for, as those with CUDA do
PACKAGES = (
    ("torch", "9.0+cpu", "Requires-Dist: tiny-cuda[nccl]==1.0"),
    ("tiny_cuda", "1.0", 'Provides-Extra: nccl\nRequires-Dist: tiny-nccl==1.0; extra == "nccl"'),
    ("tiny_nccl", "1.0", None),
    ("tiny_text", "1.0", None),
    ("tiny_text", "2.0", None),
    ("tiny_slides", "1.0", None),
    ("uv", "0.0.1", None),
)


def write_wheel(folder: Path, name: str, version: str, more: str | None) -> Path:
    """Write a package of one module; that of uv fails, so that pip installs in its place."""
    path, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    files = {
        f"{name}.py": "raise SystemExit(1)" * (name == "uv"),
        f"{info}/METADATA": "\n".join(lines + [more] * bool(more)) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{each},,\n" for each in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(each, text)
    return path


class TinyClone(Clone):
    """A clone whose files pin the tiny packages."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "src" / "train").mkdir(parents=True)
        for name, text in PIN_FILES.items():
            (folder / name).write_text(text)
        script = folder / "setup" / "environment.sh"
        lines = script.read_text(encoding="utf-8").splitlines(keepends=True)
        script.write_text("".join("UV_PIN=0.0.1\n" if line.startswith("UV_PIN=") else line for line in lines))
        self.put_python(f"python{PYTHON}")

    def git(self, *arguments: str) -> None:
        person = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *person, *arguments], cwd=self.folder, check=True, capture_output=True)


class Maker:
    """A clone with its packages installed, from where kits are made."""

    def __init__(self, folder: Path) -> None:
        self.clone = TinyClone(folder / "clone")
        self.clone.git("init", "-q", "-b", "main")
        self.clone.git("add", ".")
        self.clone.git("commit", "-q", "-m", "a")
        (index := folder / "index").mkdir()
        installed = folder / "installed"
        for package in PACKAGES:
            path = write_wheel(index, *package)
            if package[0] in ("torch", "tiny_cuda", "tiny_nccl"):
                zipfile.ZipFile(path).extractall(installed)
        self.home = folder / "home"
        self.environ = {
            **{name: value for name, value in os.environ.items() if name not in CHOICES},
            "PYTHONPATH": str(installed),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": index.as_uri(),
            "WORKSHOP_HOME": str(self.home),
        }

    def command(self, stick: Path) -> list[str]:
        return [sys.executable, str(self.clone.folder / "setup" / "make_kit.py"), str(stick)]

    def make(self, stick: Path, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(stick), env={**self.environ, **environ}, capture_output=True, text=True, timeout=120
        )


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    maker = Maker(tmp_path_factory.mktemp("maker"))
    report = maker.home / "sample" / "report" / "report.html"
    report.parent.mkdir(parents=True)
    report.write_text("<p>보고서")
    return maker


@pytest.fixture(scope="module")
def made(maker: Maker) -> Path:
    """A kit that no test changes."""
    stick = maker.home.parent / "내 USB, 1"
    (stick / "offline-kit.partial").mkdir(parents=True)  # of a making that was killed
    done = maker.make(stick)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "slides, since there are none yet (make slides)" in done.stdout
    return stick / "offline-kit"


@pytest.fixture
def kit(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "stick" / "offline-kit"))


def test_a_kit_has_every_package_the_repository_and_the_last_report(made: Path, tmp_path: Path) -> None:
    wheels = {path.name.split("-py3")[0] for path in (made / "wheels").iterdir()}
    assert wheels == {f"{name}-{version}" for name, version, _ in PACKAGES}
    assert {path.name for path in made.parent.iterdir()} == {"offline-kit"}, "nothing is left beside it"
    assert (made / "report" / "report.html").read_text() == "<p>보고서"
    assert not (made / "slides").exists()
    readme = (made / "README.md").read_text(encoding="utf-8")
    assert "report/report.html" in readme
    assert "make slides" in readme
    assert "$" not in readme.replace("```", "")
    subprocess.run(["git", "clone", "-q", made / "repository.bundle", tmp_path / "c"], check=True)
    assert (tmp_path / "c" / "setup" / "check_kit.py").is_file()


def test_a_kit_suits_a_stick_of_fat32(made: Path) -> None:
    files = [path for path in made.rglob("*") if not path.is_dir()]
    assert len(files) > len(PACKAGES)
    assert not any(path.is_symlink() for path in made.rglob("*"))
    names = [path.relative_to(made).as_posix() for path in files]
    assert len({name.lower() for name in names}) == len(names)
    assert all(name.isascii() and not set(name) & set('"*:<>?\\|') for name in names)
    sums = (made / "SHA256SUMS").read_text().splitlines()
    assert sorted(line.split("  ", 1)[1] for line in sums) == sorted(set(names) - {"SHA256SUMS"})


def test_an_environment_is_installed_from_a_kit_and_from_nowhere_else(made: Path, tmp_path: Path) -> None:
    clone = TinyClone(tmp_path / "다른 곳 'b'" / "clone")
    unreachable = "http://127.0.0.1:9/simple"  # of the port where nobody listens
    status, output, told = clone.run(env={
        "KIT": str(made), "PIP_INDEX_URL": unreachable, "UV_DEFAULT_INDEX": unreachable,
        "PIP_CONSTRAINT": str(tmp_path / "none"), "PYTHONPATH": "",
    })  # fmt: skip
    assert status == 0, output + told
    assert "torch 9.0+cpu, of the offline kit" in output
    assert "127.0.0.1" not in output + told
    (site,) = (clone.folder / ".venv" / "lib").glob("python3.*/site-packages")
    found = {path.name for path in site.glob("t*.dist-info")}
    names = ("torch-9.0+cpu", "tiny_cuda-1.0", "tiny_nccl-1.0", "tiny_text-1.0")
    assert found == {f"{name}.dist-info" for name in names}
    assert (site / "workshop.pth").is_file()


def change(kit: Path, **values: object) -> None:
    facts = json.loads((kit / "kit.json").read_text())
    (kit / "kit.json").write_text(json.dumps({**facts, **values}, indent=1))


def wheel(kit: Path) -> Path:
    return kit / "wheels" / "tiny_text-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda kit: wheel(kit).write_bytes(wheel(kit).read_bytes()[:-1] + b"x"), "damaged files"),
        (lambda kit: wheel(kit).unlink(), "tiny_text-1.0-py3-none-any.whl: No such file"),
        (lambda kit: (kit / "SHA256SUMS").write_bytes(b"\xff\x00"), "SHA256SUMS: damaged"),
        (lambda kit: change(kit, system="Linux riscv64"), "a kit for Linux riscv64, on "),
        (lambda kit: change(kit, python="3.99"), f"a kit for Python 3.99, and Python {PYTHON}"),
        (lambda kit: change(kit, needs="99.0"), "a kit whose packages need "),
        (lambda kit: change(kit, pins=[]), "5 packages of this clone that the kit has not"),
        (lambda kit: change(kit, format=99), "a kit of format 99"),
        (lambda kit: (kit / "kit.json").write_text("{"), "no offline kit at"),
        (lambda kit: (kit / "kit.json").unlink(), "no offline kit at"),
    ],
)
def test_a_kit_that_will_not_do_is_refused(
    maker: Maker, kit: Path, harm: Callable[[Path], object], told: str
) -> None:
    harm(kit)
    script = maker.clone.folder / "setup" / "check_kit.py"
    done = subprocess.run([BASE_PYTHON, script, kit], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert told in done.stderr
    last = done.stderr.splitlines()[-3:]
    assert [line.split(" ")[0] for line in last] == ["found", "expected", "do"], done.stderr


def test_a_kit_is_looked_at_before_anything_is_installed(kit: Path, tmp_path: Path) -> None:
    told = TinyClone(tmp_path / "clone").refusal(env={"KIT": str(kit.parent)})
    assert f"do next   KIT='{kit}'" in told, "the folder above a kit is answered with the kit"


def test_a_making_that_ends_early_leaves_the_older_kit_as_it_was(maker: Maker, kit: Path) -> None:
    """An index that takes a connection and does not answer holds the making up."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        environ = {**maker.environ, "PIP_NO_INDEX": "0", "PIP_INDEX_URL": url}
        process = subprocess.Popen(maker.command(kit.parent), env=environ, stderr=subprocess.PIPE, text=True)
        silent.settimeout(60)
        silent.accept()
        assert (kit.parent / "offline-kit.partial").is_dir()
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "no kit was made" in told
    assert [path.name for path in kit.parent.iterdir()] == ["offline-kit"]
    assert wheel(kit).is_file()


def test_a_new_kit_takes_the_place_of_the_older_one(tmp_path: Path) -> None:
    for name in (
        "offline-kit",
        "offline-kit.partial",
        "offline-kit.old",
    ):  # the last of a making that was killed
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    code = "import make_kit, sys; make_kit.put_in_place(*map(make_kit.Path, sys.argv[1:]))"
    places = [str(tmp_path / name) for name in ("offline-kit.partial", "offline-kit")]
    subprocess.run([sys.executable, "-c", code, *places], cwd=REPO_DIR / "setup", check=True)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == [
        "offline-kit",
        "offline-kit/offline-kit.partial",
    ]


def test_a_kit_takes_all_decks_and_names_the_page_that_leads_to_them(tmp_path: Path) -> None:
    decks = tmp_path / "home" / "sample" / "slides"
    decks.mkdir(parents=True)
    (kit := tmp_path / "kit").mkdir()
    for name in ("02-Train.html", "03-Train.html", "index.html"):
        (decks / name).write_text(name)
    code = "import make_kit, sys; print(make_kit.copy_results(make_kit.Path(sys.argv[1]))['slides'])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(kit)],
        env={**os.environ, "WORKSHOP_HOME": str(tmp_path / "home")},
        cwd=REPO_DIR / "setup",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "slides/index.html"
    assert {path.name for path in (kit / "slides").iterdir()} == {path.name for path in decks.iterdir()}


def test_a_package_that_cannot_be_had_leaves_no_kit(maker: Maker, tmp_path: Path) -> None:
    done = maker.make(tmp_path, PIP_FIND_LINKS="")
    assert done.returncode == 1
    assert "found     pip could not fetch torch 9.0+cpu" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_will_not_do_is_refused_before_anything_is_fetched(
    maker: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no folder" in maker.make(tmp_path / "none").stderr
    (tmp_path / "offline-kit").mkdir()
    (tmp_path / "offline-kit" / "photo.jpg").touch()
    assert "no offline kit at" in maker.make(tmp_path).stderr
    assert [path.name for path in tmp_path.iterdir()] == ["offline-kit"]
    # No test can fill a disk.
    monkeypatch.setitem(maker.environ, "PYTHONPATH", f"{tmp_path / 'full'}:{maker.environ['PYTHONPATH']}")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "sitecustomize.py").write_text(
        "import shutil; shutil.disk_usage = lambda _: shutil._ntuple_diskusage(2**40, 2**40, 2**29)"
    )
    assert "found     512 MiB of free space at" in maker.make(tmp_path / "full").stderr
