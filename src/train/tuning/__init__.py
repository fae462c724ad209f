"""The parts of train.py and merge.py. Nothing here imports from outside this folder: it is shipped to AWS alone."""
