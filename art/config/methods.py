"""The registry of methods: the settings of each kind, and the module that stands behind it.

A new kind is a class here, its name in the union ``MethodSection``, and the module that ``implementation`` names.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from art.config.sections import EngineSection, Fraction, Section, Slug


class Method(Section):
    """What every method has.

    Attributes:
        kind: the name by which a configuration picks the class.
        implementation: class of a trained method, or function that draws a control, as ``module:attribute``.
    """

    implementation: ClassVar[str]
    kind: str
    models: list[Slug] | None = Field(None, description="only these models (all when absent)")
    tasks: list[Slug] | None = Field(None, description="only these tasks (all when absent)")


class ControlMethod(Method):
    """A method without trained parameters: the same artifact every time."""


class NoImageMethod(ControlMethod):
    """The bare question."""

    implementation = "art.methods.controls:no_image"
    kind: Literal["no_image"]


class SeedImageMethod(ControlMethod):
    """The picture that ART starts from."""

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


class TrainedMethod(Method):
    """What every trained method shares."""

    learning_rate: float = Field(gt=0.0, description="Adam's step size (ours, chosen on validation)")
    betas: tuple[Fraction, Fraction] = Field((0.9, 0.95), description="Adam's decay rates (ours)")
    engine: EngineSection | None = Field(
        None, description="what samples in this method's training; null: the experiment's engine"
    )


class ArtMethod(TrainedMethod):
    """ART: pixel = sigmoid(z), z trained (the paper, section on the method)."""

    implementation = "art.methods.image:Image"
    kind: Literal["art"]
    learning_rate: float = Field(0.1, gt=0.0, description="Adam's step size on z or its coordinates (ours)")
    basis: Literal["pixel", "patch"] = Field(
        "patch",
        description="free pixels, or coordinates in the row space of the vision tower's patch embedding (ours)",
    )
    start: Literal["picture", "grey"] = Field("picture", description="the task's seed picture, or grey 128 +- 6")
    max_distance: int | None = Field(
        None, ge=1, le=255, description="bound on |level - seed level| for every pixel and channel; null: none"
    )


class LoraMethod(TrainedMethod):
    """LoRA on the language layers (through peft)."""

    implementation = "art.methods.lora:Lora"
    kind: Literal["lora"]
    learning_rate: float = Field(5e-3, gt=0.0)
    rank: int = Field(8, ge=1, le=512, description="vLLM serves up to 512")
    alpha: int = Field(16, ge=1)


class SoftPromptMethod(TrainedMethod):
    """As many free embeddings as the image has visual tokens."""

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
"""Kind -> class, read off the union."""

TRAINED_KINDS = tuple(kind for kind, section in METHOD_SECTIONS.items() if issubclass(section, TrainedMethod))
