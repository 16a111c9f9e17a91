"""Speed and memory, compared with a plain training loop, rul-datasets and the matrix products."""
