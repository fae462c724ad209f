"""Endpoints."""


def recover(context) -> None: ...


def end_all(context) -> None: ...
