"""Formatting of text, tables and plots."""
