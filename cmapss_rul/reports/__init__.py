"""HTML reports of runs and comparisons with their plots, and model cards."""
