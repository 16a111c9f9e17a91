"""Metrics of RUL, health class, intervals and prognostics; bootstrap; published results."""
