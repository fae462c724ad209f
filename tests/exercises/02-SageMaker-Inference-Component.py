"""What holds after the exercises of 02-SageMaker-Inference-Component."""

# %% 1
assert described["RuntimeConfig"] == {"DesiredCopyCount": 3, "CurrentCopyCount": 3}
endpoint = sagemaker.describe_endpoint(EndpointName=names.endpoint_name)
assert endpoint["ProductionVariants"][0]["CurrentInstanceCount"] == 1

# %% 2 stops
import sys

problem = str(sys.last_value)
assert "4 tuned + 1 base = 5 copies" in problem
assert "endpoint_max_instances" in problem

# %% 3 stops
import sys

problem = str(sys.last_value)
assert "chat_template" in problem
assert "prompt_text(messages)" in problem
