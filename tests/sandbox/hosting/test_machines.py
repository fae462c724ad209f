"""The machines of a variant without a model: what fits on them, and when there are more or fewer."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import clock
from sandbox.hosting import machines as module
from sandbox.hosting.instance_types import Resources, resources_of
from sandbox.hosting.machines import Machines, NoCapacityError
from sandbox.hosting.specs import Variant

ONE = Resources(num_accelerators=1, memory_mib=1024)


def machines(instance_type: str = "ml.g5.12xlarge", num: int = 1, **scaling: Any) -> Machines:
    return Machines(
        Variant(
            name="v",
            container=None,
            num_instances=num,
            weight=1.0,
            startup_timeout_s=1.0,
            instance_type=instance_type,
            managed_scaling={"Status": "ENABLED", **scaling} if scaling else None,
        )
    )


@pytest.mark.parametrize(
    ("instance_type", "accelerators", "cores", "gib"),
    [  # from the pages of the instance types
        ("ml.g4dn.12xlarge", 4, 48, 192),
        ("ml.g5.xlarge", 1, 4, 16),
        ("ml.g5.16xlarge", 1, 64, 256),
        ("ml.g5.24xlarge", 4, 96, 384),
        ("ml.g5.48xlarge", 8, 192, 768),
        ("ml.g6e.2xlarge", 1, 8, 64),
        ("ml.g6.12xlarge", 4, 48, 192),
        ("ml.p3.2xlarge", 1, 8, 61),
        ("ml.p4d.24xlarge", 8, 96, 1152),
        ("ml.p5.48xlarge", 8, 192, 2048),
        ("ml.inf2.24xlarge", 6, 96, 384),
        ("ml.trn1.32xlarge", 16, 128, 512),
        ("ml.m5.large", 0, 2, 8),
        ("ml.c5.9xlarge", 0, 36, 72),
        ("ml.c6i.2xlarge", 0, 8, 16),
        ("ml.r6g.medium", 0, 1, 8),
    ],
)
def test_an_instance_type_has_what_its_page_says(
    instance_type: str, accelerators: int, cores: int, gib: int
) -> None:
    expected = Resources(num_accelerators=accelerators, num_cores=cores, memory_mib=gib * 1024)
    assert resources_of(instance_type) == expected


@pytest.mark.parametrize("instance_type", ["ml.t2.medium", "ml.g5.3xlarge", "ml.p9.48xlarge", "ml.g5.metal"])
def test_an_unknown_instance_type_has_no_guess(instance_type: str) -> None:
    assert resources_of(instance_type) is None


def test_copies_fit_until_one_of_the_resources_is_used_up() -> None:
    for needs, num in (
        (ONE, 4),
        (Resources(num_accelerators=3, memory_mib=1), 1),
        (Resources(num_cores=10, memory_mib=1), 4),
        (Resources(memory_mib=100 * 1024), 1),
    ):
        some = machines()
        assert some.num_places(needs) == num
        for number in range(num):
            some.place(str(number), needs)
        assert some.num_places(needs) == 0
        with pytest.raises(NoCapacityError, match="not enough hardware resources"):
            some.place("more", needs)
        some.release("0")
        some.place("more", needs)


def test_copies_are_spread_or_packed() -> None:
    spread, packed = machines(num=2), machines(num=2)
    assert len({spread.place(str(number), ONE).id for number in range(2)}) == 2
    assert len({packed.place(str(number), ONE, is_spread=False).id for number in range(4)}) == 1
    packed.place("5", ONE, is_spread=False)


def test_managed_scaling_adds_an_instance_when_a_copy_fits_nowhere_up_to_the_maximum() -> None:
    some = machines("ml.g5.xlarge", MinInstanceCount=1, MaxInstanceCount=2)
    assert some.num_places(ONE) == 2
    some.place("a", ONE)
    assert some.num_instances == 1
    some.place("b", ONE)
    assert some.num_instances == 2
    with pytest.raises(NoCapacityError):
        some.place("c", ONE)


def test_managed_scaling_adds_no_instance_for_what_none_can_hold() -> None:
    some = machines("ml.g5.xlarge", MinInstanceCount=1, MaxInstanceCount=2)
    with pytest.raises(NoCapacityError):
        some.place("a", Resources(num_accelerators=2))
    assert some.num_instances == 1


@pytest.mark.parametrize("least", [0, 1])
def test_an_instance_that_was_empty_for_a_while_goes_down_to_the_minimum(
    least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 1000.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now_s)
    monkeypatch.setattr(clock, "speed", lambda: 60.0)
    some = machines("ml.g5.xlarge", MinInstanceCount=least, MaxInstanceCount=3)
    for name in "abc":
        some.place(name, ONE)
    now_s += 1000
    for name in "abc":
        some.release(name)
    now_s += 9.9  # at sixty times the speed 600 s are 10
    assert some.num_instances == 3
    now_s += 0.2
    assert some.num_instances == least
    some.place("d", ONE)
    now_s += 1000
    assert some.num_instances == 1, "it is not empty"


def test_a_cooldown_of_the_scale_in_policy_is_the_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now_s)
    policy = {"Strategy": "IDLE_RELEASE", "CooldownInMinutes": 2}
    some = machines("ml.g5.xlarge", MinInstanceCount=0, MaxInstanceCount=1, ScaleInPolicy=policy)
    now_s = 119.0
    assert some.num_instances == 1
    now_s = 121.0
    assert some.num_instances == 0


def test_without_managed_scaling_there_are_always_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    some = machines(num=2)
    monkeypatch.setattr(module.time, "monotonic", lambda: 1e9)
    assert some.num_instances == 2
