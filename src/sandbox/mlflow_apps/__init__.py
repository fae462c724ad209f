"""MLflow Apps: their records, the server of each, and the way of a request to it."""
