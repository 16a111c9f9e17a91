"""Data: sources and downloads, readers, labels, split, preprocessing, windows, simulation."""
