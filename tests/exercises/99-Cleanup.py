"""What holds after the exercises of notebook 99-Cleanup."""

# %% 1
there = {one.name: one.sources for one in find(aws).found if one.kind == "Model"}
assert set(there["news-try-ours"]) == {"ledger", "tag"}
assert "news-try-others" not in there
assert plain.describe_model(ModelName="news-try-others")["ModelName"] == "news-try-others"

# %% 2 stops
import sys

assert "Could not find model" in str(sys.last_value)
assert not [one for one in find(aws).found if one.name.startswith("news-try-")]

# %% 3 stops
import sys

assert "'bukcet'" in sys.last_value.found
assert sys.last_value.expected.endswith("closest: bucket")
assert {one.name for one in left.found} <= {one.name for one in find(aws).found}  # nothing is gone
