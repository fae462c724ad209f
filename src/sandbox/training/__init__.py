"""Training jobs: the container contract, the process, its logs, metrics and outputs."""
