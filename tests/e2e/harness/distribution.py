"""Which worker of pytest-xdist runs which test."""

# Tests of these files need nothing but the shared stack and the media, so any worker may run any of them. A test of
# another file is run by the worker that has the file, because the file has a stack of its own.
SPREAD = ("test_formats_matrix.py", "test_options.py", "test_video_edits.py", "test_video_loudness.py", "test_video_matrix.py",
          "test_video_options.py")
# Begun first, in this order: tests that want the machine for themselves, then the files that take longest.
FIRST = ("test_video_speed.py", "test_emulator_pubsub.py", "test_deliveries.py", "test_url_ingest.py", "test_openapi.py")


def _file_of(nodeid):
    return nodeid.partition("::")[0].rpartition("/")[2]


def sort(items):
    """Puts the files of FIRST first and those of SPREAD last, where they fill the gaps."""
    def place(item):
        name = _file_of(item.nodeid)
        return FIRST.index(name) if name in FIRST else len(FIRST) + (name in SPREAD)
    items.sort(key=place)


def make_scheduler(config, log):
    from xdist.scheduler.loadscope import LoadScopeScheduling  # not installed where tests run one after another

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return nodeid if _file_of(nodeid) in SPREAD else nodeid.partition("::")[0]

    return Scheduler(config, log)
