"""The registry of methods: the settings of each kind, and the module that implements it.

To add a kind, write a class here, add it to the union ``MethodSection``, and write the code that its
``implementation`` names.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from art.config.sections import EngineSection, Fraction, Section, Slug


class Method(Section):
    """Settings of every method.

    Attributes:
        kind: the name that selects the class in a configuration.
        implementation: class of a trained method, or function that makes a control, as ``module:attribute``.
    """

    implementation: ClassVar[str]
    kind: str
    models: list[Slug] | None = Field(None, min_length=1, description="only these models (all when absent)")
    tasks: list[Slug] | None = Field(None, min_length=1, description="only these tasks (all when absent)")


class ControlMethod(Method):
    """A method without trained parameters: the same artifact every time."""


class NoImageMethod(ControlMethod):
    """The question alone."""

    implementation = "art.methods.controls:no_image"
    kind: Literal["no_image"]


class SeedImageMethod(ControlMethod):
    """The task's seed picture, untrained."""

    implementation = "art.methods.controls:seed_image"
    kind: Literal["seed_image"]


class RandomControlMethod(ControlMethod):
    """A control with several draws, since one draw can be lucky."""

    draws: int = Field(3, ge=1, description="number of independent draws (ours)")


class RandomImageMethod(RandomControlMethod):
    """Uniform noise."""

    implementation = "art.methods.controls:random_image"
    kind: Literal["random_image"]


class RandomStringMethod(RandomControlMethod):
    """As many random text tokens as the image has visual tokens."""

    implementation = "art.methods.controls:random_string"
    kind: Literal["random_string"]


class TrainedSection(Method):
    """Settings of every trained method."""

    learning_rate: float = Field(gt=0.0, description="Adam's step size (ours, chosen on validation)")
    betas: tuple[Fraction, Fraction] = Field((0.9, 0.95), description="Adam's decay rates (ours)")
    engine: EngineSection | None = Field(
        None, description="engine that samples in this method's training; null: the experiment's engine"
    )


class ArtMethod(TrainedSection):
    """ART: pixel = sigmoid(z), where z is trained (the paper's method section)."""

    implementation = "art.methods.image:Image"
    kind: Literal["art"]
    learning_rate: float = Field(0.1, gt=0.0, description="Adam's step size on z or its coordinates (ours)")
    basis: Literal["pixel", "patch"] = Field(
        "patch",
        description="train the pixels, or coordinates in the row space of the vision tower's patch embedding (ours)",
    )
    start: Literal["picture", "grey"] = Field(
        "picture", description="initialisation: the task's seed picture, or grey 128 +- 6"
    )
    max_distance: int | None = Field(
        None, ge=1, le=255, description="bound on |level - seed level| for every pixel and channel; null: none"
    )


class LoraMethod(TrainedSection):
    """LoRA on the language layers (through peft)."""

    implementation = "art.methods.lora:Lora"
    kind: Literal["lora"]
    learning_rate: float = Field(5e-3, gt=0.0)
    rank: int = Field(8, ge=1, le=512, description="rank of the adapter; vLLM serves up to 512")
    alpha: int = Field(16, ge=1)


class SoftPromptMethod(TrainedSection):
    """As many trained embeddings as the image has visual tokens."""

    implementation = "art.methods.soft_prompt:SoftPrompt"
    kind: Literal["soft_prompt"]
    learning_rate: float = Field(0.01, gt=0.0)


MethodSection = Annotated[
    NoImageMethod
    | SeedImageMethod
    | RandomImageMethod
    | RandomStringMethod
    | ArtMethod
    | LoraMethod
    | SoftPromptMethod,
    Field(discriminator="kind"),
]

METHOD_SECTIONS: dict[str, type[Method]] = {
    get_args(section.model_fields["kind"].annotation)[0]: section for section in get_args(get_args(MethodSection)[0])
}
"""Kind -> class, taken from the union."""

TRAINED_KINDS = tuple(kind for kind, section in METHOD_SECTIONS.items() if issubclass(section, TrainedSection))
