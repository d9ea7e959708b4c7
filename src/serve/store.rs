//! Opens the store, with the master key that it was made with.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use conduit_actors::links::MasterKey;

use crate::config::{Config, Database};
use crate::instance::hold::{self, DatabaseLock};
use crate::instance::{self, DirectoryFiles, Home};
use crate::keys::Keyring;
use crate::secrets;
use crate::store::{Look, OpenError, PostgresOptions, PostgresStore, SqliteStore, Store};

/// Opens the store for a command that serves nothing. Makes no keys, no tables, and leaves the data directory unchanged.
///
/// # Errors
/// The missing or wrong part, and its place.
pub async fn open_store(config: &Config) -> Result<(Arc<dyn Store>, Arc<Keyring>)> {
    open_store_if(config, &|look, _| {
        ensure!(
            look.has_tables,
            "{} has no tables of Conduit. Nothing was changed. Check storage.database_url and storage.data_dir",
            config.database()
        );
        Ok(())
    })
    .await
}

/// Refuses a database by a look at it, before anything in it is changed.
pub(crate) type Judge<'a> = &'a dyn Fn(&Look, &Keyring) -> Result<()>;

/// Opens the store for a command that serves nothing, with a judgement of its own.
pub(crate) async fn open_store_if(config: &Config, judge: Judge<'_>) -> Result<(Arc<dyn Store>, Arc<Keyring>)> {
    let master = secrets::master_key(&config.storage)?;
    if master.is_new() {
        return Err(master.lost("a database").into());
    }
    let node = DirectoryFiles::read(&config.storage.data_dir)?.node.unwrap_or_default();
    open_store_as(config, &node, master.key, judge).await
}

/// Opens the store for the journal `node`.
async fn open_store_as(
    config: &Config,
    node: &str,
    master: MasterKey,
    judge: Judge<'_>,
) -> Result<(Arc<dyn Store>, Arc<Keyring>)> {
    let keyring = Arc::new(Keyring::new(master));
    let database = config.database();
    let keys = Arc::clone(&keyring);
    let cannot_open = || format!("cannot open the database {database}");
    let store: Arc<dyn Store> = match &database {
        Database::Sqlite(path) => {
            let look = SqliteStore::look(path).await.map_err(OpenError::Store);
            judge(&look.with_context(cannot_open)?, &keyring)?;
            let opened = SqliteStore::open(path, node, keys).await;
            Arc::new(opened.map_err(OpenError::Store).with_context(cannot_open)?)
        }
        Database::Postgres(url) => {
            let options = PostgresOptions {
                max_connections: config.storage.max_connections,
                ..PostgresOptions::default()
            };
            let reached = PostgresStore::reach(url, options).await.with_context(cannot_open)?;
            judge(&reached.look().await.with_context(cannot_open)?, &keyring)?;
            Arc::new(reached.open(node, keys).await.with_context(cannot_open)?)
        }
    };
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
    let judge = |look: &Look, keyring: &Keyring| {
        if master.is_new() && look.instance.is_some() {
            return Err(master.lost("a database").into());
        }
        Ok(instance::judge(home, config, look, keyring)?)
    };
    let (store, keyring) = open_store_as(config, home.node(), master.key.clone(), &judge).await?;
    // A database of an earlier version has no name.
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
