"""What makes an actor's start short: done by the forkserver, while the supervisor imports and plans."""

import actors.assembly.analysis
import actors.assembly.coordinator
import actors.assembly.loader
import actors.assembly.processor
import actors.assembly.quality
import actors.assembly.recorder
import actors.domain.talib_indicators  # noqa: F401  an engine imports it for its first such indicator
from actors.runtime.logs import prepare_sink

prepare_sink()
