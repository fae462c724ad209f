"""Container images built and pushed without Docker: notebook 03-llmops/07."""
