"""Speed and memory, measured beside what others do and beside the limit of the machine."""
