"""The recurrent part of the network."""

from typing import cast

from pydantic import Field
from torch import Tensor, nn

from cmapss_rul.config.base import Config, Rate, Width


class BiLSTMConfig(Config):
    """The `model.bilstm` part of a configuration."""

    hidden: Width = Field(64, description="Width of the state in each direction.")
    layers: int = Field(1, ge=1, le=16, description="Layers, one on top of the other.")
    dropout: Rate = Field(0.0, description="Dropout between the layers; one layer has none.")

    def build(self, features: int) -> "BiLSTM":
        """Make the BiLSTM for sequences of `features` columns."""
        return BiLSTM(self, features)


class BiLSTM(nn.Module):
    """LSTM that reads the window in both directions.

    Args:
        config: Widths and options.
        features: Columns of the sequence.

    Attributes:
        features: Columns of the states: `hidden` forwards, then `hidden` backwards.

    Shapes:
        sequence: [batch, window, feature].
        returns: [batch, window, self.features], the states of the last layer.

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
            # PyTorch warns about a dropout that has no pair of layers to stand between.
            dropout=config.dropout if config.layers > 1 else 0.0,
        )
        self.features = 2 * config.hidden

    def forward(self, sequence: Tensor) -> Tensor:
        """Return the states [batch, window, self.features]."""
        return cast(Tensor, self.lstm(sequence)[0])
