"""The small Llama that sample mode tunes: tokenizer, pre-training text, pre-training, and the result in model/."""
