"""From text files to windows."""
