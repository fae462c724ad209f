from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import yaml

from workshop.errors import WorkshopError
from workshop.settings import FIELD_TYPES, Settings, find_repo_dir, load_settings

MODES = ("sample", "debug", "full", "full-48xl")


def edit(repo_dir: Path, old: str, new: str) -> int:
    """Replace the first occurrence in workshop.yaml and return its line number."""
    path = repo_dir / "workshop.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def test_sample_is_the_default_and_needs_nothing_from_outside(settings: Settings) -> None:
    assert (settings.mode, settings.news_source, settings.dataset_name) == ("sample", "sample", "full")
    assert settings.base_model == "src/sample/base/model"
    assert settings.home == settings.repo_dir / ".workshop" / "sample"
    assert settings.data_dir == settings.home / "data"


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_of_the_real_file_loads(mode: str) -> None:
    settings = load_settings(find_repo_dir(), environ={"WORKSHOP_MODE": mode})
    assert settings.mode == mode
    assert settings.recipe_path.is_file()


def test_every_block_of_the_file_is_a_tested_mode() -> None:
    text = (find_repo_dir() / "workshop.yaml").read_text(encoding="utf-8")
    assert tuple(re.findall(r"^([\w-]+):(?: {})?$", text, flags=re.MULTILINE)) == ("defaults", *MODES)


def test_debug_is_the_small_data_set_on_the_public_model() -> None:
    settings = load_settings(find_repo_dir(), environ={"WORKSHOP_MODE": "debug"})
    assert settings.dataset_name == "small"
    assert settings.base_model_location == "meta-llama/Meta-Llama-3-8B"
    assert settings.training_instance_type == "ml.g5.4xlarge"


def test_a_base_model_folder_becomes_an_absolute_path(repo_dir: Path) -> None:
    folder = repo_dir / "src" / "sample" / "base" / "model"
    folder.mkdir(parents=True)
    assert load_settings(repo_dir, environ={}).base_model_location == str(folder)


def test_variables_win_over_the_file(repo_dir: Path, tmp_path: Path) -> None:
    environ = {
        "WORKSHOP_MODE": "full",
        "WORKSHOP_NUM_PROCESSES": "8",
        "WORKSHOP_USE_LOCAL_MODE": "True",
        "WORKSHOP_REGION": "ap-northeast-2",
        "WORKSHOP_HOME": str(tmp_path / "home"),
        "PATH": "untouched",
    }
    settings = load_settings(repo_dir, environ=environ)
    assert (settings.num_processes, settings.use_local_mode, settings.region) == (8, True, "ap-northeast-2")
    assert settings.home == tmp_path / "home" / "full"


def test_the_files_own_mode_counts_without_the_variable(repo_dir: Path) -> None:
    edit(repo_dir, "\nmode: sample\n", "\nmode: debug\n")
    assert load_settings(repo_dir, environ={}).mode == "debug"
    assert load_settings(repo_dir, environ={"WORKSHOP_MODE": "sample"}).mode == "sample"


def test_settings_cannot_be_changed(settings: Settings) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.mode = "full"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("environ", "parts"),
    [
        ({"WORKSHOP_MODE": "sampel"}, ["WORKSHOP_MODE = 'sampel'", "closest: sample"]),
        (
            {"WORKSHOP_REGOIN": "us-east-1"},
            ["WORKSHOP_REGOIN", "closest: WORKSHOP_REGION", "unset WORKSHOP_REGOIN"],
        ),
        ({"WORKSHOP_NUM_PROCESSES": "two"}, ["WORKSHOP_NUM_PROCESSES = 'two'", "a whole number"]),
        ({"WORKSHOP_NUM_PROCESSES": "0"}, ["num_processes = 0", "1 or more"]),
        ({"WORKSHOP_SEED": "-1"}, ["seed = -1", "0 or more"]),
        ({"WORKSHOP_USE_LOCAL_MODE": "ja"}, ["WORKSHOP_USE_LOCAL_MODE = 'ja'", "true or false"]),
        ({"WORKSHOP_REGION": "us-eats-1x"}, ["region = 'us-eats-1x'", "us-east-1"]),
        ({"WORKSHOP_TRAINING_INSTANCE_TYPE": "g5.4xlarge"}, ["training_instance_type", "ml.g5.4xlarge"]),
        ({"WORKSHOP_ENDPOINT_INSTANCE_TYPE": "ml.g5.12xlrage"}, ["endpoint_instance_type", "ml.g5.12xlarge"]),
        ({"WORKSHOP_RECIPE": "sampl.yaml"}, ["recipe = 'sampl.yaml'", "closest: sample.yaml"]),
        ({"WORKSHOP_NEWS_SOURCE": " "}, ["news_source = ' '", "text"]),
        ({"WORKSHOP_SERVING_ENGINE": "vlm"}, ["serving_engine = 'vlm'", "closest: vllm"]),
        ({"WORKSHOP_SERVE_WITH": "containers"}, ["serve_with = 'containers'", "closest: container"]),
        ({"WORKSHOP_SERVING_QUANTIZATION": "fp8"}, ["runs on a CPU: none"]),
        ({"WORKSHOP_NUM_LOAD_USERS": "0"}, ["num_load_users = 0", "1 or more"]),
        (
            {"WORKSHOP_MODE": "full", "WORKSHOP_SERVING_QUANTIZATION": "bitsandbytes-fn4"},
            ["serving_quantization = 'bitsandbytes-fn4'", "bitsandbytes-nf4", "tgi in a container"],
        ),
        (
            {
                "WORKSHOP_MODE": "full",
                "WORKSHOP_SERVING_ENGINE": "vllm",
                "WORKSHOP_SERVING_QUANTIZATION": "eetq",
            },
            ["quantization of vllm in a container: none, bitsandbytes, fp8"],
        ),
    ],
)
def test_a_wrong_variable_names_the_closest_valid_one(
    repo_dir: Path, environ: dict, parts: list[str]
) -> None:
    with pytest.raises(WorkshopError) as caught:
        load_settings(repo_dir, environ=environ)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("  recipe: sample.yaml", "  recepi: sample.yaml", ["'recepi'", "closest: recipe"]),
        ("  region: us-east-1 ", "  region: [us-east-1\n #", ["not YAML"]),
        ("  num_processes: 2", "  num_processes: '2'", ["num_processes = '2'", "a whole number"]),
        ("  num_processes: 2", "  num_processes: true", ["num_processes = True", "a whole number"]),
        ("  use_local_mode: false", "  use_local_mode: 0", ["use_local_mode = 0", "true or false"]),
        ("  seed: 42", "  seed: 42\n  seed: 43", ["'seed' for the second time"]),
        ("\nmode: sample\n", "\nmod: sample\n", ["mod: 'sample'", "`mode:`"]),
        ("\nmode: sample\n", "\nmode: fulll\n", ["mode = 'fulll'", "closest: full"]),
        ("debug:\n", "debug: 3\nother:\n", ["debug: 3"]),
    ],
)
def test_a_wrong_line_of_the_file_is_named(repo_dir: Path, old: str, new: str, parts: list[str]) -> None:
    edit(repo_dir, old, new)
    with pytest.raises(WorkshopError) as caught:
        load_settings(repo_dir, environ={})
    for part in [*parts, "workshop.yaml"]:
        assert part in str(caught.value)


def test_an_unknown_key_is_named_with_its_line(repo_dir: Path) -> None:
    line = edit(repo_dir, "  seed: 42", "  sede: 42")
    with pytest.raises(WorkshopError, match=rf"workshop\.yaml:{line}\b"):
        load_settings(repo_dir, environ={})


def test_broken_yaml_is_named_with_its_line(repo_dir: Path) -> None:
    line = edit(repo_dir, "  news_source: sample", "  news_source: sample: again")
    with pytest.raises(WorkshopError, match=rf"workshop\.yaml:{line}\b"):
        load_settings(repo_dir, environ={})


def test_a_missing_key_is_named(repo_dir: Path) -> None:
    line = edit(repo_dir, "\nsample:\n", "\nsample:\n") + 1
    edit(repo_dir, "  seed: 42", "  # gone")
    with pytest.raises(WorkshopError, match=r"neither 'sample' nor 'defaults' with seed") as caught:
        load_settings(repo_dir, environ={})
    assert f"workshop.yaml:{line + 1})" in str(caught.value)


def test_a_mode_says_only_what_differs_from_the_defaults() -> None:
    blocks = yaml.safe_load((find_repo_dir() / "workshop.yaml").read_text(encoding="utf-8"))
    defaults = blocks["defaults"]
    assert set(defaults) == set(FIELD_TYPES)
    for mode in MODES:
        assert not [name for name, value in blocks[mode].items() if value == defaults[name]]
        settings = load_settings(find_repo_dir(), environ={"WORKSHOP_MODE": mode})
        assert {name: getattr(settings, name) for name in FIELD_TYPES} == defaults | blocks[mode]


def test_an_absent_or_empty_or_non_utf8_file_is_named(repo_dir: Path) -> None:
    path = repo_dir / "workshop.yaml"
    for content in ("모드: 표본".encode("cp949"), b"", b"- a list\n", b"mode: !!python/name:os.system\n"):
        path.write_bytes(content)
        with pytest.raises(WorkshopError, match=r"workshop\.yaml"):
            load_settings(repo_dir, environ={})
    path.unlink()
    with pytest.raises(WorkshopError, match=r"git checkout workshop\.yaml"):
        load_settings(repo_dir, environ={})


def test_a_package_outside_its_repository_says_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(WorkshopError, match=r"pip install --no-deps -e \."):
        find_repo_dir(str(tmp_path / "site-packages" / "workshop" / "settings.py"))


def test_every_field_can_be_set_by_a_variable_of_its_name(repo_dir: Path) -> None:
    for name, kind in FIELD_TYPES.items():
        value = getattr(load_settings(repo_dir, environ={}), name)
        text = str(value + 1 if kind is int else not value if kind is bool else value)
        changed = load_settings(repo_dir, environ={f"WORKSHOP_{name.upper()}": text})
        assert str(getattr(changed, name)) == text


@pytest.mark.parametrize(
    ("environ", "parts"),
    [
        ({"WORKSHOP_BUCKET": "My_Bucket"}, ["bucket = 'My_Bucket'"]),
        ({"WORKSHOP_ROLE_ARN": "SageMakerRole"}, ["role_arn", "arn:aws:iam::<account>:role/"]),
        ({"WORKSHOP_POLL_INTERVAL_S": "0"}, ["poll_interval_s = 0.0", "above 0"]),
        ({"WORKSHOP_SANDBOX_CLOCK_SPEED": "0"}, ["sandbox_clock_speed = 0", "1 to 600"]),
        ({"WORKSHOP_SANDBOX_CLOCK_SPEED": "601"}, ["sandbox_clock_speed = 601", "1 to 600"]),
        ({"WORKSHOP_NEXT_SERVING_ENGINE": "vlm"}, ["next_serving_engine = 'vlm'", "vllm"]),
        ({"WORKSHOP_POLL_INTERVAL_S": "often"}, ["WORKSHOP_POLL_INTERVAL_S = 'often'", "a number"]),
        ({"WORKSHOP_JUDGE_URL": "127.0.0.1:8080", "WORKSHOP_JUDGE_MODEL": "m"}, ["judge_url", "http://"]),
        ({"WORKSHOP_JUDGE_URL": "http://k@h/v1", "WORKSHOP_JUDGE_MODEL": "m"}, ["without a key", "***"]),
        ({"WORKSHOP_JUDGE_URL": "http://127.0.0.1:8080/v1"}, ["judge_model = ''", "a model of the server"]),
        ({"WORKSHOP_MAX_RUN_S": "1.5"}, ["WORKSHOP_MAX_RUN_S = '1.5'", "a whole number"]),
    ],
)
def test_a_wrong_value_for_aws_is_named(repo_dir: Path, environ: dict, parts: list[str]) -> None:
    with pytest.raises(WorkshopError) as caught:
        load_settings(repo_dir, environ=environ)
    for part in parts:
        assert part in str(caught.value)


def test_bucket_and_role_may_be_left_to_the_account(repo_dir: Path) -> None:
    settings = load_settings(repo_dir, environ={"WORKSHOP_BUCKET": "", "WORKSHOP_ROLE_ARN": ""})
    assert (settings.bucket, settings.role_arn) == ("", "")
    role = "arn:aws-us-gov:iam::000000000000:role/service-role/AmazonSageMaker-ExecutionRole-1"
    assert load_settings(repo_dir, environ={"WORKSHOP_ROLE_ARN": role}).role_arn == role


def test_sample_serves_in_a_process_and_aws_modes_in_a_container() -> None:
    places = {
        mode: load_settings(find_repo_dir(), environ={"WORKSHOP_MODE": mode}).serve_with for mode in MODES
    }
    assert places == {"sample": "process"} | dict.fromkeys(MODES[1:], "container")


@pytest.mark.parametrize(
    ("engine", "place", "images", "quantization"),
    [
        ("tgi", "container", "aws", "bitsandbytes-nf4"),
        ("vllm", "container", "aws", "fp8"),
        ("lmi", "container", "aws", "bitsandbytes"),
        ("vllm", "container", "own", "none"),
        ("vllm", "process", "aws", "none"),
    ],
)
def test_each_engine_has_quantizations_of_its_own(
    repo_dir: Path, engine: str, place: str, images: str, quantization: str
) -> None:
    environ = {
        "WORKSHOP_SERVING_ENGINE": engine,
        "WORKSHOP_SERVE_WITH": place,
        "WORKSHOP_CONTAINER_IMAGES": images,
        "WORKSHOP_SERVING_QUANTIZATION": quantization,
    }
    settings = load_settings(repo_dir, environ=environ)
    assert (settings.serving_engine, settings.serving_quantization) == (engine, quantization)


def test_the_own_image_computes_on_a_cpu_whose_quantizations_are_named(repo_dir: Path) -> None:
    environ = {"WORKSHOP_SERVE_WITH": "container", "WORKSHOP_SERVING_QUANTIZATION": "fp8"}
    with pytest.raises(WorkshopError, match=r"quantization of container_images: own, .* a CPU: none"):
        load_settings(repo_dir, environ=environ)
    assert load_settings(repo_dir, environ=environ | {"WORKSHOP_CONTAINER_IMAGES": "aws"})


@pytest.mark.parametrize("mode", MODES)
def test_a_cell_may_last_as_long_as_it_waits_for_a_job(mode: str) -> None:
    settings = load_settings(find_repo_dir(), environ={"WORKSHOP_MODE": mode})
    assert settings.training_timeout_s == settings.max_run_s + settings.endpoint_timeout_s
    assert settings.training_timeout_s <= settings.cell_timeout_s
