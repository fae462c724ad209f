"""Scores that are valid for Korean, their intervals, the cheap systems to beat, and tables to judge by."""
