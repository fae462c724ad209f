"""What holds after the exercises of 02-1-Option-Adapter-AB."""

# %% 1
assert adapted
assert adapted != before.adapted

# %% 2
second = sagemaker.describe_inference_component(InferenceComponentName=names.adapter + "-2")
assert second["InferenceComponentStatus"] == "InService"
assert "RuntimeConfig" not in second
assert _ == adapted
components = components_table(aws, names.endpoint_name)
assert len(components) == 4
assert components.loc[names.adapter + "-2", "GPUs"] == "-"

# %% 3
assert chosen.count("merged") + chosen.count("adapter") == 200
assert 5 <= chosen.count("adapter") <= 40
