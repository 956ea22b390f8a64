"""No test depends on how fast the machine is; in CI every run tries the same examples."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "sessionflow",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("sessionflow")
