"""Figures drawn from what a run left: data, training, scores, ladder, search, load, roll-outs and more.

Every function returns a figure that a notebook shows when it is the last value of a cell.
"""

from workshop.plots.components import copies_over_time, metrics_over_time, update_timeline
from workshop.plots.dataset import category_bars, length_histograms
from workshop.plots.ladder import quality_beside_work, side_effect_bars
from workshop.plots.load import load_curves
from workshop.plots.monitoring import (
    dashboard_widgets,
    days_by_score,
    drift_p_values,
    flag_rates,
    monitor_roc,
)
from workshop.plots.prompts import run_spread
from workshop.plots.retrieval import recall_by_wording, score_distributions
from workshop.plots.rollouts import breaker_timeline, rollout_timeline
from workshop.plots.scores import gain_intervals, score_intervals
from workshop.plots.story import (
    batch_rows,
    cache_bars,
    cost_lines,
    lifecycle,
    parallel_parts,
    percent_bars,
    token_bars,
)
from workshop.plots.training import loss_curve, speed_and_memory

__all__ = [
    "batch_rows",
    "breaker_timeline",
    "cache_bars",
    "category_bars",
    "copies_over_time",
    "cost_lines",
    "dashboard_widgets",
    "days_by_score",
    "drift_p_values",
    "flag_rates",
    "gain_intervals",
    "length_histograms",
    "lifecycle",
    "load_curves",
    "loss_curve",
    "metrics_over_time",
    "monitor_roc",
    "parallel_parts",
    "percent_bars",
    "quality_beside_work",
    "recall_by_wording",
    "rollout_timeline",
    "run_spread",
    "score_distributions",
    "score_intervals",
    "side_effect_bars",
    "speed_and_memory",
    "token_bars",
    "update_timeline",
]
