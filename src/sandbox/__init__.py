"""An AWS on loopback that really executes SageMaker training jobs and endpoints."""
