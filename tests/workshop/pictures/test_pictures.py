"""Concept pictures: the files are what the script draws, used, described, legible, and nothing is cut."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path

import nbformat
import pytest
import yaml
from tests.browser.chromium import dom_of

from tuning.memory_model import Load, Shape, estimate
from workshop.notebooks.order import list_notebooks
from workshop.notebooks.report import write_report
from workshop.notebooks.run import NotebookRun
from workshop.pictures import training
from workshop.pictures.canvas import GROUND, QUIET, TONES, Canvas, Line, TooWideError
from workshop.pictures.catalogue import PICTURES
from workshop.pictures.embed import IMG_DIR, inlined

REPO_DIR = Path(__file__).parents[3]
DRAWN = {picture.name: picture for picture in (draw() for draw in PICTURES)}
USED = re.compile(r"!\[([^\]]*)\]\(((?:\.\./)*img/([\w-]+)\.svg)\)")
MAX_BYTES, MIN_LETTER = 30_000, 16
MAX_HEIGHT = 560  # of 1000 wide: seen whole below a line of words at 1280 x 720
LLAMA_3_8B = {
    "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": False,
}  # fmt: skip


def pages() -> dict[Path, str]:
    """The texts that show pictures: markdown cells of the notebooks, and both READMEs."""
    texts = {path: path.read_text(encoding="utf-8") for path in REPO_DIR.glob("README*.md")}
    for path in list_notebooks(REPO_DIR / "notebook"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        words = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
        texts[path] = "\n\n".join(words)
    return texts


PAGES = pages()


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_the_file_is_what_the_script_draws(name: str) -> None:
    path = IMG_DIR / f"{name}.svg"
    assert path.is_file(), "make pictures"
    assert path.read_text(encoding="utf-8") == DRAWN[name].svg(), "make pictures"


def test_every_picture_is_drawn_and_shown_and_every_shown_one_is_there() -> None:
    shown = {(path, link) for path, text in PAGES.items() for _, link, _ in USED.findall(text)}
    assert {(path.parent / link).resolve() for path, link in shown} == set(IMG_DIR.glob("*.svg"))
    assert {path.stem for path in IMG_DIR.glob("*.svg")} == set(DRAWN)


def test_who_does_not_see_a_picture_is_told_in_korean_and_english() -> None:
    for path, text in PAGES.items():
        for alt, _, name in USED.findall(text):
            assert alt == DRAWN[name].alt, f"{path.name}, {name}"
    for picture in DRAWN.values():
        in_korean, _, in_english = picture.alt.partition(" · ")
        assert re.search("[가-힣]{2}", in_korean), picture.name
        assert re.search("[a-z]{3}", in_english), picture.name
        assert not re.search("[가-힣]", in_english), picture.name


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_it_is_small_wellformed_and_asks_for_nothing(name: str) -> None:
    text = DRAWN[name].svg()
    assert len(text.encode()) <= MAX_BYTES
    root = ET.fromstring(text)
    assert root.attrib["viewBox"] == f"0 0 {root.attrib['width']} {root.attrib['height']}"
    assert int(root.attrib["height"]) <= MAX_HEIGHT
    assert {one.tag.rpartition("}")[2] for one in root.iter()} <= {"svg", "rect", "text", "path"}
    assert not re.search(r"href|url\(|@import|<style|<script", text)


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_letters_are_large_stay_in_the_picture_and_do_not_lie_on_each_other(name: str) -> None:
    picture = DRAWN[name]
    assert len(picture.words) > 5
    for words in picture.words:
        assert words.size >= MIN_LETTER, words.text
        assert 0 < words.top < words.bottom < picture.height - 4, words.text
    for one, other in combinations(picture.words, 2):
        is_beside = one.end <= other.start or other.end <= one.start
        is_above = one.bottom <= other.top or other.bottom <= one.top
        assert is_beside or is_above, f"{one.text!r} lies on {other.text!r}"


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_words_are_in_korean_and_in_english(name: str) -> None:
    texts = [words.text for words in DRAWN[name].words]
    assert sum(bool(re.search("[가-힣]", text)) for text in texts) >= 3
    assert sum(bool(re.search("[a-z]{3}", text)) for text in texts) >= 3


def contrast(one: str, other: str) -> float:
    """Source: WCAG 2.2, relative luminance and contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_words_and_lines_stand_out_from_the_ground_that_each_picture_brings_along() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    for tone in TONES:
        assert contrast(tone.ink, tone.fill) >= 7
        assert contrast(QUIET, tone.fill) >= 4.5
        assert min(contrast(tone.line, GROUND), contrast(tone.line, tone.fill)) >= 3
    for name, picture in DRAWN.items():
        assert all(contrast(words.colour, words.ground) >= 4.5 for words in picture.words), name
        ground = ET.fromstring(picture.svg())[0]
        assert (ground.tag.rpartition("}")[2], ground.attrib["fill"]) == ("rect", GROUND), name
        size = [int(ground.attrib[side]) for side in ("width", "height")]
        assert size == [998, picture.height - 2], name


def test_in_a_browser_no_words_leave_their_box(tmp_path: Path) -> None:
    measured = """<pre id="probe"></pre><script>
      const widths = [...document.querySelectorAll("svg")].map((one) => [...one.querySelectorAll("text")]
        .map((words) => { const box = words.getBBox(); return [box.x, box.x + box.width]; }));
      document.getElementById("probe").textContent = JSON.stringify(widths);
    </script>"""
    page = tmp_path / "pictures.html"
    drawings = "".join(picture.svg() for picture in DRAWN.values())
    page.write_text(f'<meta charset="utf-8">{drawings}{measured}', encoding="utf-8")
    seen_page = dom_of(page.as_uri(), tmp_path / "profile")
    found = re.search(r'<pre id="probe">(\[.*?)</pre>', seen_page)
    assert found, seen_page[-2000:]
    for picture, seen in zip(DRAWN.values(), json.loads(found[1]), strict=True):
        for words, (left, right) in zip(picture.words, seen, strict=True):
            assert words.left - 1 <= left < right <= words.right + 1, f"{picture.name}: {words.text}"


def test_words_that_would_be_cut_are_refused() -> None:
    picture = Canvas("a", 100, alt="그림 · picture", heading=("가", "a"))
    with pytest.raises(TooWideError, match="takes -42 to 122 of 5 to 75"):
        picture.box(0, 50, 80, 40, Line("이 상자보다 훨씬 긴 글"))
    with pytest.raises(TooWideError, match="higher than its box"):
        picture.box(0, 50, 80, 30, Line("하나"), Line("둘"))
    with pytest.raises(TooWideError):
        picture.text(995, 60, "cut", anchor="start")


def test_the_memory_bars_are_those_of_the_memory_model() -> None:
    shape = Shape.of_config(LLAMA_3_8B)
    path = REPO_DIR / "src" / "train" / "recipes" / "llama3-8b-qlora-g5-12xlarge.yaml"
    recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    ways = {
        "lora": ({"load_in_4bit": False, "fsdp": False}, 1),
        "qlora": ({"fsdp": False}, 1),
        "sharded": ({}, 4),
    }
    for name, (changes, num_gpus) in ways.items():
        memory = estimate(shape, Load.of_recipe(recipe | changes, num_gpus=num_gpus))
        rest = memory.total - memory.weights - memory.adapter
        counted = [round(mib / 1024, 1) for mib in (memory.weights, memory.adapter, rest)]
        assert counted == pytest.approx(training.MEMORY_GIB[name], abs=0.051), name
    num_parameters = shape.layers * shape.layer_weights + shape.embedding_weights
    assert training.MEMORY_GIB["full"][1] == round(16 * num_parameters / 2**30, 1)
    assert training.MEMORY_GIB["full"][2] == training.MEMORY_GIB["lora"][2]
    assert round(num_parameters / 1e9, 2) == training.MODEL_BILLION
    adapter = shape.layers * recipe["lora_r"] * sum(rows + columns for rows, columns in shape.linears)
    assert round(adapter / 1e6, 1) == training.ADAPTER_MILLION


def test_a_report_holds_its_pictures(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("앞 문장입니다.\n\n![그림 · picture](../../img/qlora.svg)")]
    )
    folder = REPO_DIR / "notebook" / "03-llmops"
    run = NotebookRun(path=folder / "a.ipynb", notebook=notebook, seconds=1.0, failure=None)
    write_report(tmp_path / "report.html", [run], "sample")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "y = W x" in page
    assert "앞 문장입니다." in page
    assert "img/qlora.svg" not in page


def test_other_images_of_a_page_stay_as_they_are() -> None:
    page = '<p><img src="data:image/png;base64,AA"><img src="https://img/a.svg"></p>'
    assert inlined(page) == page
