"""Training: configuration of a run, loop, checkpoints, resumption, ensembles, trackers."""
