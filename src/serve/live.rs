//! The settings that follow the configuration file, and the parts that use them.

use std::time::Duration;

use conduit_actors::shard::BatchOptions;

use crate::app::Services;
use crate::config::Config;
use crate::journal::{JournalTuning, Retention};

/// Returns the options of the pipeline's batches.
pub(super) const fn batch_options(config: &Config) -> BatchOptions {
    BatchOptions {
        events: config.pipeline.batch_events,
        bytes: config.pipeline.batch_bytes,
        replay_events: config.replay.batch_events,
        retry_max: Duration::from_millis(config.pipeline.retry_max_ms),
    }
}

/// Returns the settings that may change while the journal serves.
pub(super) const fn journal_tuning(config: &Config) -> JournalTuning {
    JournalTuning {
        max_bytes_per_controller: config.journal.max_bytes_per_controller,
        batch_events: config.journal.batch_events,
        gather: Duration::from_micros(config.journal.gather_micros),
        tail_bytes: config.journal.tail_bytes,
        retention: Retention {
            keep: Duration::from_secs(config.retention.payload_days * 86_400),
            max_bytes: config.retention.payload_bytes,
            min_free_bytes: config.retention.min_free_bytes,
        },
    }
}

/// Puts a configuration in force, which differs from the present one only in settings that follow the file. It cannot
/// fail, so all of them change or none. The log filter can fail, and is the caller's to change before.
pub(super) fn apply(config: Config, services: &Services) {
    services.directory.set_limits(config.limits);
    services.shards.admission().set_options(config.admission.options());
    services.shards.set_batches(batch_options(&config));
    services.journal.set_tuning(journal_tuning(&config));
    // Other parts read their settings from it each time.
    services.config.set(config);
}
