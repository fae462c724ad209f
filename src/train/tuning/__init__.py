"""The parts of train.py and merge.py; they import nothing from outside this folder."""
