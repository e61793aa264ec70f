"""The sampler's tokens and log-probabilities against new forward passes and transformers' own generate."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from art.models.policy import Policy
from art.models.prompt import Prefix
from art.pictures.logits import levels_to_tensor
from art.pictures.png import uniform_noise
from art.rollouts.sampler import Decoding, NonFiniteError, Rollouts, inverse_cdf, sample
from art.store.problem import Problem
from art.tasks.generated.problems import problems

FEW = [70, 80, 90]
IMAGE = Prefix(image=levels_to_tensor(uniform_noise(64, np.random.default_rng(3))))


@pytest.fixture(scope="module")
def some() -> list[Problem]:
    return [problem for task in ("arithmetic", "tool_call") for problem in problems(task, "test", 2, 0)]


@pytest.fixture
def eager_end(tiny_policy: Policy, monkeypatch: pytest.MonkeyPatch) -> Policy:
    """The policy with a more likely end token, so that rows end at different lengths."""
    plain = tiny_policy.forbidden.clone()
    plain[tiny_policy.end_token] = 3.0
    monkeypatch.setattr(tiny_policy, "forbidden", plain)
    return tiny_policy


@pytest.fixture
def few_words(tiny_policy: Policy, monkeypatch: pytest.MonkeyPatch) -> Policy:
    """The policy with three likely tokens and sometimes an end: rows repeat tokens and have several lengths."""
    biased = tiny_policy.forbidden.clone()
    biased[FEW] = 6.0
    biased[tiny_policy.end_token] = 5.0
    monkeypatch.setattr(tiny_policy, "forbidden", biased)
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
    """Log-probabilities at temperature T are those of logits / T."""
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
    """With greedy decoding, each problem alone and all together give the same tokens, though rows end at different
    steps.
    """
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
        text = tiny_policy.prompts.render(problem, prefix).replace(
            tiny_policy.prompts.image_text, tiny_policy.prompts.image_text * 4
        )
        ids = torch.tensor([tiny_policy.tokenizer(text).input_ids])
        extra = {}
        if image:
            from art.models.vision import patchify

            extra = {
                "pixel_values": patchify(IMAGE.image.unsqueeze(0) / 255, 16, 2, 2, [0.5] * 3, [0.5] * 3),
                "image_grid_thw": torch.tensor([[1, 4, 4]]),
                "mm_token_type_ids": (ids == tiny_policy.prompts.image_token).int(),
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


def test_inverse_cdf_divides_by_the_whole() -> None:
    """After rounding, probabilities may not add up to 1."""
    uniforms = torch.tensor([0.49, 0.51, 1 - 2**-53], dtype=torch.float64)
    assert inverse_cdf(torch.tensor([0.25, 0.25, 0.0]).log().expand(3, 3), uniforms).tolist() == [0, 1, 1]


def test_inverse_cdf_reaches_tokens_too_rare_for_single_precision() -> None:
    """Four tokens of probability 2^-26 after one of almost 1: in float32 the sum would not grow."""
    shares = torch.tensor([1.0, *4 * [2.0**-26]])
    uniforms = 1 - 2.0**-24 + (torch.arange(4, dtype=torch.float64) + 0.5) * 2.0**-26
    assert inverse_cdf(shares.log().expand(4, 5), uniforms).tolist() == [1, 2, 3, 4]


def test_forbidden_tokens_are_never_sampled(tiny_policy: Policy, some: list[Problem]) -> None:
    """At a temperature that makes all tokens equally likely, only ordinary and end tokens are sampled."""
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
    """The mean log-probability of many first tokens is the negative entropy, up to the sampling error."""
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


@pytest.mark.parametrize(("temperature", "penalty"), [(0.0, 0.5), (0.6, 0.5), (1.0, 1.5)])
def test_log_probabilities_under_a_presence_penalty(
    few_words: Policy, some: list[Problem], temperature: float, penalty: float
) -> None:
    """From each row's logits, the penalty is subtracted once at every token that the row already has; then softmax."""
    made = sample(few_words, some, Prefix(), 3, Decoding(temperature, 10, presence_penalty=penalty), seeded())
    rows = completions(made)
    if temperature:
        assert len({len(row) for row in rows}) > 2, "some rows end before others"
        assert any(max(map(row.count, FEW)) > 2 for row in rows), "and repeat themselves"
    for number, row in enumerate(rows):
        with torch.no_grad():
            state = few_words.prefill([some[number // 3]], Prefix())
            following, _ = few_words.advance(state, torch.tensor([row]), torch.ones(1, len(row), dtype=torch.bool))
            hidden = torch.cat([state.hidden, following[0, :-1]])
            logits = (few_words.model.lm_head(hidden) + few_words.forbidden).double()
        for step, token in enumerate(row):
            logits[step, sorted(set(row[:step]))] -= penalty
            wanted = torch.log_softmax(logits[step] / (temperature or 1.0), dim=-1)
            assert float(made.logprobs[number, step]) == pytest.approx(float(wanted[token]), abs=1e-4)
            if not temperature:
                assert token == int(wanted.argmax())


def test_any_end_token_ends_a_row(few_words: Policy, some: list[Problem], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(few_words, "end_tokens", [few_words.end_token, FEW[0]])
    made = completions(sample(few_words, some, Prefix(), 8, Decoding(1.0, 12), seeded()))
    ends = {row[-1] for row in made if len(row) < 12}
    assert ends == {few_words.end_token, FEW[0]} and not any(ends & set(row[:-1]) for row in made)


def test_no_pass_follows_the_last_token(
    few_words: Policy, some: list[Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither at the length limit, nor when all rows have ended."""
    passes, advance = [], few_words.advance
    monkeypatch.setattr(few_words, "advance", lambda *rest: (passes.append(1), advance(*rest))[1])
    sample(few_words, some, Prefix(), 1, Decoding(0.0, 4))
    assert len(passes) == 3
    passes.clear()
    monkeypatch.setattr(few_words, "ends", lambda tokens: torch.ones_like(tokens, dtype=torch.bool))
    assert sample(few_words, some, Prefix(), 1, Decoding(0.0, 4)).tokens.shape == (4, 1)
    assert not passes


def test_sampling_keeps_no_gradients(tiny_policy: Policy, some: list[Problem]) -> None:
    learned = Prefix(embeddings=torch.zeros(2, 64, requires_grad=True))
    assert not sample(tiny_policy, some, learned, 1, Decoding(1.0, 2), seeded()).logprobs.requires_grad


def test_prompt_tokens_count_the_prefix_and_no_padding(tiny_policy: Policy, some: list[Problem]) -> None:
    bare = sample(tiny_policy, some, Prefix(), 2, Decoding(0.0, 1)).prompt_tokens
    assert bare == sum(len(tiny_policy.prompts.encode(problem, Prefix())[0]) for problem in some)
    assert sample(tiny_policy, some, IMAGE, 2, Decoding(0.0, 1)).prompt_tokens == bare + len(some) * (4 + 2)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_one_number_that_is_none_is_an_error(
    tiny_policy: Policy, some: list[Problem], monkeypatch: pytest.MonkeyPatch, temperature: float
) -> None:
    """A NaN at the third token of the second row: the message says which token."""
    calls, original = [], tiny_policy.log_distribution

    def spoilt(hidden: torch.Tensor, temperature: float) -> torch.Tensor:
        found = original(hidden, temperature)
        calls.append(1)
        if len(calls) == 3:
            found[1, 5] = torch.nan
        return found

    monkeypatch.setattr(tiny_policy, "log_distribution", spoilt)
    with pytest.raises(NonFiniteError, match=r"^token 3: the model's log-probabilities are not finite"):
        sample(tiny_policy, some, Prefix(), 1, Decoding(temperature, 5), seeded())
