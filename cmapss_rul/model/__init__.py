"""CNN, BiLSTM, attention and two heads."""
