"""Roles and what their policies allow: asked by clients before they start a job, enforced by nothing here."""
