"""Intervals around predictions of RUL that hold as often as they say: conformal by engine."""
