"""The small Llama that sample mode tunes: tokenizer, text, pre-training, and the result in model/."""
