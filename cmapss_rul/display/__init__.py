"""Text, tables and plots for people to read."""
