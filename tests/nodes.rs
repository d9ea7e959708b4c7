//! Several nodes over one PostgreSQL and one Redis: each hears of the others' changes, and each event counts once.

mod changes;
mod directory;
mod load;
mod trial;
mod verdict;

use std::sync::Arc;

use crate::common::redis::Redis;
use crate::common::{Conduit, Postgres};

/// Nodes with a database, a Redis and a master key in common.
pub struct Nodes {
    pub nodes: Vec<Conduit>,
    pub database: String,
    _redis: Redis,
    _postgres: Arc<Postgres>,
}

impl Nodes {
    /// Starts so many. The first makes the master key, and the others take it.
    pub fn start(count: usize) -> Self {
        Self::over(Postgres::shared(), count)
    }

    /// Starts nodes over a server that may be stopped.
    pub fn over(postgres: Arc<Postgres>, count: usize) -> Self {
        let redis = Redis::start();
        let database = postgres.database();
        let mut nodes: Vec<Conduit> = Vec::new();
        for _ in 0..count {
            let key = nodes.first().map(|first| first.data_dir().join("master.key"));
            let key = key.map(|path| path.to_str().unwrap().to_owned()).unwrap_or_default();
            nodes.push(Conduit::with(&[
                ("CONDUIT_DATABASE_URL", &database),
                ("CONDUIT_REDIS_URL", &redis.url()),
                ("CONDUIT_MASTER_KEY_FILE", &key),
                // These tests are not about slow machines: Redis must not count as away.
                ("CONDUIT__DEDUP__REDIS_TIMEOUT_MS", "10000"),
                ("CONDUIT__DEDUP__WINDOW_SECONDS", "3600"),
                ("CONDUIT__PIPELINE__RETRY_MAX_MS", "100"),
                ("CONDUIT_LOG", "info,conduit::supervision=debug"),
            ]));
        }
        Self {
            nodes,
            database,
            _redis: redis,
            _postgres: postgres,
        }
    }

    /// Runs statements on the database, beside the nodes.
    pub fn on_database<T>(&self, work: impl AsyncFnOnce(&sqlx::PgPool) -> T) -> T {
        actix_web::rt::System::new().block_on(async {
            let pool = sqlx::PgPool::connect(&self.database).await.unwrap();
            let done = work(&pool).await;
            pool.close().await;
            done
        })
    }
}
