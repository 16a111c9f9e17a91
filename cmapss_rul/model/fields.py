"""Kinds of numbers that the parts of the network are configured with."""

from typing import Annotated

from pydantic import Field

# Far above anything useful here, far below what would exhaust a machine's memory.
Width = Annotated[int, Field(ge=1, le=16_384)]
Widths = Annotated[tuple[Width, ...], Field(max_length=16)]
Rate = Annotated[float, Field(ge=0, lt=1)]
