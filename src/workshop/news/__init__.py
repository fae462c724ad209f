"""News on its way from a source to chat-format files: load, clean, check for leaks, shorten, split, write."""
