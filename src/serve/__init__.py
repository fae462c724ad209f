"""A CPU inference server that speaks TGI: `python -m serve`, as a SageMaker container starts it."""
