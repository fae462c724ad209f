"""What sample mode ships instead of downloading: Korean news and a small base model."""
