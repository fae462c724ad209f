"""What holds after the exercises of 01-SageMaker-Inference-Local-Test."""

# %% 1
(problem,) = found
assert problem.found == "SM_NUM_GPUS = 3"
assert "SM_NUM_GPUS = 3" not in [one.found for one in before.found]

# %% 2
assert len(set(drawn)) < len(set(before.drawn))

# %% 3
assert not results[0].errors
for result in results[1:]:
    assert sum(result.errors.values()) > len(result.good)
    assert all("429" in error or "overloaded" in error for error in result.errors)
