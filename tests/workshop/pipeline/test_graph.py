"""The picture of an execution: any pipeline's, legible at the width of a page."""

from __future__ import annotations

import warnings
from datetime import datetime, timedelta
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import FancyBboxPatch
from matplotlib.transforms import Bbox

from workshop.pipeline.execution import NOT_RUN, WAITING, Execution, execution_of
from workshop.pipeline.graph import draw_execution
from workshop.plots.style import BLUE, GREEN, GREY, RED, NotebookFigure

START = datetime(2026, 11, 1)
WALK = [
    {"Name": "Prepare", "Type": "Processing"},
    {
        "Name": "Train",
        "Type": "Training",
        "Arguments": {"In": {"Get": "Steps.Prepare.ProcessingOutputConfig"}},
    },
    {
        "Name": "Evaluate",
        "Type": "Processing",
        "Arguments": {"In": [{"Get": "Steps.Train.ModelArtifacts"}, {"Get": "Steps.Prepare.Outputs"}]},
    },
    {
        "Name": "Better",
        "Type": "Condition",
        "Arguments": {
            "Conditions": [
                {"LeftValue": {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.R"}}}}
            ],
            "IfSteps": [
                {"Name": "Register", "Type": "RegisterModel", "Arguments": {"M": {"Get": "Steps.Train.M"}}}
            ],
            "ElseSteps": [{"Name": "TooWeak", "Type": "Fail"}],
        },
    },
]


def listed(name: str, status: str, seconds: float | None = None, **more: Any) -> dict[str, Any]:
    end = {} if seconds is None else {"EndTime": START + timedelta(seconds=seconds)}
    return {"StepName": name, "StepStatus": status, "StartTime": START, **end, **more}


def execution(steps: list[dict[str, Any]], *seen: dict[str, Any], status: str = "Failed") -> Execution:
    described = {
        "PipelineExecutionStatus": status,
        "PipelineExecutionArn": "arn:aws:sagemaker:us-east-1:000000000000:pipeline/news/execution/abc",
        "PipelineArn": "arn:aws:sagemaker:us-east-1:000000000000:pipeline/news",
    }
    return execution_of(described, {"Steps": steps}, list(seen))


def boxes(figure: NotebookFigure) -> dict[str, FancyBboxPatch]:
    return {patch.get_gid(): patch for patch in figure.axes[0].patches if patch.get_gid()}


def texts(figure: NotebookFigure, name: str) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts if text.get_gid() == name]


def colour(figure: NotebookFigure, name: str) -> str:
    red, green, blue, _ = boxes(figure)[name].get_edgecolor()
    return "#" + "".join(f"{round(255 * part):02x}" for part in (red, green, blue))


def check_legible(figure: NotebookFigure) -> None:
    """Every text is inside its box, no two boxes touch, no letters are tiny; 1,280 pixels are wide enough."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure._repr_png_()
    assert figure.bbox.width <= 1_280
    areas = {name: patch.get_window_extent(renderer) for name, patch in boxes(figure).items()}
    for text in figure.axes[0].texts:
        assert text.get_fontsize() >= 7
        if text.get_gid():
            inside, outside = text.get_window_extent(renderer), areas[text.get_gid()]
            assert outside.x0 <= inside.x0 < inside.x1 <= outside.x1, text.get_text()
            assert outside.y0 <= inside.y0 < inside.y1 <= outside.y1, text.get_text()
    names = list(areas)
    for number, name in enumerate(names):
        assert not [other for other in names[:number] if Bbox.intersection(areas[name], areas[other])], name


def test_each_step_has_its_status_as_colour_and_word_and_its_seconds() -> None:
    figure = draw_execution(
        execution(
            WALK,
            listed("Prepare", "Succeeded", 0.1, CacheHitResult={"SourcePipelineExecutionArn": "arn"}),
            listed("Train", "Succeeded", 23.44),
            listed("Evaluate", "Succeeded", 300),
            listed("Better", "Succeeded", 0.1, Metadata={"Condition": {"Outcome": "False"}}),
            listed("TooWeak", "Failed", 0.1, Metadata={"Fail": {"ErrorMessage": "too weak"}}),
        )
    )
    check_legible(figure)
    assert texts(figure, "Prepare") == ["Prepare", "Processing", "Succeeded · from the cache"]
    assert texts(figure, "Train") == ["Train", "Training", "Succeeded · 23.4 s"]
    assert texts(figure, "Evaluate")[2] == "Succeeded · 5 min"
    assert texts(figure, "Better")[2] == "Succeeded · False"
    assert texts(figure, "Register") == ["Register", "RegisterModel", NOT_RUN]
    assert texts(figure, "TooWeak")[2].startswith("Failed")
    assert [colour(figure, name) for name in ("Train", "TooWeak", "Register")] == [GREEN, RED, GREY]
    assert figure.axes[0].texts[0].get_text() == "news · Failed"


def test_the_branch_that_was_taken_is_drawn_through_and_the_other_is_dashed() -> None:
    better = listed("Better", "Succeeded", 0.1, Metadata={"Condition": {"Outcome": "True"}})
    figure = draw_execution(execution(WALK, better, status="Executing"))
    labels = {text.get_text(): text for text in figure.axes[0].texts if text.get_text() in ("True", "False")}
    assert (labels["True"].get_weight(), labels["False"].get_weight()) == ("bold", "normal")
    arrows = [text.arrow_patch for text in figure.axes[0].texts if getattr(text, "arrow_patch", None)]
    assert [arrow.get_linestyle() for arrow in arrows] == ["-", "-", "-", "-", "--"]


def test_steps_stand_below_what_they_wait_for_and_only_direct_lines_are_drawn() -> None:
    figure = draw_execution(execution(WALK, listed("Prepare", "Executing"), status="Executing"))
    heights = {name: patch.get_y() for name, patch in boxes(figure).items()}
    assert heights["Prepare"] > heights["Train"] > heights["Evaluate"] > heights["Better"]
    assert heights["Better"] > heights["Register"] == heights["TooWeak"]
    arrows = [text for text in figure.axes[0].texts if getattr(text, "arrow_patch", None)]
    assert len(arrows) == 5, "neither Prepare to Evaluate nor Train to Register, which others imply"
    assert [colour(figure, name) for name in ("Prepare", "Train")] == [BLUE, GREY]
    assert texts(figure, "Train")[2] == WAITING


@pytest.mark.parametrize("num_parallel", [1, 4, 9])
def test_any_pipeline_is_legible(num_parallel: int) -> None:
    long = [f"a-very-long-name-of-a-step-that-trains-{number}" for number in range(num_parallel)]
    steps = [
        {"Name": "기사-모으기와-정리", "Type": "Processing"},
        *({"Name": name, "Type": "Training", "DependsOn": ["기사-모으기와-정리"]} for name in long),
        {"Name": "End", "Type": "Lambda", "DependsOn": long},
        {"Name": "Alone", "Type": "ClarifyCheck"},
    ]
    seen = [listed(name, "Failed", 7_530, FailureReason="ClientError: " + "x" * 300) for name in long]
    figure = draw_execution(execution(steps, *seen))
    check_legible(figure)
    names = [texts(figure, name)[0] for name in long]
    assert len(set(names)) == num_parallel, "names that are cut still differ"
