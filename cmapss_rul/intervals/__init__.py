"""Prediction intervals of the RUL: hierarchical conformal prediction with engines as the units."""
