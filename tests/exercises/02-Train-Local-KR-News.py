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
assert max(len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in both["16"]) <= 16
assert writing.loc["16", "unfinished"] > 0.9 > 0.5 > writing.loc["160", "unfinished"]
assert writing.loc["16", "length_ratio"] < 0.5 * writing.loc["160", "length_ratio"]

# %% 3
table = score_table(pair)
fall = table.loc["tuned"] - table.loc["wrong"]
assert 0 < fall["word_rouge_l"] < 0.35
assert fall["numbers_right"] > 0.5
