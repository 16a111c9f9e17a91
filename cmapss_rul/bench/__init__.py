"""Benchmarks of speed and memory against a plain training loop, rul-datasets and matmuls alone."""
