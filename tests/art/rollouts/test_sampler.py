"""The sampler's tokens and log-probabilities against fresh passes and transformers' own generate."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from art.images import random_image
from art.models.policy import Policy, Prefix
from art.pixels import levels_to_tensor
from art.records import Problem
from art.rollouts.sampler import Decoding, NonFiniteError, Rollouts, inverse_cdf, sample
from art.synthetic.tasks import problems

IMAGE = Prefix(image=levels_to_tensor(random_image(64, np.random.default_rng(3))))


@pytest.fixture(scope="module")
def some() -> list[Problem]:
    return [problem for task in ("arithmetic", "tool_call") for problem in problems(task, "test", 2, 0)]


@pytest.fixture
def eager_end(tiny_policy: Policy, monkeypatch: pytest.MonkeyPatch) -> Policy:
    """The policy with a likelier end token, so that rows end at different lengths."""
    plain = tiny_policy.forbidden.clone()
    plain[tiny_policy.end_token] = 3.0
    monkeypatch.setattr(tiny_policy, "forbidden", plain)
    return tiny_policy


def seeded(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def completions(made: Rollouts) -> list[list[int]]:
    return [row[kept].tolist() for row, kept in zip(made.tokens, made.mask, strict=True)]


def fresh_logprobs(policy: Policy, some: list[Problem], prefix: Prefix, made: Rollouts, temperature: float):
    group = len(made.tokens) // len(some)
    with torch.no_grad():
        state = policy.prefill(some, prefix).rows(torch.arange(len(some)).repeat_interleave(group))
        return policy.logprobs(state, made.tokens, made.mask, temperature)


@pytest.mark.parametrize("prefix", [Prefix(), IMAGE], ids=["none", "image"])
@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0, 1.5])
def test_log_probabilities_equal_a_fresh_forward_pass(
    eager_end: Policy, some: list[Problem], prefix: Prefix, temperature: float
) -> None:
    made = sample(eager_end, some, prefix, 3, Decoding(temperature, 10), seeded())
    again = fresh_logprobs(eager_end, some, prefix, made, temperature or 1.0)
    torch.testing.assert_close(made.logprobs, again, rtol=0, atol=1e-4)
    assert made.tokens.shape == made.mask.shape == made.logprobs.shape == (12, made.tokens.shape[1])


def test_temperature_divides_the_logits(tiny_policy: Policy) -> None:
    """Field lesson 3: log-probabilities at temperature T are those of logits / T."""
    hidden = torch.randn(2, 64, generator=seeded())
    logits = tiny_policy.model.lm_head(hidden) + tiny_policy.forbidden
    for temperature in (0.5, 1.0, 2.0):
        wanted = torch.log_softmax(logits.double() / temperature, dim=-1)
        torch.testing.assert_close(
            tiny_policy.log_distribution(hidden, temperature).double(), wanted, rtol=0, atol=1e-5
        )


def test_rows_end_with_the_end_token_and_are_masked_behind_it(eager_end: Policy, some: list[Problem]) -> None:
    made = sample(eager_end, some, Prefix(), 8, Decoding(1.0, 12), seeded())
    lengths = made.mask.sum(dim=1)
    assert len(set(lengths.tolist())) > 2, "rows of several lengths"
    for tokens, mask, length in zip(made.tokens, made.mask, lengths.tolist(), strict=True):
        assert mask[:length].all() and not mask[length:].any() and not tokens[length:].any()
        ended = (tokens[:length] == eager_end.end_token).nonzero().flatten().tolist()
        assert ended == ([length - 1] if length < 12 or ended else [])
    assert (made.logprobs[~made.mask] == 0).all() and (made.logprobs[made.mask] < 0).all()
    assert all("<|im_end|>" not in text for text in made.texts(eager_end))


def test_dropping_finished_rows_changes_nothing(eager_end: Policy, some: list[Problem]) -> None:
    """Greedy: each problem alone and all together give the same tokens, though they end at different steps."""
    together = sample(eager_end, some, Prefix(), 1, Decoding(0.0, 12))
    for row, problem in enumerate(some):
        alone = sample(eager_end, [problem], Prefix(), 1, Decoding(0.0, 12))
        assert alone.tokens[alone.mask].tolist() == together.tokens[row][together.mask[row]].tolist()


@pytest.mark.parametrize("image", [False, True])
def test_greedy_is_transformers_generate(tiny_policy: Policy, some: list[Problem], image: bool) -> None:
    prefix = IMAGE if image else Prefix()
    made = sample(tiny_policy, some, prefix, 1, Decoding(0.0, 8))
    blocked = (tiny_policy.forbidden != 0).nonzero().flatten().tolist()
    for row, problem in enumerate(some):
        text = tiny_policy.render(problem, prefix).replace(tiny_policy.image_text, tiny_policy.image_text * 4)
        ids = torch.tensor([tiny_policy.tokenizer(text).input_ids])
        extra = {}
        if image:
            from art.models.vision import patchify

            extra = {
                "pixel_values": patchify(IMAGE.image.unsqueeze(0) / 255, 16, 2, 2, [0.5] * 3, [0.5] * 3),
                "image_grid_thw": torch.tensor([[1, 4, 4]]),
                "mm_token_type_ids": (ids == tiny_policy.image_token).int(),
            }
        generated = tiny_policy.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=8,
            suppress_tokens=blocked,
            **extra,
        )
        assert made.tokens[row][made.mask[row]].tolist() == generated[0, ids.shape[1] :].tolist()


def test_same_generator_same_tokens(tiny_policy: Policy, some: list[Problem]) -> None:
    one, two, other = (sample(tiny_policy, some, IMAGE, 2, Decoding(1.0, 6), seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.tokens, two.tokens) and torch.equal(one.logprobs, two.logprobs)
    assert not torch.equal(one.tokens, other.tokens)


def test_rows_that_end_do_not_shift_the_random_numbers_of_others(
    tiny_policy: Policy, some: list[Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_rows_end(hidden: torch.Tensor, temperature: float) -> torch.Tensor:
        found = original(hidden, temperature)
        if len(found) == 16:
            found[:8] = -torch.inf
            found[:8, tiny_policy.end_token] = 0.0
        return found

    original = tiny_policy.log_distribution
    plain = completions(sample(tiny_policy, some[:2], Prefix(), 8, Decoding(1.0, 12), seeded()))
    monkeypatch.setattr(tiny_policy, "log_distribution", first_rows_end)
    ended = completions(sample(tiny_policy, some[:2], Prefix(), 8, Decoding(1.0, 12), seeded()))
    assert {len(row) for row in ended[:8]} == {1} and {len(row) for row in plain[:8]} == {12}
    assert ended[8:] == plain[8:]


def test_inverse_cdf_takes_each_token_for_its_share() -> None:
    shares = torch.tensor([0.0, 0.25, 0.0, 0.5, 0.25, 0.0])
    uniforms = torch.tensor([0.0, 0.2499, 0.25, 0.7499, 0.75, 1 - 2**-53], dtype=torch.float64)
    assert inverse_cdf(shares.log().expand(6, 6), uniforms).tolist() == [1, 1, 3, 3, 4, 4]


def test_forbidden_tokens_are_never_sampled(tiny_policy: Policy, some: list[Problem]) -> None:
    """At a temperature that makes all tokens alike, only ordinary tokens and the end come."""
    made = sample(tiny_policy, some, Prefix(), 64, Decoding(1e6, 8), seeded())
    seen = set(made.tokens[made.mask].tolist())
    special = set(tiny_policy.tokenizer.convert_tokens_to_ids(
        ["<|image_pad|>", "<|vision_start|>", "<|im_start|>", "<|endoftext|>", "<|video_pad|>"]
    ))  # fmt: skip
    markup = set(tiny_policy.tokenizer.convert_tokens_to_ids(["<tool_call>", "</tool_call>"]))
    assert len(seen) > 500, "nearly uniform"
    assert not seen & special and max(seen) < len(tiny_policy.tokenizer)
    assert markup & seen and tiny_policy.end_token in seen


def test_samples_follow_the_distribution(tiny_policy: Policy, some: list[Problem]) -> None:
    """First tokens of many samples: mean log-probability is the negative entropy, up to the sampling error."""
    made = sample(tiny_policy, some[:1], Prefix(), 4000, Decoding(0.3, 1), seeded())
    with torch.no_grad():
        distribution = tiny_policy.log_distribution(tiny_policy.prefill(some[:1], Prefix()).hidden, 0.3)[0]
    shares = torch.bincount(made.tokens[:, 0], minlength=len(distribution)) / 4000
    assert float((shares - distribution.exp()).abs().max()) < 0.03
    assert float(made.logprobs.mean()) == pytest.approx(
        float((distribution.exp() * distribution.clamp(min=-100)).sum()), abs=0.1
    )


def test_presence_penalty_lowers_each_seen_token_once(tiny_policy: Policy, some: list[Problem]) -> None:
    plain = sample(tiny_policy, some, Prefix(), 1, Decoding(0.0, 12))
    never_again = sample(tiny_policy, some, Prefix(), 1, Decoding(0.0, 12, presence_penalty=1e4))
    assert any(len(set(row.tolist())) < 12 for row in plain.tokens), "greedy repeats itself"
    for row, mask in zip(never_again.tokens, never_again.mask, strict=True):
        assert len(set(row[mask].tolist())) == int(mask.sum())
    # The second token's log-probability is that of logits less the penalty at the first, renormalised.
    made = sample(tiny_policy, some[:1], Prefix(), 1, Decoding(0.5, 2, presence_penalty=1.5), seeded())
    with torch.no_grad():
        state = tiny_policy.prefill(some[:1], Prefix())
        hidden, _ = tiny_policy.advance(state, made.tokens[:, :1], made.mask[:, :1])
        logits = tiny_policy.model.lm_head(hidden[0, 0]) + tiny_policy.forbidden
    logits[made.tokens[0, 0]] -= 1.5
    assert float(made.logprobs[0, 1]) == pytest.approx(
        float(torch.log_softmax(logits / 0.5, dim=-1)[made.tokens[0, 1]]), abs=1e-4
    )


def test_prompt_tokens_count_the_prefix_and_no_padding(tiny_policy: Policy, some: list[Problem]) -> None:
    bare = sample(tiny_policy, some, Prefix(), 2, Decoding(0.0, 1)).prompt_tokens
    assert bare == sum(len(tiny_policy.encode(problem, Prefix())[0]) for problem in some)
    assert sample(tiny_policy, some, IMAGE, 2, Decoding(0.0, 1)).prompt_tokens == bare + len(some) * (4 + 2)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_non_finite_logits_are_an_error(tiny_policy: Policy, some: list[Problem], temperature: float) -> None:
    broken = Prefix(embeddings=torch.full((2, 64), torch.nan))
    with pytest.raises(NonFiniteError, match="log-probabilities"):
        sample(tiny_policy, some, broken, 1, Decoding(temperature, 2), seeded())
