"""Times the gradient pass of a training batch for chunk sizes of the delta rule (``python benchmarks/chunk_size.py``).

Prints the median times of paired repeats in one process, their ratios to transformers' default (64), and the largest
difference of the log-probabilities.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import torch

import art.models.policy as policy_module
from art.models.policy import Policy
from art.models.prompt import Prefix
from art.rollouts.sampler import Decoding, sample
from art.tasks.generated.problems import problems

CHECKPOINT, SIZES, REPEATS = Path("checkpoints/tiny-1m"), (64, 32, 16), 7


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    policy = Policy(CHECKPOINT)
    asked = problems("arithmetic", "validation", 16, seed=0)
    image = torch.randint(0, 256, (3, 128, 128), generator=torch.Generator().manual_seed(0)).float().requires_grad_()
    prefix = Prefix(image=image)
    generator = torch.Generator().manual_seed(0)
    rollouts = sample(policy, asked, Prefix(image=image.detach()), 8, Decoding(1.0, 48), generator)
    rows = torch.arange(16).repeat_interleave(8)
    seconds: dict[int, list[float]] = {size: [] for size in SIZES}
    found: dict[int, torch.Tensor] = {}
    for _ in range(REPEATS):
        for size in SIZES:
            policy_module.CHUNK = size
            start = time.perf_counter()
            logprobs = policy.logprobs(policy.prefill(asked, prefix).rows(rows), rollouts.tokens, rollouts.mask, 1.0)
            logprobs.sum().backward()
            seconds[size].append(time.perf_counter() - start)
            found[size] = logprobs.detach()
    for size in SIZES:
        ratio = statistics.median(a / b for a, b in zip(seconds[64], seconds[size], strict=True))
        apart = (found[size] - found[64]).abs().max().item()
        print(
            f"chunk {size:3d}: {statistics.median(seconds[size]):.2f} s, {ratio:.2f} times as fast as 64, "
            f"log-probabilities differ by at most {apart:.1e} nats"
        )


if __name__ == "__main__":
    main()
