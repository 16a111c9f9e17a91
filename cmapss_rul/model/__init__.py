"""The network: CNN, BiLSTM, attention, shared layers and two heads."""
