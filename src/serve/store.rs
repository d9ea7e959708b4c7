//! Opens the store, with the master key that it was made with.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use conduit_actors::links::MasterKey;

use crate::config::{Config, Database};
use crate::instance::hold::{self, DatabaseLock};
use crate::instance::{DirectoryFiles, Home};
use crate::keys::Keyring;
use crate::secrets;
use crate::store::{OpenError, PostgresOptions, PostgresStore, SqliteStore, Store};

/// Opens the store for a command that serves nothing. Makes no keys and leaves the data directory unchanged.
///
/// # Errors
/// The missing or wrong part, and its place.
pub async fn open_store(config: &Config) -> Result<(Arc<dyn Store>, Arc<Keyring>)> {
    let master = secrets::master_key(&config.storage)?;
    if master.is_new() {
        return Err(master.lost("a database").into());
    }
    let node = DirectoryFiles::read(&config.storage.data_dir)?.node.unwrap_or_default();
    open_store_as(config, &node, master.key).await
}

/// Opens the store for the journal `node`.
async fn open_store_as(config: &Config, node: &str, master: MasterKey) -> Result<(Arc<dyn Store>, Arc<Keyring>)> {
    let keyring = Arc::new(Keyring::new(master));
    let database = config.database();
    let keys = Arc::clone(&keyring);
    let store: Result<Arc<dyn Store>, OpenError> = match &database {
        Database::Sqlite(path) => SqliteStore::open(path, node, keys)
            .await
            .map(|store| Arc::new(store) as _)
            .map_err(OpenError::Store),
        Database::Postgres(url) => {
            let options = PostgresOptions {
                max_connections: config.storage.max_connections,
                ..PostgresOptions::default()
            };
            let opened = PostgresStore::open(url, node, keys, options).await;
            opened.map(|store| Arc::new(store) as _)
        }
    };
    let store = store.with_context(|| format!("cannot open the database {database}"))?;
    let dir = &config.storage.data_dir;
    let loaded = store.heads().load(dir);
    loaded.with_context(|| format!("cannot read what {} has committed", dir.display()))?;
    Ok((store, keyring))
}

/// Opens the store of a server. A master key is made with the first start only: a database that has controllers was made with
/// another one.
pub(crate) async fn open_own_store(config: &Config, home: &Home) -> Result<(Arc<dyn Store>, Arc<Keyring>)> {
    let master = secrets::master_key(&config.storage)?;
    if master.is_new() && home.instance.is_some() {
        return Err(master.lost("a database").into());
    }
    let (store, keyring) = open_store_as(config, home.node(), master.key.clone()).await?;
    if master.is_new() && (store.instance().await?.is_some() || !store.controllers().await?.is_empty()) {
        store.close().await;
        return Err(master.lost("a database").into());
    }
    master.keep()?;
    Ok((store, keyring))
}

/// Locks the database for this process, if it is a file.
pub(crate) fn lock_database(config: &Config) -> Result<Option<DatabaseLock>> {
    match config.database() {
        Database::Sqlite(path) => Ok(Some(hold::lock_database(&path)?)),
        Database::Postgres(_) => Ok(None),
    }
}
