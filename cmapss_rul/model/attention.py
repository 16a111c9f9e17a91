"""Reading one vector out of the states of a window.

The last step is 'now', the cycle whose RUL is asked for, so every member reads from there;
they differ in how they look back. `weights` shows where to, for people; training does not need it.
"""

import math
from typing import Annotated, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from cmapss_rul.config.base import Config, Rate, Width

_DROPOUT_TEXT = "Dropout of the vector that is read out."


class NoAttentionConfig(Config):
    """Configuration of `none`: the state of the last step, as it is."""

    name: Literal["none"] = Field("none", description="The last state alone.")
    dropout: Rate = Field(0.0, description=_DROPOUT_TEXT)

    def check(self, features: int) -> None:
        """Take states of any width."""

    def build(self, features: int) -> "LastStep":
        """Make the read-out for states of `features` columns."""
        return LastStep(self, features)


class LastStateConfig(Config):
    """Configuration of `last_state`: the last state looks back at all states."""

    name: Literal["last_state"] = Field("last_state", description="The last state looks back.")
    hidden: Width = Field(64, description="Width of query and keys.")
    dropout: Rate = Field(0.0, description=_DROPOUT_TEXT)

    def check(self, features: int) -> None:
        """Take states of any width."""

    def build(self, features: int) -> "LastStateAttention":
        """Make the attention for states of `features` columns."""
        return LastStateAttention(self, features)


class SelfAttentionConfig(Config):
    """Configuration of `self`: multi-head self-attention with residual."""

    name: Literal["self"] = Field("self", description="Multi-head self-attention.")
    heads: int = Field(8, ge=1, le=256, description="Heads; should divide twice the BiLSTM's.")
    layer_norm: bool = Field(True, description="Layer normalisation after the residual sum.")
    dropout: Rate = Field(0.2, description=_DROPOUT_TEXT)

    def check(self, features: int) -> None:
        """Refuse a number of heads that does not divide the states' width.

        Raises:
            ValueError: The width, and what was found.
        """
        if features % self.heads:
            raise ValueError(
                f"attention.heads should divide {features} (twice bilstm.hidden), "
                f"found {self.heads}"
            )

    def build(self, features: int) -> "SelfAttention":
        """Make the attention for states of `features` columns."""
        return SelfAttention(self, features)


AttentionConfig = Annotated[
    LastStateConfig | SelfAttentionConfig | NoAttentionConfig, Field(discriminator="name")
]


class LastStep(nn.Module):
    """The state of the last step.

    Shapes:
        states: [batch, window, feature].
        returns: [batch, self.features], as many columns as the states have.
    """

    def __init__(self, config: NoAttentionConfig, features: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.features = features

    def forward(self, states: Tensor) -> Tensor:
        """Return [batch, self.features]."""
        return cast(Tensor, self.dropout(states[:, -1]))

    def weights(self, states: Tensor) -> None:
        """Return None: there is no looking back."""
        del states


class LastStateAttention(nn.Module):
    r"""Attention whose query is the last state.

        States --> Query of the last, Keys of all --> softmax --> Context --> (Last, Context)

    context = Σₜ aₜ hₜ with a = softmaxₜ(⟨Q h_T, K hₜ⟩ / √hidden), where hₜ is the state of
    step t, h_T that of the last step, Q and K matrices without bias. The states themselves
    are what is averaged, and the context stands beside the last state.

    Shapes:
        states: [batch, window, feature].
        returns: [batch, self.features], twice as many columns as the states have.

    Source: scaled products as in Vaswani et al. 2017; one query for the whole window as in
    Luong et al. 2015.
    """

    def __init__(self, config: LastStateConfig, features: int) -> None:
        super().__init__()
        self.query = nn.Linear(features, config.hidden, bias=False)
        self.key = nn.Linear(features, config.hidden, bias=False)
        self.scale = 1 / math.sqrt(config.hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.features = 2 * features

    def forward(self, states: Tensor) -> Tensor:
        """Return [batch, self.features]."""
        question = self._question(states)
        # PyTorch's kernel takes [batch, head, step, feature]: one head, one step that asks.
        context = scaled_dot_product_attention(
            question[:, None, None], states[:, None], states[:, None], scale=self.scale
        )[:, 0, 0]
        return cast(Tensor, self.dropout(torch.cat((states[:, -1], context), dim=1)))

    def weights(self, states: Tensor) -> Tensor:
        """Return a, the share of each step in the context, [batch, window]."""
        scores = (states @ self._question(states).unsqueeze(2)).squeeze(2)
        return (self.scale * scores).softmax(dim=1)

    def _question(self, states: Tensor) -> Tensor:
        """Return Kᵀ Q h_T, [batch, feature]."""
        # ⟨Q h_T, K hₜ⟩ = ⟨Kᵀ Q h_T, hₜ⟩: the key matrix meets one vector a window instead of
        # one a step, which saves the largest product of the attention.
        return cast(Tensor, self.query(states[:, -1]) @ self.key.weight)


class SelfAttention(nn.Module):
    """Multi-head self-attention with residual, read at the last step.

        States --> Attention --> + States --> LayerNorm? --> last step

    Residual sum and normalisation work step by step and the last step alone is read, so only
    its query is asked: the same function as attention of every step to every step, cheaper.

    Shapes:
        states: [batch, window, feature].
        returns: [batch, self.features], as many columns as the states have.

    Source: Vaswani et al. 2017, section 3.2.2.
    """

    def __init__(self, config: SelfAttentionConfig, features: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(features, config.heads, batch_first=True)
        self.norm = nn.LayerNorm(features) if config.layer_norm else nn.Identity()
        self.dropout = nn.Dropout(config.dropout)
        self.features = features

    def forward(self, states: Tensor) -> Tensor:
        """Return [batch, self.features]."""
        last = states[:, -1:]
        attended, _ = self.attention(last, states, states, need_weights=False)
        return cast(Tensor, self.dropout(self.norm(last + attended).squeeze(1)))

    def weights(self, states: Tensor) -> Tensor:
        """Return how much the last step attends to each, mean over heads, [batch, window]."""
        _, shares = self.attention(states[:, -1:], states, states)
        return cast(Tensor, shares.squeeze(1))
