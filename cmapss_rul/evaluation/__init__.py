"""Evaluation on the test set under a stated protocol, prediction, file checks and export."""
