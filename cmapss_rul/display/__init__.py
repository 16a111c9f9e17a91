"""Text, Markdown and plots, as they are shown to people."""
