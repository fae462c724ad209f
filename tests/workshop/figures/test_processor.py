from __future__ import annotations

import pytest

from workshop.errors import WorkshopError
from workshop.figures import processor
from workshop.figures.processor import MASKS, describe, this_processor

ZEN5 = {"avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16"}
ZEN3 = {"avx2", "fma"}
ALDER_LAKE = {"avx2", "avx_vnni"}
AVX2_ONLY = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "CT2_FORCE_CPU_ISA": "AVX2"}


def one(flags: set[str], *, is_arm: bool = False, **environ: str) -> processor.Processor:
    return describe("A processor", 2, flags, is_arm=is_arm, environ=environ)


@pytest.mark.parametrize(
    ("flags", "is_arm", "kind"),
    [
        (ZEN5, False, "AVX512 + VNNI + bfloat16"),
        ({"avx2", "avx512f"}, False, "AVX512"),
        (ALDER_LAKE, False, "AVX2 + VNNI"),
        (ZEN3, False, "AVX2"),
        ({"sse4_2"}, False, "without AVX2"),
        ({"asimd"}, True, "Arm"),
        ({"asimd", "bf16"}, True, "Arm + bfloat16"),
    ],
)
def test_the_class_says_what_the_libraries_compute_with(flags: set[str], is_arm: bool, kind: str) -> None:
    found = one(flags, is_arm=is_arm)
    assert found.kind == kind
    assert found.masked_by == {}


def test_a_processor_that_is_held_back_is_of_the_lower_class_and_says_so() -> None:
    found = one(ZEN5, **AVX2_ONLY)
    assert found.kind == "AVX2"
    assert found.masked_by == AVX2_ONLY


def test_one_variable_alone_masks_what_its_values_say() -> None:
    assert one(ZEN5, ONEDNN_MAX_CPU_ISA="AVX512_CORE_VNNI").kind == "AVX512 + VNNI"
    assert one(ZEN5, MKL_ENABLE_INSTRUCTIONS="avx512").masked_by == {}


def test_variables_that_hold_nothing_back_mask_nothing() -> None:
    assert one(ZEN3, **AVX2_ONLY).masked_by == {}
    assert one({"asimd", "bf16"}, is_arm=True, **AVX2_ONLY).kind == "Arm + bfloat16"


def test_an_unknown_value_of_a_mask_is_named_with_those_there_are() -> None:
    with pytest.raises(WorkshopError, match=r"ONEDNN_MAX_CPU_ISA=AVX3[\s\S]*AVX2, AVX2_VNNI"):
        one(ZEN5, ONEDNN_MAX_CPU_ISA="AVX3")


def test_this_machine_has_a_class_and_a_name() -> None:
    found = this_processor({})
    assert found.model.strip()
    assert found.num_cores >= 1
    assert set(found.instructions) <= set(processor.INSTRUCTIONS)


def test_linux_tells_model_and_flags_of_its_first_processor(tmp_path) -> None:
    first = "processor : 0\nmodel name : AMD EPYC\ncpu family : 26\nmodel : 2\nflags : avx2 avx512f\n"
    (tmp_path / "cpuinfo").write_text(first + "\n" + first.replace("avx512f", "other"))
    assert processor._linux(tmp_path / "cpuinfo") == ("AMD EPYC (family 26, model 2)", {"avx2", "avx512f"})
    (tmp_path / "cpuinfo").write_text("processor : 0\nFeatures : fp asimd bf16\n")
    assert processor._linux(tmp_path / "cpuinfo")[1] == {"fp", "asimd", "bf16"}


def test_jobs_and_endpoints_of_the_sandbox_get_every_mask() -> None:
    from sandbox.handed_on import HANDED_ON

    assert set(MASKS) <= set(HANDED_ON)
