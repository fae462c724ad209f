"""Engines behind the interface of `serve.engine`; each imports its own heavy libraries where it is built."""
