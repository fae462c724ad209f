"""What holds after each exercise of 00-LLMOps-Story."""

# %% 1
by_limit, by_longest, by_block = reserved.values()
assert by_limit == 4 * before.by_limit, reserved
assert (by_longest, by_block) == (before.by_longest, before.by_block), reserved

# %% 2
static_steps, continuous_steps = list(num_steps.values())[-2:]
assert before.static_steps > 1.5 * before.continuous_steps, before.num_steps
assert static_steps < 1.1 * continuous_steps, num_steps
assert static_steps < 0.6 * before.static_steps, num_steps

# %% 3
assert round(before.crossing / crossing, 6) == 6.4, (before.crossing, crossing)
