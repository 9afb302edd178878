"""The preset fpv takes at most 75 % of the time of the two ffmpeg commands that it replaces."""

import pytest

from harness import baseline
from harness.paths import VARIANT

LIMIT = 0.75


@pytest.mark.alone
@pytest.mark.skipif(VARIANT != "release", reason="a measurement of the release build")
def test_fpv_is_faster_than_two_commands(stack, user, media, tmp_path):
    """By the median of three rounds. The third is only needed if the first two disagree."""
    times = baseline.rounds(stack, user, media, tmp_path, 2)
    if len({baseline.ratio([one], "as_it_comes") <= LIMIT for one in times}) == 2:
        times += baseline.rounds(stack, user, media, tmp_path, 1)
    assert baseline.ratio(times, "as_it_comes") <= LIMIT, times
