"""Where requests go while an endpoint is updated, in this process, one request at a time."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

from sandbox.hosting.running_endpoint import Fleet, RunningEndpoint


def arrive(endpoint: RunningEndpoint) -> Fleet:
    """Start a second fleet of what the endpoint runs."""
    (variant,) = [running.spec for running in endpoint.variants.values()]
    fleet = endpoint.new_fleet([dataclasses.replace(variant)])
    endpoint.launch_fleet(fleet, fault=None)
    return fleet


def test_traffic_is_shared_as_it_was_shifted(here: Any) -> None:
    endpoint = here()
    (old,), fleet = endpoint.variants.values(), arrive(endpoint)
    (new,) = fleet.values()
    endpoint.shift(fleet, 0.25)
    for target in (None, "AllTraffic"):
        chosen = Counter(endpoint.choose_variant(target) for _ in range(4000))
        assert set(chosen) == {old, new}
        assert 800 < chosen[new] < 1200  # seven standard deviations
    assert endpoint.variants == {"AllTraffic": old}
    endpoint.shift({}, 0.0)
    assert {endpoint.choose_variant(None) for _ in range(100)} == {old}
    endpoint.shift(fleet, 1.0)
    assert {endpoint.choose_variant(None) for _ in range(100)} == {new}


def test_a_request_that_had_chosen_a_variant_which_is_retired_goes_to_the_one_in_service(here: Any) -> None:
    endpoint = here()
    chosen, fleet = endpoint.choose_variant(None), arrive(endpoint)
    (new,) = fleet.values()
    endpoint.retire(endpoint.replace(fleet))
    assert chosen.copies == ()
    assert chosen.choose() is new.copies[0]
    again = arrive(endpoint)
    endpoint.retire(again)  # as after a failed update
    assert next(iter(again.values())).choose() is new.copies[0]


def test_a_request_does_not_go_to_an_instance_that_is_leaving(here: Any) -> None:
    endpoint = here(num_instances=2)
    (running,) = endpoint.variants.values()
    staying, leaving = running.copies
    running.retire([leaving])
    assert {running.choose() for _ in range(20)} == {staying}
    assert running.living() == [staying]


def test_after_the_end_of_the_last_instance_nobody_answers(here: Any) -> None:
    endpoint = here()
    (running,) = endpoint.variants.values()
    running.retire(running.copies)
    assert running.choose() is None


def test_requests_go_to_whoever_has_the_fewest_or_to_anyone_where_the_strategy_is_random(here: Any) -> None:
    def pairs(strategy: str) -> list[set[Any]]:
        endpoint = here(strategy.lower(), num_instances=2, routing={"RoutingStrategy": strategy})
        (running,) = endpoint.variants.values()
        return [{running.choose(), running.choose()} for _ in range(64)]  # none of them ends

    assert {len(pair) for pair in pairs("LEAST_OUTSTANDING_REQUESTS")} == {2}
    assert {len(pair) for pair in pairs("RANDOM")} == {1, 2}
