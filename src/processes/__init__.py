"""What several packages need, each once: processes that end together, and archives."""
