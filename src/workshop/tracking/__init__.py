"""Runs, scores and prompts in the account's MLflow App; in sample mode in that of the AWS on this machine.

The calls of MLflow stand in the cells; what is logged is gathered here.
"""

from workshop.tracking.connection import connect_tracking, link_text

__all__ = ["connect_tracking", "link_text"]
