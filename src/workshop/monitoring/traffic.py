"""Planted traffic and its readers' thumbs, for a notebook, which imports nothing but workshop."""

from sample.monitoring.traffic import KINDS, NEW_TOPIC, NORMAL, Request, is_right, planted, thumb

__all__ = ["KINDS", "NEW_TOPIC", "NORMAL", "Request", "is_right", "planted", "thumb"]
