"""What the notebooks import: settings, state, news, prompt, evaluation, plots, launching."""
