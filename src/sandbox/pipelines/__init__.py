"""SageMaker Pipelines: their definitions, and the executions that run them."""
