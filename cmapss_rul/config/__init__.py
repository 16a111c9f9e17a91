"""Configuration: the frozen base, YAML, overrides and error texts."""
