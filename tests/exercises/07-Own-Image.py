"""What holds after the exercises of 07-Own-Image."""

# %% 1
assert first.digest != before.first.digest
assert second.digest == before.second.digest
assert [one.digest for one in first.blobs] != [one.digest for one in before.first.blobs]
assert of_first & of_second == {layer["digest"] for layer in manifest["layers"]}
assert len(of_first ^ of_second) == 2

# %% 2
(running,) = sagemaker.describe_endpoint(EndpointName=made.endpoint_name)["ProductionVariants"]
assert updated["EndpointConfigName"] == made.name_of(first.digest)
assert running["DeployedImages"][0]["SpecifiedImage"].endswith(":live")
assert running["DeployedImages"][0]["ResolvedImage"].endswith(second.digest)
assert answered_long

# %% 3 stops
import sys

assert isinstance(sys.last_value, AssertionError), sys.last_value
assert any("9000" in one.found and one.next_step for one in problems), problems
assert not before.problems
