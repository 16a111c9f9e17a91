"""Bidirectional LSTM over the steps of a window."""

from typing import cast

from pydantic import Field
from torch import Tensor, nn

from cmapss_rul.config.base import Config, DropoutRate, Width


class BiLSTMConfig(Config):
    """The `model.bilstm` part of a configuration."""

    hidden: Width = Field(64, description="Width of the state in each direction.")
    layers: int = Field(1, ge=1, le=16, description="Stacked layers.")
    dropout: DropoutRate = Field(
        0.0, description="Dropout between the layers; no effect with one layer."
    )

    def build(self, features: int) -> "BiLSTM":
        """Build the BiLSTM for sequences of `features` columns."""
        return BiLSTM(self, features)


class BiLSTM(nn.Module):
    """Bidirectional LSTM.

    Shapes:
        sequence: [batch, window, feature].
        returns: [batch, window, self.features], the states of the last layer: `hidden` forward,
            then `hidden` backward.

    Source: Hochreiter and Schmidhuber 1997; Schuster and Paliwal 1997 for both directions.
    """

    def __init__(self, config: BiLSTMConfig, features: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(
            features,
            config.hidden,
            config.layers,
            batch_first=True,
            bidirectional=True,
            # PyTorch warns about dropout with a single layer
            dropout=config.dropout if config.layers > 1 else 0.0,
        )
        self.features = 2 * config.hidden

    def forward(self, sequence: Tensor) -> Tensor:
        """Return the states [batch, window, self.features]."""
        # the states of all steps, not only the final ones, are the input of the attention
        return cast(Tensor, self.lstm(sequence)[0])
