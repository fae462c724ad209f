"""What holds after the exercises of notebook 03-1-Option-SageMaker-Training."""

# %% 1
for name, one in plans.items():
    cost, cost_before = one.cost, before.plans[name].cost
    num_jobs = settings.long_run_max_jobs
    assert num_jobs > 1
    assert abs(cost.aws_usd_limit * num_jobs - cost_before.aws_usd_limit) < 0.01 * cost_before.aws_usd_limit
    assert (one.hours, cost.aws_usd) == (before.plans[name].hours, before.plans[name].cost.aws_usd)

# %% 2
assert ended.status == "Completed"
assert not ended.is_at_last_step
assert ended.records[-1]["step"] == 1
assert ended.model_uri

# %% 3 stops
import sys

assert "ran longer than its 2 s" in sys.last_value.found
assert "raise max_run_s" in sys.last_value.next_step
killed = trainer._latest_training_job.training_job_name
told = aws.client("sagemaker").describe_training_job(TrainingJobName=killed)
assert told["SecondaryStatus"] == "MaxRuntimeExceeded"
