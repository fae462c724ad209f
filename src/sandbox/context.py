"""What the sandbox is made of, handed to every operation."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from sandbox.account import pricing, quotas
from sandbox.api.faults import Faults
from sandbox.iam.authorization import Authorization
from sandbox.storage.resources import Resources

_READ_TIMEOUT_S = 600  # a slow disk may take minutes to keep a large object


class Context:
    """Home, records, faults, quotas, prices and clients of one running sandbox.

    Args:
        home: Folder of everything that outlives the process.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.faults = Faults()
        self.quotas, self.prices = quotas.granted(), pricing.usual_prices()
        self.authorization = Authorization(home)
        self.resources = Resources(home / "resources")
        self.url = ""  # known once the socket is bound
        # Set once the records say what became of what ran when the last sandbox ended.
        self.recovered = threading.Event()
        self._clients: dict[tuple[str, str], Any] = {}
        self._clients_lock = threading.Lock()

    def client(self, service: str, region: str) -> Any:
        """Return a boto3 client of this sandbox: jobs reach S3 and the logs as anybody does."""
        import boto3
        from botocore.config import Config

        with self._clients_lock:
            if (service, region) not in self._clients:
                self._clients[service, region] = boto3.session.Session(
                    aws_access_key_id="sandbox", aws_secret_access_key="sandbox", region_name=region
                ).client(
                    service,
                    endpoint_url=self.url,
                    config=Config(
                        max_pool_connections=32,
                        read_timeout=_READ_TIMEOUT_S,
                        retries={"total_max_attempts": 2},
                        proxies={},
                        request_checksum_calculation="when_required",
                        response_checksum_validation="when_required",
                    ),
                )
            return self._clients[service, region]
