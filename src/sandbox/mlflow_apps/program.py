"""The server of an MLflow App: what `mlflow server` starts, in one process and with a database at once.

    python -I program.py --port N --database PATH --artifacts s3://BUCKET/PREFIX

`mlflow server` imports MLflow twice, in itself and in the uvicorn that it starts, and waits for the disk
after each of the many steps in which an empty database becomes today's. Here it is imported once, and those
steps happen in memory.

Source: mlflow 3.17, mlflow/cli (server), mlflow/server/__init__.py (_run_server), mlflow/store/db/utils.py.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--artifacts", required=True)
    options = parser.parse_args()
    make_database(options.database)
    # Before MLflow: it looks for it among the modules, and protects its routes only where it finds it.
    import uvicorn

    database_uri = f"sqlite:///{options.database}"
    from mlflow.server import constants

    os.environ[constants.BACKEND_STORE_URI_ENV_VAR] = database_uri
    os.environ[constants.REGISTRY_STORE_URI_ENV_VAR] = database_uri
    os.environ[constants.ARTIFACT_ROOT_ENV_VAR] = options.artifacts
    _leave_disk_to_system()
    from mlflow.server.fastapi_app import app
    from mlflow.server.handlers import initialize_backend_stores

    # Now and not with the first request: what is wrong with the database is why the start fails.
    initialize_backend_stores(database_uri, database_uri, options.artifacts)
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", access_log=False)


def make_database(path: Path) -> None:
    """Make an empty database, as MLflow does it, unless there is one; whole or not at all.

    Raises:
        sqlite3.DatabaseError: There is a file that is none. MLflow would try to read it for two minutes.
    """
    if path.exists():
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA schema_version")
        return
    import sqlalchemy
    from mlflow.store.db.utils import _initialize_tables

    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.pool.StaticPool)
    _initialize_tables(engine)
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(partial)) as connection:
        engine.raw_connection().driver_connection.backup(connection)
    engine.dispose()
    partial.replace(path)


def _leave_disk_to_system() -> None:
    """Wait for the disk at no commit: what is written outlives this process even so."""
    import sqlalchemy

    @sqlalchemy.event.listens_for(sqlalchemy.Engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous = OFF")


if __name__ == "__main__":
    main()
