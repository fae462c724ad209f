"""An adapter component that runs: its files, and the copies of its base component that have loaded it.

The copies keep serving meanwhile: each gets a request over loopback, as SageMaker sends it to a container, to
load the files from a folder of its own; a header names the adapter that an invocation is for.

Source: https://github.com/aws/model-hosting-container-standards (POST /adapters with name and src,
DELETE /adapters/NAME, the header X-Amzn-SageMaker-Adapter-Identifier), which vLLM's and LMI's containers
follow.
"""

from __future__ import annotations

import http.client
import json
import shutil
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from sandbox.hosting import model_files
from sandbox.hosting.connections import Connections
from sandbox.hosting.errors import DeploymentFailedError

if TYPE_CHECKING:
    from sandbox.hosting.running_component import ComponentCopy, RunningComponent

HEADER = "X-Amzn-SageMaker-Adapter-Identifier"
LOAD_TIMEOUT_S = 600.0
_BROKEN = (OSError, http.client.HTTPException)
_MAX_ANSWER_CHARACTERS = 400


class RunningAdapter:
    """An adapter component.

    Args:
        name: Its name, and the adapter's in the container.
        base: The component whose copies load it.
    """

    def __init__(self, name: str, base: RunningComponent) -> None:
        self.name, self.base = name, base
        self.region, self.endpoint, self.variant_name = base.region, base.endpoint, base.variant_name
        self.is_in_service = False
        self.stopped = threading.Event()
        self._files: Path | None = None
        self._folder = base.context.home / "components" / base.region / name

    def load(self, url: str) -> None:
        """Bring the files of an adapter and let every copy of the base load them in place of the old ones.

        Raises:
            DeploymentFailedError: The files are not there, or a copy can not load them; the old ones stay.
        """
        files, previous = self._folder / uuid.uuid4().hex, self._files
        loaded: list[ComponentCopy] = []
        try:
            model_files.download(self.base.context, self.region, {"ModelDataUrl": url}, files)
            with self.base.changing_adapters() as adapters:
                self._files = files
                try:
                    for copy in self.base.loaded_copies():
                        self.load_into(copy)
                        loaded.append(copy)
                except AdapterError:
                    self._files = previous
                    for copy in loaded:
                        self._load_again(copy)
                    raise
                adapters[self.name] = self
        except (model_files.ModelDataError, AdapterError) as error:
            shutil.rmtree(files, ignore_errors=True)
            raise DeploymentFailedError(str(error)) from None
        if previous:
            shutil.rmtree(previous, ignore_errors=True)

    def load_into(self, copy: ComponentCopy, connections: Connections | None = None) -> None:
        """Let a copy load the adapter, or load it anew.

        Raises:
            AdapterError: It can not.
        """
        folder = copy.adapter_folder(self._files.name)
        try:
            if not folder.exists():
                model_files.duplicate(self._files, folder)
        except OSError as error:  # a full disk ends neither a starting copy nor the change
            shutil.rmtree(folder, ignore_errors=True)
            detail = copy.outside(str(error))[:_MAX_ANSWER_CHARACTERS]
            raise AdapterError(f"The adapter {self.name} can not be given to a copy: {detail}") from None
        body = json.dumps({"name": self.name, "src": copy.inside(folder)}).encode()
        self._send(copy, connections, "POST", "/adapters", body)

    def unload(self) -> None:
        """Let every copy unload the adapter, and remove its files."""
        self.terminate()
        with self.base.changing_adapters() as adapters:
            if adapters.pop(self.name, None):
                for copy in self.base.loaded_copies():
                    self._unload_from(copy)
        shutil.rmtree(self._folder, ignore_errors=True)

    def terminate(self) -> None:
        """Be loaded no more; the copies that have it end with their base."""
        self.stopped.set()
        self.is_in_service = False

    def stop(self, grace_s: float) -> None:
        """Remove its files; it has no process of its own."""
        self.terminate()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _load_again(self, copy: ComponentCopy) -> None:
        """Give a copy what it had before a failure."""
        if self._files is None:
            self._unload_from(copy)
            return
        try:
            self.load_into(copy)
        except AdapterError as error:
            copy.write(str(error))

    def _unload_from(self, copy: ComponentCopy) -> None:
        try:
            self._send(copy, None, "DELETE", f"/adapters/{quote(self.name)}", b"")
        except AdapterError as error:
            copy.write(str(error))

    def _send(
        self, copy: ComponentCopy, connections: Connections | None, method: str, path: str, body: bytes
    ) -> None:
        """Send a request of SageMaker's own to a copy.

        Raises:
            AdapterError: It did not answer with success.
        """
        deadline_s = time.monotonic() + LOAD_TIMEOUT_S
        headers = {"Content-Type": "application/json"}
        try:
            exchange = copy.send(method, path, body, headers, deadline_s=deadline_s, through=connections)
            try:
                text = exchange.read().decode("utf-8", "replace")
            finally:
                exchange.close()
        except _BROKEN as error:
            raise AdapterError(f"{method} {path} got no answer from the container: {error}") from None
        if not 200 <= exchange.status < 300:
            raise AdapterError(
                f"The container of inference component {self.base.name} can not load or unload the adapter"
                f" {self.name}: {method} {path.partition('?')[0]} was answered with {exchange.status}"
                f" {copy.outside(text)[:_MAX_ANSWER_CHARACTERS]}"
            )


class AdapterError(Exception):
    """A copy did not load or unload an adapter; the text says why."""
