"""The copies of an inference component go to other instances, because its endpoint is updated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sandbox.api.errors import AwsError
from sandbox.api.faults import Fault
from sandbox.hosting import lifecycle
from sandbox.hosting.running_component import ComponentCopy, RunningComponent

if TYPE_CHECKING:
    from sandbox.context import Context
    from sandbox.hosting.running_endpoint import Fleet


class ComponentMove:
    """The move of one component: new copies beside the old ones, which then end.

    Args:
        context: Has the records.
        component: Whose copies move; it is Updating meanwhile, so that nothing else changes it.
    """

    def __init__(self, context: Context, component: RunningComponent) -> None:
        self._context, self._component = context, component
        self._old_machines = component.machines
        self._old: tuple[ComponentCopy, ...] = component.copies
        self._new: list[ComponentCopy] = []

    def go(self, fleet: Fleet, fault: Fault | None) -> None:
        """Start as many copies on other instances, and send requests to them too.

        Args:
            fleet: The variants that they go to.
            fault: One that was asked for.

        Raises:
            DeploymentFailedError: They have no place there, or cannot be brought up.
        """
        component = self._component
        component.machines = fleet[component.variant_name].machines
        self._new = component.launch(component.spec, len(self._old), fault)
        component.admit(self._new)

    def finish(self) -> None:
        """End the copies on the old instances."""
        self._component.retire(self._old)
        self.settle()

    def go_back(self) -> None:
        """End the copies on the new instances."""
        self._component.retire(self._new)
        self._component.machines = self._old_machines
        self.settle()

    def settle(self) -> None:
        """Say that the component may be changed again."""
        lifecycle.set_status(self._context, self._component.region, self._component.name, "InService")


def begin_moves(context: Context, region: str, endpoint: str) -> list[ComponentMove]:
    """Say of all components of an endpoint that they are being changed, and return their moves.

    Raises:
        AwsError: One can not be changed now; none is then.
    """
    moves: list[ComponentMove] = []
    try:
        for record in lifecycle.components_of(context, region, endpoint):
            name = record["InferenceComponentName"]
            # Adapters are where the copies of their base are, what failed has no copies, and what is being
            # deleted needs none elsewhere.
            is_leaving = record[lifecycle.STATUS] == "Deleting"
            if not is_leaving and isinstance(lifecycle.running(region, name), RunningComponent):
                component = lifecycle.begin_change(context, region, name, is_specification=True)
                moves.append(ComponentMove(context, component))
    except AwsError:
        settle(moves)
        raise
    return moves


def settle(moves: Iterable[ComponentMove]) -> None:
    """Take moves back that have not begun."""
    for move in moves:
        move.settle()
