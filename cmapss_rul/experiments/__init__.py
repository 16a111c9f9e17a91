"""Comparisons of many runs under one protocol: grids, execution, statistics, plots, ledger."""
