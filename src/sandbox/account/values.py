"""Values of the account that a test sets: quotas and prices, until they are cleared.

PUT /_sandbox/quotas     {"name": "ml.g5.4xlarge for training job usage", "value": 0}
PUT /_sandbox/prices     {"name": "ml.g5.4xlarge", "value": 2.5}      dollars an hour
GET, DELETE              those that were set; none any more
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from sandbox.api.errors import validation_error


class Values:
    """Numbers by name: the usual ones, and those that were set in their place.

    Args:
        usual: All names that there are.
    """

    def __init__(self, usual: Mapping[str, float]) -> None:
        self._usual, self._changed = usual, {}
        self._lock = threading.Lock()

    def add(self, request: Any) -> None:
        """Set the value that a control request gives.

        Raises:
            AwsError: It names something unknown, or a value that is no number of 0 or more.
        """
        if not isinstance(request, dict) or request.keys() != {"name", "value"}:
            raise validation_error(f"found {request!r}; expected name and value")
        name, value = request["name"], request["value"]
        if name not in self._usual:
            raise validation_error(f"found name {name!r}; expected one of {', '.join(self._usual)}")
        if type(value) not in (int, float) or not value >= 0:
            raise validation_error(f"found value {value!r}; expected a number of 0 or more")
        with self._lock:
            self._changed[name] = float(value)

    def get(self, name: str) -> float:
        with self._lock:
            return self._changed.get(name, self._usual[name])

    def changed(self, name: str) -> float | None:
        """Return a value that was set; None when it is the usual one."""
        with self._lock:
            return self._changed.get(name)

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [{"name": name, "value": value} for name, value in self._changed.items()]

    def clear(self) -> None:
        with self._lock:
            self._changed.clear()
