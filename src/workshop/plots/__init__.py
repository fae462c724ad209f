"""Figures drawn from what a run left: the data set, the training, the scores, the load test.

Every function returns a figure that a notebook shows when it is the last value of a cell.
"""

from workshop.plots.dataset import category_bars, length_histograms
from workshop.plots.load import load_curves
from workshop.plots.scores import gain_intervals, score_intervals
from workshop.plots.training import loss_curve, speed_and_memory

__all__ = [
    "category_bars",
    "gain_intervals",
    "length_histograms",
    "load_curves",
    "loss_curve",
    "score_intervals",
    "speed_and_memory",
]
