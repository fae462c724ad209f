"""LMI (DJL Serving)."""
