"""A checkpoint against the test engines, under a stated protocol."""
