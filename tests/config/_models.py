"""A small configuration with every feature of a real one."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cmapss_rul.config.base import Config


class Fixed(Config):
    """Constant weights."""

    name: Literal["fixed"] = "fixed"
    weights: Annotated[tuple[float, ...], Field(min_length=2, max_length=2)] = (1.0, 1.0)


class GradNorm(Config):
    """Weights that equalise gradient norms.

    And more.
    """

    name: Literal["gradnorm"] = Field("gradnorm", description="Equal gradient norms.")
    alpha: float = Field(1.5, gt=0, le=10)


class Plain(Config):
    """Nothing to set."""

    name: Literal["plain"] = "plain"


Balancer = Annotated[Fixed | GradNorm | Plain, Field(discriminator="name")]


class Train(Config):
    """How to train."""

    epochs: int = Field(1, ge=1, lt=1000, description="Epochs at most.")
    batch_size: int = Field(256, ge=1, le=10**9)
    rate: float = Field(1e-5, gt=0, lt=1)
    threads: int | None = Field(None, multiple_of=2)
    stop: int | tuple[int, ...] | Literal["auto"] = 1


class Empty(Config):
    """No key at all."""


class Data(Config):
    """What is read."""

    subset: Literal["FD001", "FD002", "FD003"] = "FD001"
    layers: Literal[1, 2] = 1
    dir: str = Field("data/raw", min_length=1, max_length=500, description="Folder " * 40)
    columns: tuple[str, ...] = ("a", "b")
    smooth: bool = False
    code: str = Field("a", pattern="^[a-z]")

    @model_validator(mode="after")
    def _columns_once(self) -> "Data":
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("columns should name each column once.")
        return self


class Run(Config):
    """All of it."""

    seed: int = Field(0, ge=0, description="Seed.")
    data: Data = Field(Data(), description="What is read.")
    balancer: Balancer = Field(Fixed(), description="How two losses become one.")
    others: tuple[Balancer, ...] = ()
    steps: tuple[Train, ...] = ()
    train: Train = Train()
    empty: Empty = Empty()

    @model_validator(mode="after")
    def _seed(self) -> "Run":
        if self.seed == 7:
            raise ValueError("seed 7 brings bad luck with\nthis folder")
        return self


class Needy(Config):
    """Keys without defaults."""

    path: str
    balancer: Balancer
