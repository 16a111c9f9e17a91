"""Configuration: the frozen base class, YAML, overrides and error messages."""
