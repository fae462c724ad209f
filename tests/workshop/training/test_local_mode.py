"""A run of Local Mode is shown, kept and followed as a job is, and leaves nothing else behind."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest
from safetensors.numpy import save
from tests.workshop.programs import docker_program, program

from workshop.aws.download import download_model
from workshop.aws.session import Aws, connect
from workshop.containers.build import INPUTS_LABEL, inputs_sha256
from workshop.containers.engine import check_docker
from workshop.containers.images import TRAINING_IMAGE
from workshop.errors import WorkshopError
from workshop.settings import Settings
from workshop.training.backend import training_backend
from workshop.training.compose_file import ContainerRules
from workshop.training.follow import follow
from workshop.training.local_mode import (
    DOCKER_USE,
    LocalModeBackend,
    container_root,
    container_rules,
    finished_runs,
    is_local_run,
)

MODEL_FILES = ("config.json", "model.safetensors", "adapter/adapter_model.safetensors")


class Run:
    """A run of Local Mode without its containers: what the SDK writes and prints, and a docker that answers.

    Args:
        root: Folder in which Local Mode keeps its files.
        tmp_path: For what docker answers.
        programs: Folder on PATH that gets the program docker.
    """

    def __init__(self, root: Path, tmp_path: Path, programs: Path) -> None:
        self.root, self._log, self._states = root, tmp_path / "log", tmp_path / "states"
        self._calls = tmp_path / "calls"
        rules = ContainerRules(project="news", memory_bytes=2**31, user=None, is_offline=False)
        self.backend = LocalModeBackend(
            instance_type="local_cpu", container_root=self.root, rules=rules, own_image="own:1"
        )
        self.trainer = SimpleNamespace(base_job_name="news", training_image="image:1", environment=None)
        self.docker_returns("progress {}\n", "exited 0")
        program(
            programs,
            "docker",
            f'echo "$*" >> {self._calls}\n'
            f'case "$*" in *" logs "*) /bin/cat {self._log};; *" ps "*) echo c1;;\n'
            f"inspect*) /bin/cat {self._states};; esac",
        )

    def docker_returns(self, log: str, states: str) -> None:
        self._log.write_text(log)
        self._states.write_text(states + "\n")

    @property
    def calls(self) -> str:
        return self._calls.read_text()

    def train(
        self,
        *printed: str,
        files: tuple[str, ...] = ("config.json",),
        error: BaseException | None = None,
    ) -> None:
        """Do what ModelTrainer.train does to the folder and to stdout, and raise what it raises."""
        (self.root / "docker-compose.yaml").write_text("AWS_SECRET_ACCESS_KEY=very-secret")
        for line in printed:
            print(line)
        for name in files:
            for copy in ("model", "artifacts/model"):
                path = self.root / copy / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(save({}) if path.suffix == ".safetensors" else b"{}")
        if error:
            raise error

    def whole(self) -> str:
        """Run it to its end; return its name."""
        with self.backend.start_run(self.trainer):
            self.train(files=MODEL_FILES)
        return self.job_name

    @property
    def job_name(self) -> str:
        """Read it as the SDK's documentation and the notebook do."""
        return self.trainer._latest_training_job.training_job_name


@pytest.fixture
def run(account: Settings, tmp_path: Path, programs: Path) -> Run:
    return Run(container_root(account), tmp_path, programs)


@pytest.fixture
def aws(account: Settings) -> Aws:
    return connect(account)


def test_the_containers_lines_are_shown_while_it_runs(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with run.backend.start_run(run.trainer):
        run.train("algo-1  | progress {}", "\x1b[36malgo-1-x1 |\x1b[0m a | b", "no newline yet")
        shown = capsys.readouterr().out
    assert shown == "progress {}\na | b\nno newline yet\n"


def test_the_log_is_dockers_because_the_sdk_drops_its_end(run: Run, aws: Aws) -> None:
    lines = ('\x1b[2Kprogress {"step": 1, "loss": 5.5}', 'progress {"step": 2, "loss": 4.5}', "a | b")
    run.docker_returns("\n".join(lines) + "\n", "exited 0")
    with run.backend.start_run(run.trainer):
        run.train("algo-1  | " + lines[1])
    job = follow(aws, run.job_name, timeout_s=1)
    assert [record["loss"] for record in job.records] == [5.5, 4.5]
    assert job.lines == ["a | b"]
    assert (job.status, job.billable_seconds) == ("Completed", 0.0)
    assert job.status_seconds == {"Local Mode": job.seconds}


def test_without_dockers_log_the_shown_lines_stay(run: Run, aws: Aws) -> None:
    run.docker_returns("", "exited 0")
    with run.backend.start_run(run.trainer):
        run.train('algo-1  | progress {"loss": 5.5}')
    job = follow(aws, run.job_name, timeout_s=1)
    assert job.records == [{"loss": 5.5}]


def test_a_result_is_in_s3_as_a_jobs_is(run: Run, aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    name = run.whole()
    job = follow(aws, name, timeout_s=1)
    assert job.model_uri == aws.uri("training", name, "output", "model") + "/"
    folder = download_model(aws, job.model_uri, run.root.parent / "model")
    assert all((folder / name).is_file() for name in MODEL_FILES)
    capsys.readouterr()
    assert follow(aws, name, timeout_s=1) == job
    assert capsys.readouterr().out.count("already there") == len(MODEL_FILES)


def test_the_compose_file_and_copies_are_gone_afterwards(run: Run) -> None:
    run.whole()
    assert {path.name for path in run.root.iterdir()} == {"artifacts", "run.json"}


def test_a_run_starts_with_an_empty_folder(run: Run) -> None:
    run.whole()
    with run.backend.start_run(run.trainer):
        assert list(run.root.iterdir()) == []
        assert run.root.stat().st_mode & 0o077 == 0, "the account's keys will be in it"
        run.train()


def test_a_failed_run_shows_its_last_lines_and_leaves_no_job(run: Run, aws: Aws) -> None:
    name = run.whole()
    run.docker_returns("ValueError: no data\n", "exited 3")
    error = RuntimeError("Process exited with code: 3")
    last = r"code: 3\nits last lines:\n  \| ValueError: no data"
    with pytest.raises(WorkshopError, match=last), run.backend.start_run(run.trainer):
        run.train(error=error)
    assert not run.root.exists()
    log = max((run.root.parent / "jobs").glob("news-local-*.log"))  # the first run's is another second's
    assert log.read_text() == "ValueError: no data\n"
    with pytest.raises(WorkshopError, match="no finished"):
        follow(aws, name, timeout_s=1)
    assert run.trainer._latest_training_job is None


@pytest.mark.parametrize("states", ["running 0", "exited 137", ""])
def test_an_interrupt_that_the_sdk_swallows_is_no_success(run: Run, states: str) -> None:
    run.docker_returns("progress {}\n", states)
    with pytest.raises(WorkshopError, match="stopped before its end"), run.backend.start_run(run.trainer):
        run.train()
    assert not (run.root / "run.json").exists()


def test_the_first_host_decides_whatever_compose_did_to_the_others_after_it(run: Run) -> None:
    assert run.whole().startswith("news-local-")
    assert f"{run.root}/docker-compose.yaml ps --all --quiet algo-1" in run.calls


def test_lines_of_a_second_host_begin_with_its_name_as_a_jobs_do(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run.docker_returns("algo-1-1  | a\nalgo-2-1  | b\n", "exited 0")
    with run.backend.start_run(run.trainer):
        run.train("algo-2-1  | b")
    assert capsys.readouterr().out.startswith("algo-2 | b\n")
    (log,) = (run.root.parent / "jobs").glob("news-local-*.log")
    assert log.read_text() == "a\nalgo-2 | b\n"


def test_an_interrupt_leaves_nothing(run: Run) -> None:
    with pytest.raises(KeyboardInterrupt), run.backend.start_run(run.trainer):
        run.train(error=KeyboardInterrupt())
    assert not run.root.exists()


def test_only_the_last_run_can_be_followed(run: Run, aws: Aws) -> None:
    run.whole()
    with pytest.raises(WorkshopError, match="not news-local-20200101-000000"):
        follow(aws, "news-local-20200101-000000", timeout_s=1)


def test_a_run_that_ended_well_is_found_again_by_its_name_and_no_other(run: Run, account: Settings) -> None:
    assert finished_runs(account, "news") == []
    name = run.whole()
    assert finished_runs(account, "news") == [name]
    assert finished_runs(account, "new") == finished_runs(account, "other") == []
    with pytest.raises(KeyboardInterrupt), run.backend.start_run(run.trainer):
        run.train(error=KeyboardInterrupt())
    assert finished_runs(account, "news") == []


def test_following_without_a_run_names_the_cell(run: Run, aws: Aws) -> None:
    with pytest.raises(WorkshopError, match="starts the training"):
        follow(aws, "news-local-20200101-000000", timeout_s=1)


def test_sample_mode_never_fetches_an_image(settings: Settings, run: Run, programs: Path) -> None:
    settings = dataclasses.replace(settings, container_images="aws")
    docker_program(programs, image={})
    backend = training_backend(settings, use_local_mode=True)
    with (
        pytest.raises(WorkshopError, match="no image image:1 on this machine"),
        backend.start_run(run.trainer),
    ):
        pytest.fail("started")
    debug = dataclasses.replace(settings, mode="debug")
    assert training_backend(debug, use_local_mode=True).may_fetch_image


def test_the_mode_says_whose_image_runs_here(settings: Settings, run: Run, programs: Path) -> None:
    docker_program(programs, image={"Config": {"Labels": {INPUTS_LABEL: inputs_sha256(TRAINING_IMAGE)}}})
    assert training_backend(settings, use_local_mode=True).image("aws:1") == TRAINING_IMAGE
    debug = dataclasses.replace(settings, container_images="aws")
    assert training_backend(debug, use_local_mode=True).image("aws:1") == "aws:1"
    assert training_backend(settings, use_local_mode=False).image("aws:1") == "aws:1"


def test_rules_divide_the_engines_memory_and_name_this_home(settings: Settings, programs: Path) -> None:
    docker_program(programs, MemTotal=10000)
    engine = check_docker(DOCKER_USE)
    two = container_rules(dataclasses.replace(settings, training_instance_count=2), engine)
    assert two.memory_bytes == 4000
    elsewhere = dataclasses.replace(settings, workshop_home=settings.workshop_home / "other")
    other = container_rules(elsewhere, engine)
    assert other.project != two.project
    aws_images = container_rules(dataclasses.replace(settings, container_images="aws"), engine)
    assert (aws_images.user, aws_images.is_offline) == (None, False), "they install as root, from PyPI"


def test_a_job_of_sagemaker_is_no_local_run() -> None:
    from sagemaker.train.utils import _get_unique_name

    assert is_local_run("news-train-local-20261129-031500")
    assert not is_local_run(_get_unique_name("news-train"))
    assert not is_local_run(_get_unique_name("news-local"))


def test_model_trainer_takes_the_name_of_a_local_run() -> None:
    from sagemaker.train import ModelTrainer
    from sagemaker.train.model_trainer import Mode

    trainer = ModelTrainer(training_mode=Mode.LOCAL_CONTAINER, training_image="image:1", base_job_name="news")
    assert trainer._latest_training_job is None
    trainer._latest_training_job = SimpleNamespace(training_job_name="news-local-20261129-031500")
    assert trainer._latest_training_job.training_job_name == "news-local-20261129-031500"
