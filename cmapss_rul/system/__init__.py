"""Files, locks, signals, memory, escaping, and the errors that a user can cause."""
