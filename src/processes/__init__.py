"""What several packages need, each once: processes that end together, free ports, whole files, archives."""
