"""Files, locks, signals, memory, worker processes, and the errors that a user can cause."""
