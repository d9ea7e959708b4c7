//! The notary: a thread that hashes and signs a commit batch while the disk syncs it.
//!
//! Its receipts are useless before the batch is durable. The journal's writer fetches them then.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use conduit_actors::log_limit::{LogLimit, MINUTE};
use conduit_actors::receipt::{Attested, Statement, Tree};

use super::key::ReceiptKey;

struct Job {
    statements: Vec<Statement>,
    done: SyncSender<Vec<Attested>>,
}

/// See the module's docs. Its thread ends when it is dropped.
#[derive(Debug, Clone)]
pub struct Notary(SyncSender<Job>);

/// A batch that is being attested.
#[derive(Debug)]
pub struct Pending(Option<Receiver<Vec<Attested>>>);

impl Notary {
    /// Starts the thread.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn start(key: ReceiptKey) -> std::io::Result<Self> {
        // The journal has one batch under way.
        let (jobs, work) = sync_channel::<Job>(1);
        std::thread::Builder::new()
            .name("conduit-notary".to_owned())
            .spawn(move || {
                for Job { statements, done } in work {
                    // The caller may have given up on the batch.
                    let _ = done.send(attest(&key, statements));
                }
            })?;
        Ok(Self(jobs))
    }

    /// Begins to attest the statements of a batch.
    #[must_use]
    pub fn begin(&self, statements: Vec<Statement>) -> Pending {
        if statements.is_empty() {
            return Pending(None);
        }
        let (done, attested) = sync_channel(1);
        let sent = self.0.send(Job { statements, done });
        Pending(sent.is_ok().then_some(attested))
    }
}

impl Pending {
    /// Returns the attested statements in their order. Returns none if the notary is gone, which should never happen.
    /// Events are accepted all the same: a receipt is a proof of acceptance, not a condition for it.
    #[must_use]
    pub fn finish(self) -> Vec<Attested> {
        let Self(Some(attested)) = self else {
            return Vec::new();
        };
        attested.recv().unwrap_or_else(|_| {
            static UNSIGNED: LogLimit = LogLimit::new(1, MINUTE);
            if let Some(line) = UNSIGNED.admit() {
                tracing::error!(
                    left_out = line.left_out(),
                    "receipts cannot be signed: events are accepted without"
                );
            }
            Vec::new()
        })
    }
}

fn attest(key: &ReceiptKey, statements: Vec<Statement>) -> Vec<Attested> {
    let Some(tree) = Tree::over(statements.iter().map(Statement::leaf).collect()) else {
        return Vec::new();
    };
    let signed = Arc::new(key.sign(tree));
    let attested = |(index, statement)| Attested {
        statement,
        index,
        signed: Arc::clone(&signed),
    };
    (0..).zip(statements).map(attested).collect()
}
