"""What holds after each exercise of 02-3-Option-Scale-to-Zero."""

# %% 1
to_zero, awake = activities[:2]
assert ("count to 0" in to_zero["Description"], "count to 1" in awake["Description"]) == (True, True), (
    activities
)
assert "-AlarmLow-" in to_zero["Cause"], to_zero
assert names.alarm in awake["Cause"], awake

# %% 2
before_it = before.watch_of_scaling.snapshots[-1].copies[names.tuned]
described = sagemaker.describe_inference_component(InferenceComponentName=names.tuned)
assert (before_it[0], described["RuntimeConfig"]["CurrentCopyCount"]) == (1, 2), (before_it, described)
assert min(one.copies[names.tuned][1] for one in watch_of_scaling.snapshots) >= 1, "it went to zero"
assert any(call.done() and not call.cancelled() for call in calls), "nobody called"

# %% 3
described = sagemaker.describe_inference_component(InferenceComponentName=names.tuned)
assert described["RuntimeConfig"]["CurrentCopyCount"] == 2, described["RuntimeConfig"]
found = scaling.describe_scaling_activities(ServiceNamespace="sagemaker", ResourceId=target["ResourceId"])
newest = max(found["ScalingActivities"], key=lambda one: one["StartTime"])
assert "count to 2" in newest["Description"], newest
assert names.alarm in newest["Cause"], newest
