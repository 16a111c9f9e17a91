"""RMSE, NASA score and the rest; floors and baselines."""
