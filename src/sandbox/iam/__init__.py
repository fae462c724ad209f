"""Roles and what their policies allow: asked by clients before a job, enforced when they want it."""
