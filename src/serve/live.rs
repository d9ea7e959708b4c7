//! The settings that follow the configuration file, and the parts that use them.

use std::time::Duration;

use conduit_actors::shard::BatchOptions;

use crate::config::Config;

/// Returns the options of the pipeline's batches.
pub(super) const fn batch_options(config: &Config) -> BatchOptions {
    BatchOptions {
        events: config.pipeline.batch_events,
        bytes: config.pipeline.batch_bytes,
        replay_events: config.replay.batch_events,
        retry_max: Duration::from_millis(config.pipeline.retry_max_ms),
    }
}
