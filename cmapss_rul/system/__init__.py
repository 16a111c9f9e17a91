"""Files, locks, signals, memory and the errors that a user can cause."""
