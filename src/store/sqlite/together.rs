//! Small changes that share a commit.
//!
//! A commit waits for the disk, and one connection writes. Creating thousands of controllers one by one would wait
//! thousands of times. So changes that come while another commit is under way are made together, in one transaction. Each
//! has a savepoint: one that fails takes nothing from the others. Nobody is answered before the commit.
//!
//! State: the changes that wait, in memory. A change whose caller has gone is made all the same.

use std::sync::Arc;

use conduit_actors::ports::StoreError;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection as _, Sqlite, Transaction};
use tokio::sync::oneshot;

use super::super::ChangeError;
use super::faults::OrStoreError as _;
use super::origin::Origin;

/// Changes in one transaction, at the most: others wait for the writer, too.
const MOST: usize = 256;

type Work = Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<(), ChangeError>> + Send>;

struct Waiting {
    work: Work,
    answer: oneshot::Sender<Result<(), ChangeError>>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// A writer waits for its turn, and will take them. There is one at a time: the connection has a queue of its own.
    has_writer: bool,
}

/// See the module's docs.
#[derive(Clone)]
pub(super) struct Together {
    origin: Arc<Origin>,
    writer: SqlitePool,
    queue: Arc<Mutex<Queue>>,
}

impl Together {
    pub(super) fn new(origin: Arc<Origin>, writer: SqlitePool) -> Self {
        Self {
            origin,
            writer,
            queue: Arc::default(),
        }
    }

    /// Makes a change. It is durable when this returns `Ok`.
    ///
    /// # Errors
    /// The work's own. [`ChangeError::Store`]: the database cannot be written.
    pub(super) async fn change<W>(&self, work: W) -> Result<(), ChangeError>
    where
        W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<(), ChangeError>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let work = Box::new(work);
        let needs_writer = {
            let mut queue = self.queue.lock();
            queue.waiting.push(Waiting { work, answer });
            !std::mem::replace(&mut queue.has_writer, true)
        };
        if needs_writer {
            self.send_writer();
        }
        let stopped = || StoreError::Unavailable("the server stopped before the change was made".to_owned());
        answered.await.unwrap_or_else(|_| Err(stopped().into()))
    }

    /// Lets a writer take its turn. The queue must not be locked: the task may end at once.
    fn send_writer(&self) {
        let writer = Writer {
            together: self.clone(),
            has_taken: false,
        };
        tokio::spawn(writer.write());
    }

    /// Makes all of these in one transaction. Returns each one's result, in order.
    async fn make(
        &self,
        connection: &mut SqliteConnection,
        works: Vec<Work>,
    ) -> Result<Vec<Result<(), ChangeError>>, StoreError> {
        self.origin.check()?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.or_store_error()?;
        let mut results = Vec::with_capacity(works.len());
        for work in works {
            results.push(make_one(&mut transaction, work).await?);
        }
        transaction.commit().await.or_store_error()?;
        self.origin.check()?;
        Ok(results)
    }
}

/// Makes the changes that wait when it is its turn.
struct Writer {
    together: Together,
    has_taken: bool,
}

impl Writer {
    async fn write(mut self) {
        let connection = self.together.writer.acquire().await.or_store_error();
        let (works, answers): (Vec<Work>, Vec<_>) = self.take().into_iter().map(|one| (one.work, one.answer)).unzip();
        let made = match connection {
            Ok(mut connection) => self.together.make(&mut connection, works).await,
            Err(error) => Err(error),
        };
        let results = made.unwrap_or_else(|error| answers.iter().map(|_| Err(error.clone().into())).collect());
        for (answer, result) in answers.into_iter().zip(results) {
            // Its caller may have gone.
            let _ = answer.send(result);
        }
    }

    /// Takes changes. The others, and later ones, need another writer.
    fn take(&mut self) -> Vec<Waiting> {
        self.has_taken = true;
        let mut queue = self.together.queue.lock();
        let count = queue.waiting.len().min(MOST);
        let due = queue.waiting.drain(..count).collect();
        queue.has_writer = !queue.waiting.is_empty();
        let needs_writer = queue.has_writer;
        drop(queue);
        if needs_writer {
            self.together.send_writer();
        }
        due
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // It ends with its thread: nobody waits for it in vain.
        if !self.has_taken {
            let mut queue = self.together.queue.lock();
            queue.has_writer = false;
            queue.waiting.clear();
        }
    }
}

/// Makes one change, or nothing of it.
///
/// # Errors
/// The transaction cannot go on.
async fn make_one(
    transaction: &mut Transaction<'_, Sqlite>,
    work: Work,
) -> Result<Result<(), ChangeError>, StoreError> {
    let mut savepoint = transaction.begin().await.or_store_error()?;
    let result = work(&mut savepoint).await;
    match &result {
        Ok(()) => savepoint.commit().await.or_store_error()?,
        // A full disk, for example: SQLite may have undone everything.
        Err(ChangeError::Store(error @ StoreError::Unavailable(_))) => return Err(error.clone()),
        Err(_) => savepoint.rollback().await.or_store_error()?,
    }
    Ok(result)
}
