"""What people ask and what the model says, watched: personal data masked, scores, thresholds, drift."""
