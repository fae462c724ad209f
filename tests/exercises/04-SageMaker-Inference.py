"""What holds after the exercises of 04-SageMaker-Inference."""

# %% 1
assert (streamed.num_generated_tokens, streamed.finish_reason) == (8, "length")
assert before.streamed.num_generated_tokens > 8

# %% 2 stops
import sys

problem = str(sys.last_value)
assert "ml.g5.12xlarge" in problem
assert settings.endpoint_instance_type in problem
assert sagemaker.describe_endpoint(EndpointName=endpoint_name)["EndpointStatus"] == "InService"

# The third begins with the cell of section 8.
from workshop.aws.resources import delete_if_there
from workshop.endpoint.deletion import delete_endpoint

delete_endpoint(aws, endpoint_name, timeout_s=settings.endpoint_timeout_s)
delete_if_there(sagemaker.delete_endpoint_config, EndpointConfigName=made.config_name)
delete_if_there(sagemaker.delete_model, ModelName=made.model_name)
state.remove("endpoint")
state.save()

# %% 3
assert "vllm" in serving_image
assert "vllm" not in before.serving_image
assert not set(environment) & set(before.environment)
sent = [json.loads(one.body(prompt_text(questions[0]))) for one in (before.dialect, dialect)]
assert [("inputs" in body, "prompt" in body) for body in sent] == [(True, False), (False, True)]
# One server, but what is computed together may round otherwise.
assert sum(ours == theirs for ours, theirs in zip(tuned, before.tuned, strict=True)) > len(tuned) / 2
assert endpoint_name != before.endpoint_name
assert not is_there(sagemaker.describe_endpoint, EndpointName=endpoint_name)
