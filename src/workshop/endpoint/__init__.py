"""Endpoints and inference components: waited for, watched, deleted."""
