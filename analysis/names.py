"""Names of methods in tables and figures."""

from __future__ import annotations

from art.config.experiment import Config

LABELS = {
    "art": "ART",
    "lora": "LoRA",
    "soft_prompt": "soft prompt",
    "no_image": "no image",
    "random_image": "random image",
    "seed_image": "seed image",
    "random_string": "random string",
}


def method_labels(config: Config) -> dict[str, str]:
    """Readable names: ``art`` becomes ART, ``art_bound32`` of the same kind ART bound32; others are unchanged."""
    labels = {}
    for name, section in config.methods.items():
        rest = name.removeprefix(section.kind)
        known = rest != name and section.kind in LABELS
        labels[name] = LABELS[section.kind] + rest.replace("_", " ").replace("-", " ") if known else name
    return labels
