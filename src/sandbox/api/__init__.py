"""SageMaker's control plane: requests and answers, and the operations that are implemented."""
