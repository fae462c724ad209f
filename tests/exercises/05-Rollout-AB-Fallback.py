"""What holds after the exercises of 05-Rollout-AB-Fallback."""

# %% 1
assert few < more, few - more
assert len(few - other) > 1, few - other
assert 0 < len(few) < len(more) < len(users)

# %% 2 stops
import sys

from workshop.errors import WorkshopError

assert isinstance(sys.last_value, WorkshopError), sys.last_value
assert "throttled" in str(sys.last_value), sys.last_value
with faults.planted("throttled", endpoint=run.name):
    assert FallbackClient([serving, lead_rung()], **kept_to).ask(chat_messages(articles[0])).rung == "lead-3"

# %% 3
serves = sagemaker.describe_endpoint(EndpointName=run.name)["EndpointConfigName"]
assert bad.went_through, bad.outcome
assert serves == f"{run.name}-v3-template", serves
assert bad.result.num_failed == 0, bad.result.errors
