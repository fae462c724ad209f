"""What holds after the exercises of notebook 02-Train-Local-KR-News."""


# %% 1
def num_bytes_of(folder):
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


small_dir, large_dir = output_dir / "model", before.output_dir / "model"
assert 6 < num_bytes_of(large_dir / "adapter") / num_bytes_of(small_dir / "adapter") < 10
assert num_bytes_of(large_dir) == num_bytes_of(small_dir)
assert training.records[-1]["step"] == 5
assert State.load(settings).model == state.model  # what the next notebooks take is the whole training's

# %% 2
assert len(both["16"]) == len(both["160"]) == 20
mean = writing.xs("mean", axis=1, level=1)
assert mean.loc["16", "unfinished"] > 0.9 > 0.5 > mean.loc["160", "unfinished"]
assert mean.loc["16", "length_ratio"] < 0.5 * mean.loc["160", "length_ratio"]

# %% 3
table = score_table(pair).xs("mean", axis=1, level=1)
fall = table.loc["tuned"] - table.loc["wrong"]
assert 0 < fall["word_rouge_l"] < 0.35
assert fall["numbers_right"] > 0.5
