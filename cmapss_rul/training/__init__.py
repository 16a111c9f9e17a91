"""The training loop, checkpoints and the configuration of a run."""
