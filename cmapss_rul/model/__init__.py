"""The multi-task network: CNN, BiLSTM, attention, shared layers and two heads."""
