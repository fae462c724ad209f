"""The workshop's own expected numbers: measured, kept in one file, written from there into the texts."""
