"""Whose routes and bodies the server speaks: a dialect reads requests into one form and writes one answer."""
