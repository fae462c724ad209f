"""Processes that are started together and ended together, for everything here that starts any."""
