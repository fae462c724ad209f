"""FilterLogEvents as it is documented: moto takes no prefix of streams, and gives one stream after the other.

`aws logs tail --log-stream-name-prefix JOB` reads by it, and with several hosts it wants their lines in the
order of time.

Source: Amazon CloudWatch Logs API reference, FilterLogEvents: logStreamNamePrefix, and interleaved, which has
been true whatever is asked for since June 17, 2019.
"""

from __future__ import annotations

import json

from moto.logs import urls
from moto.logs.exceptions import InvalidParameterException
from moto.logs.responses import LogsResponse

_NO_STREAM = [""]  # an empty list means every stream to moto


def install() -> None:
    """Let moto answer CloudWatch Logs with this module; before its start."""
    urls.url_paths["{0}/$"] = Logs.dispatch


class Logs(LogsResponse):
    """The operation that differs from moto's."""

    def filter_log_events(self) -> str:
        """Return events of streams with these names, or whose names begin so, in the order of time."""
        group, names = self._get_param("logGroupName"), self._get_param("logStreamNames") or []
        prefix = self._get_param("logStreamNamePrefix")
        if prefix and names:
            raise InvalidParameterException(
                msg="LogStreamNamePrefix and LogStreamNames can not be given together."
            )
        known = self.logs_backend.groups[group].streams if group in self.logs_backend.groups else ()
        if prefix:
            names = [name for name in list(known) if name.startswith(prefix)] or _NO_STREAM
        asked = (self._get_param(name) for name in ("startTime", "endTime", "limit", "nextToken"))
        start, end, limit, token = asked
        events, token, searched = self.logs_backend.filter_log_events(
            group, names, start, end, limit, token, self._get_param("filterPattern"), True
        )
        return json.dumps({"events": events, "nextToken": token, "searchedLogStreams": searched})
