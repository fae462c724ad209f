"""An endpoint that runs: its variants with their instances, from their start to their end."""

from __future__ import annotations

import logging
import random
import shutil
import threading
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from sandbox import images
from sandbox.api.faults import Fault
from sandbox.hosting import model_files
from sandbox.hosting.deployment import Variant
from sandbox.hosting.instance import Instance
from sandbox.hosting.preloaded import is_forked, preloaded_parent

if TYPE_CHECKING:
    from sandbox.context import Context

# Source: SageMaker Developer Guide, "Use Your Own Inference Code with Hosting Services".
STOP_GRACE_S = 30.0
FAILED_GRACE_S = 5.0  # of a container that never was healthy
_INSUFFICIENT_CAPACITY = (
    "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. Please"
    " retry using a different ML instance type or after some time."
)
_UNHEALTHY = (
    "The {container} container for production variant {variant} did not pass the ping health check. Please"
    " check CloudWatch logs for this endpoint."
)
_INTERNAL = "Request to service failed. If failure persists after retry, contact customer support."


class DeploymentFailedError(Exception):
    """The endpoint cannot be brought up; the text is its FailureReason."""


class RunningVariant:
    """A variant and the instances that run it."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.instances: list[Instance] = []

    def choose(self) -> Instance | None:
        """Return the healthy instance with the fewest requests in flight, or None."""
        healthy = [instance for instance in self.instances if instance.is_healthy]
        return min(healthy, key=lambda instance: (instance.num_in_flight, random.random()), default=None)


class RunningEndpoint:
    """An endpoint.

    Args:
        context: What the sandbox is made of.
        region: Its region.
        name: Its name.
        variants: What it runs.
        fault: Fault that was asked for its creation.
    """

    def __init__(
        self, context: Context, *, region: str, name: str, variants: list[Variant], fault: Fault | None
    ) -> None:
        self.region, self.name = region, name
        self.variants = {variant.name: RunningVariant(variant) for variant in variants}
        self.is_in_service = False
        self._weights = [variant.weight for variant in variants]
        self._context, self._fault = context, fault
        self._folder = context.home / "endpoints" / region / name
        self._stopped = threading.Event()

    def create(self, conclude: Callable[[str | None], None]) -> None:
        """Bring it up on a thread of its own.

        Args:
            conclude: Called with None when it serves, with the reason when it failed; not called when it was
                stopped meanwhile.
        """

        def run() -> None:
            reason = self._try_to_deploy()
            if self._stopped.is_set():
                return
            if reason is None:
                self.is_in_service = True
            else:
                self._end_instances(FAILED_GRACE_S)
            conclude(reason)

        threading.Thread(target=run, name=f"create {self.name}", daemon=True).start()

    def choose_variant(self, target: str | None) -> RunningVariant | None:
        """Return the variant that answers a request: the target, or one by the weights; None if unknown."""
        if target is not None:
            return self.variants.get(target)
        choices = list(self.variants.values())
        if len(choices) == 1 or not sum(self._weights):
            return choices[0]
        return random.choices(choices, self._weights)[0]

    def terminate(self) -> None:
        """Ask every server process to end."""
        self._stopped.set()
        self.is_in_service = False
        for instance in self._instances():
            instance.terminate()

    def stop(self, grace_s: float) -> None:
        """End every server process and remove its files.

        Args:
            grace_s: Seconds for all of them together, between SIGTERM and SIGKILL.
        """
        self.terminate()
        self._end_instances(grace_s)

    def _instances(self) -> list[Instance]:
        return [instance for variant in self.variants.values() for instance in list(variant.instances)]

    def _try_to_deploy(self) -> str | None:
        try:
            self._deploy()
        except DeploymentFailedError as failure:
            return str(failure)
        except Exception:  # told in the sandbox's log and as AWS tells of its own failures
            logging.getLogger("sandbox").error(traceback.format_exc())
            return _INTERNAL
        return None

    def _deploy(self) -> None:
        fault = self._fault.fault if self._fault else None
        if fault == "InsufficientCapacity":
            raise DeploymentFailedError(_INSUFFICIENT_CAPACITY)
        if fault == "SlowStart":
            self._stopped.wait(self._fault.delay_s)
        shutil.rmtree(self._folder, ignore_errors=True)
        for variant in self.variants.values():
            self._launch(variant)
        for variant in self.variants.values():
            for instance in variant.instances:
                if fault == "FailedHealthCheck":
                    instance.write("the health check fails: this was asked for by PUT /_sandbox/faults")
                if fault == "FailedHealthCheck" or not instance.wait_healthy():
                    names = {"container": variant.variant.container_name, "variant": variant.variant.name}
                    raise DeploymentFailedError(_UNHEALTHY.format(**names))
        for instance in self._instances():
            instance.supervise()

    def _launch(self, running: RunningVariant) -> None:
        """Bring a variant's files to its instances and start them."""
        variant, folder = running.variant, self._folder / running.variant.name
        command = _command(variant.image)
        if is_forked(command, variant.environment):
            preloaded_parent.start(self._context.home)  # it imports while the files are brought
        for _ in range(variant.num_instances):
            if self._stopped.is_set():
                return
            instance = Instance(
                self._context,
                region=self.region,
                endpoint=self.name,
                variant=variant,
                command=command,
                folder=folder,
            )
            try:
                self._bring_files(running, instance)
            except model_files.ModelDataError as error:
                raise DeploymentFailedError(str(error)) from None
            finally:
                running.instances.append(instance)
            if self._stopped.is_set():  # after it was added: terminate() sees it, or it is seen here
                return
            if not instance.start() and not self._stopped.is_set():
                raise DeploymentFailedError(
                    _UNHEALTHY.format(container=variant.container_name, variant=variant.name)
                )

    def _bring_files(self, running: RunningVariant, instance: Instance) -> None:
        if running.instances:
            model_files.duplicate(running.instances[0].model_folder, instance.model_folder)
        else:
            model_files.download(self._context, self.region, running.variant.container, instance.model_folder)

    def _end_instances(self, grace_s: float) -> None:
        deadline_s = time.monotonic() + grace_s
        for instance in self._instances():
            instance.terminate()
        for instance in self._instances():
            instance.stop(max(deadline_s - time.monotonic(), 0.01))
        shutil.rmtree(self._folder, ignore_errors=True)


def _command(image: str) -> list[str]:
    try:
        command = images.command_for(image)
    except images.ImagesError as error:
        raise DeploymentFailedError(str(error)) from None
    if command is None:
        raise DeploymentFailedError(
            f"The image '{image}' does not exist. (The sandbox has no program that stands for it: name one in"
            f" the file of {images.VARIABLE}, see src/sandbox/README.md.)"
        )
    return command
