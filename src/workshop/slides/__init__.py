"""Talks from executed notebooks: what is looked at on slides, what is read in the speaker's notes."""
