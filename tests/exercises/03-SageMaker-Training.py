"""What holds after the exercises of notebook 03-SageMaker-Training."""

# %% 1
assert hyperparameters["time_limit_s"] < before.hyperparameters["time_limit_s"]
assert run.name == before.run.name
assert started_jobs(aws, run) == before.jobs

# %% 2 stops
import sys

assert "unknown key 'learning_rat'" in sys.last_value.found
assert "'learning_rate'" in sys.last_value.found
failed = trainer._latest_training_job.training_job_name
assert failed.startswith(run.name)
assert failed not in started_jobs(aws, run)

# %% 3
assert stopped.status == "Stopped"
assert 0 < stopped.records[-1]["step"] < job.records[-1]["step"]
assert any("/checkpoint-" in item["Key"] for item in saved)
assert started_jobs(aws, run) == jobs  # what the notebook finds when it is run again is its own job
