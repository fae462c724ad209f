"""What holds after the exercises of 02-2-Option-Rolling-Update."""

# %% 1
assert updated["Specification"]["ModelName"] == names.model("next")
assert names.errors_alarm in updated["FailureReason"]
assert load.result.num_failed == 0, load.result.errors

# %% 2
assert "AutoRollbackConfiguration" in before.rolled_back["LastDeploymentConfig"]
assert "AutoRollbackConfiguration" not in rolled_back["LastDeploymentConfig"]
assert rolled_back["Specification"]["ModelName"] == names.model("next")
assert load_of_failure.result.num_failed == 0, load_of_failure.result.errors

# %% 3 stops
import sys

problem = str(sys.last_value)
assert "MaximumBatchSize" in problem
assert "at most half" in problem
