"""Which model LMI's image would serve, and with which properties."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from processes.errors import UserError
from serve.settings import ServeSettings, read_settings


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """What is /opt/ml/model."""
    (tmp_path / "model").mkdir()
    return tmp_path / "model"


def fill(folder: Path, *, properties: str | None = None) -> Path:
    """Make a folder that looks like a model's."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    if properties is not None:
        (folder / "serving.properties").write_text(properties)
    return folder


def settings_of(store: Path, **variables: str) -> ServeSettings:
    given = {"SERVE_DIALECT": "lmi", "SERVE_OPT_ML_DIR": str(store.parent), "SM_MODEL_DIR": "/opt/ml/model"}
    return read_settings([], given | variables)


@pytest.mark.parametrize(
    "variables", [{}, {"HF_MODEL_ID": "/opt/ml/model"}, {"HF_MODEL_ID": "/opt/ml/model/"}]
)
def test_the_files_of_the_model_are_served_with_and_without_a_variable(store: Path, variables: dict) -> None:
    fill(store)
    model = settings_of(store, **variables).model
    assert (model.folder, model.store_name, model.store_url) == (store, "model", "file:/opt/ml/model/")
    assert model.names == ("lmi",)
    assert model.aliases == (variables.get("HF_MODEL_ID", "/opt/ml/model"),)


@pytest.mark.parametrize(
    "variables", [{}, {"HF_MODEL_ID": "/opt/ml/model"}, {"HF_MODEL_ID": "/opt/ml/model/my"}]
)
def test_a_folder_alone_in_the_store_is_the_model(store: Path, variables: dict) -> None:
    fill(store / "my", properties="option.max_model_len=77")
    settings = settings_of(store, **variables)
    assert (settings.model_dir, settings.model.store_name) == (store / "my", "my")
    assert settings.model.store_url == "file:/opt/ml/model/my/"
    assert settings.max_total_tokens == 77


def test_properties_of_the_model_are_read_and_count_before_variables(store: Path) -> None:
    fill(
        store,
        properties="engine=Python\noption.rolling_batch=vllm\noption.tensor_parallel_degree=max\n"
        "option.dtype=bf16\noption.max_model_len=500\noption.max_rolling_batch_size=7\njob_queue_size=9\n"
        "option.output_formatter=jsonlines\noption.predict_timeout=30\noption.served_model_name=news\n",
    )
    settings = settings_of(store, OPTION_DTYPE="fp32", OPTION_MAX_MODEL_LEN="400", OPTION_ENABLE_LORA="true")
    assert (settings.dtype, settings.max_total_tokens, settings.max_batch_size) == ("bfloat16", 500, 7)
    assert (settings.max_concurrent_requests, settings.request_timeout_s) == (9, 30)
    assert settings.options["output_formatter"] == "jsonlines"
    assert settings.model.known_names == {"news"}
    assert settings.runtime_adapters


def test_sagemakers_time_limit_counts_before_the_models_own(store: Path) -> None:
    fill(store, properties="option.predict_timeout=30")
    assert settings_of(store, SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS="45").request_timeout_s == 45


@pytest.mark.parametrize(
    ("properties", "found"),
    [
        ("option.max_model_len=long", "option.max_model_len (serving.properties) = 'long'"),
        ("option.dtype=int8", "option.dtype (serving.properties) = 'int8'"),
        ("engine=PyTorch", "engine (serving.properties) = 'PyTorch'"),
        ("option.rolling_batch=trtllm", "option.rolling_batch (serving.properties) = 'trtllm'"),
        ("option.rolling_batch=disable", "option.rolling_batch (serving.properties) = 'disable'"),
        ("option.entryPoint=inference.py", "option.entryPoint (serving.properties) = 'inference.py'"),
        ("option.reasoning_parser=qwen3", "option.reasoning_parser (serving.properties) = 'qwen3'"),
        ("batch_size=4", "batch_size (serving.properties) = '4'"),
        ("translatorFactory=a.B", "translatorFactory (serving.properties) = 'a.B'"),
        ("option.model_id=meta-llama/Llama-3.2-1B", None),
    ],
)
def test_what_is_not_offered_is_refused_as_the_file_names_it(
    store: Path, properties: str, found: str | None
) -> None:
    fill(store, properties=properties)
    if found is None:  # a name of the hub, which only the reading of the folder can tell
        assert settings_of(store).model.id == "meta-llama/Llama-3.2-1B"
        return
    with pytest.raises(UserError) as caught:
        settings_of(store)
    assert caught.value.found == found


@pytest.mark.parametrize(
    "properties",
    [
        "option.rolling_batch=auto",
        "option.rolling_batch=lmi-dist",
        "option.async_mode=true\noption.rolling_batch=disable\n"
        "option.entryPoint=djl_python.lmi_vllm.vllm_async_service",
        "engine=MPI\noption.mpi_mode=true",
        "engine=Python\noption.entryPoint=djl_python.huggingface\noption.task=text-generation",
        "batch_size=1\nmax_batch_delay=10\nminWorkers=1\ngpu.maxWorkers=2",
    ],
)
def test_what_notebooks_write_is_accepted(store: Path, properties: str) -> None:
    fill(store, properties=properties)
    assert settings_of(store).model_dir == store


def test_weights_may_lie_beside_the_properties_or_elsewhere_in_the_container(store: Path) -> None:
    fill(store / "weights")
    (store / "serving.properties").write_text("option.model_id=weights")
    assert settings_of(store).model_dir == store / "weights"
    (store / "serving.properties").write_text("option.model_id=/opt/ml/model/weights")
    settings = settings_of(store)
    assert settings.model_dir == store / "weights"
    assert settings.model.id == "/opt/ml/model/weights"
    assert settings_of(store, OPTION_MODEL_ID="/no/such").model_dir == store / "weights"
    (store / "serving.properties").write_text("engine=Python")
    assert settings_of(store, OPTION_MODEL_ID="weights").model_dir == store / "weights"


def test_two_models_are_refused_with_both_named(store: Path, tmp_path: Path) -> None:
    fill(store / "first")
    fill(store / "second")
    with pytest.raises(UserError, match=r"2 models: first .*second"):
        settings_of(store)
    fill(store)
    other = fill(tmp_path / "other")
    with pytest.raises(UserError, match=r"2 models: model .*other"):
        settings_of(store, HF_MODEL_ID=str(other))


def test_a_list_of_models_names_the_one(store: Path, tmp_path: Path) -> None:
    fill(store)
    settings = settings_of(store, SERVING_LOAD_MODELS="test::MPI=/opt/ml/model")
    assert (settings.model_dir, settings.model.store_name) == (store, "test")
    settings = settings_of(store, SERVING_LOAD_MODELS="[news:1:Python:*]=file:///opt/ml/model/")
    assert (settings.model_dir, settings.model.store_name) == (store, "news")
    other = str(fill(tmp_path / "other"))
    assert settings_of(store, SERVING_LOAD_MODELS="NONE", HF_MODEL_ID=other).model.store_name == "other"
    with pytest.raises(UserError, match="with the engine PyTorch"):
        settings_of(store, SERVING_LOAD_MODELS="test::PyTorch=/opt/ml/model")


@pytest.mark.parametrize("name", ["model.py", "requirements.txt"])
def test_code_beside_the_model_is_refused_by_name(store: Path, name: str) -> None:
    fill(store)
    (store / name).touch()
    with pytest.raises(UserError, match=f"{name} beside the model, which LMI's image runs or installs"):
        settings_of(store)


def test_a_folder_of_code_that_the_image_does_not_read_is_no_hindrance(store: Path) -> None:
    fill(store, properties="engine=Python")
    (store / "code").mkdir()
    (store / "code" / "inference.py").touch()
    (store / "code" / "requirements.txt").touch()
    assert settings_of(store).model_dir == store


def test_adapters_beside_the_model_are_registered_where_lora_is_enabled(store: Path, tmp_path: Path) -> None:
    fill(store / "weights")
    (store / "serving.properties").write_text("option.model_id=weights")
    for folder in (store / "adapters" / "news", store / "weights" / "adapters" / "sports"):
        folder.mkdir(parents=True)
    (store / "adapters" / "readme.txt").touch()
    expected = {"news": store / "adapters" / "news", "sports": store / "weights" / "adapters" / "sports"}
    assert settings_of(store, OPTION_ENABLE_LORA="true").adapters == expected
    assert settings_of(store).adapters == {}


def test_an_archive_and_an_empty_store_are_refused(store: Path) -> None:
    with pytest.raises(UserError, match="nothing in /opt/ml/model, and no HF_MODEL_ID"):
        settings_of(store)
    (store / "model.zip").touch()
    with pytest.raises(UserError, match=r"model\.zip in the model's folder"):
        settings_of(store)


def test_the_option_alone_is_served_and_said_to_load_nothing_on_aws(
    store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = fill(tmp_path / "other")
    with caplog.at_level(logging.WARNING):
        assert settings_of(store, OPTION_MODEL_ID=str(other)).model_dir == other
    assert "set HF_MODEL_ID in its place on AWS" in caplog.text
