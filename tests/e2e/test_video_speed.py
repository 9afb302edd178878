"""The preset fpv takes at most 75 % of the time of the two ffmpeg commands that it replaces."""

import pytest

from harness import baseline
from harness.paths import VARIANT

LIMIT, ROUNDS = 0.75, 3


@pytest.mark.alone
@pytest.mark.skipif(VARIANT != "release", reason="a measurement of the release build")
def test_fpv_is_faster_than_two_commands(stack, user, media, tmp_path):
    times = baseline.rounds(stack, user, media, tmp_path, ROUNDS)
    assert baseline.ratio(times, "as_it_comes") <= LIMIT, times
