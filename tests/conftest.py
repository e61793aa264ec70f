"""Settings of all tests."""

from hypothesis import settings

# The same examples every time, and no time limit for one example: a busy machine must not fail a test.
settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")
