"""What holds after the exercises of notebook 01-Prepare-Dataset-KR-News."""

# %% 1
near = "rejected: nearly the same article as in test"
assert near not in without_leaks(leaky).counts().index
assert _.loc[near, "train"] == 2
assert near not in without_leaks(before.leaky).counts().index  # whole copies are the same, not nearly

# %% 2
kept = {
    name: one.counts().loc["kept", "total"] for name, one in (("at 400", before.tight), ("at 300", tight))
}
assert kept == {"at 400": 30, "at 300": 15}
assert (
    _.loc["rejected: summary not shorter than the part of its article that fits the context", "total"] == 15
)

# %% 3
import re

pages = (_.data, render_row(tokenizer, row["messages"]).data)
(read, trained), (read_before, trained_before) = (
    re.search(r"([\d,]+) read .*?([\d,]+) trained", page).groups() for page in pages
)
assert read == read_before
assert int(trained) < int(trained_before)
assert "&lt;|end_of_text|&gt;" in pages[0]
