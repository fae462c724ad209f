"""What holds after the exercises of 06-Pipeline-Registry."""

# %% 1 stops
import sys

assert isinstance(sys.last_value, WorkshopError), sys.last_value
assert "pprov" in str(sys.last_value), sys.last_value
assert sagemaker.describe_model_package(ModelPackageName=version_1)["ModelApprovalStatus"] == "Rejected"
assert version_in_production(aws, run.name).package_arn == version_1
assert dialect.answer(runtime.invoke_endpoint(**asked)["Body"].read()).text

# %% 2
moved = {"configuration", "model", "version", "execution", "training job"} if is_registered else set()
assert len(lineage) == 10
assert {name for name in lineage if lineage[name] != before.lineage[name]} == moved

# %% 3
narrow, wide = (judged[num].difference for num in sorted(judged, reverse=True))
assert abs(narrow.mean - wide.mean) < 1e-6, (narrow, wide)
assert 0.35 < (narrow.high - narrow.low) / (wide.high - wide.low) < 0.65, (narrow, wide)
