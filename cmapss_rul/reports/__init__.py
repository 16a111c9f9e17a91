"""A run or a comparison as one page to read, with its pictures, and a model card."""
