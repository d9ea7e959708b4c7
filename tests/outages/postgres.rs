//! PostgreSQL stopped, hung, out of connections, locked.

use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::runtime::Runtime;

use super::{Outage, assert_quiet};
use crate::common::load::{LONG_WINDOW, Load, Refusals};
use crate::common::{Conduit, Postgres};

const SUBJECTS: Option<&str> = Some("/api/v1/subjects");

fn conduit(url: &str) -> Conduit {
    Conduit::with(&[
        LONG_WINDOW,
        ("CONDUIT_DATABASE_URL", url),
        ("CONDUIT__PIPELINE__RETRY_MAX_MS", "200"),
    ])
}

fn ride_out_all(conduit: &Conduit, outages: &[Outage]) {
    let load = Load::new(conduit);
    load.throughout(conduit, Refusals::None, || {
        outages.iter().for_each(|outage| outage.ride_out(conduit, &load));
    });
    load.assert_outcomes(conduit);
}

#[test]
fn postgresql_stopped_killed_and_hung_under_load() {
    let server = Postgres::start();
    let conduit = conduit(&server.database());
    let outage = |part, reason, begin: Act<'static>, end: Act<'static>| {
        let server = &server;
        Outage {
            part,
            reason,
            unanswered: SUBJECTS,
            begin: Box::new(move || begin(server)),
            end: Box::new(move || end(server)),
        }
    };
    let outages = [
        outage("shards", "unavailable", &|server| server.stop("INT"), &Postgres::launch),
        outage(
            "shards",
            "unavailable",
            &|server| server.stop("QUIT"),
            &Postgres::launch,
        ),
        outage("database", "does not answer", &Postgres::hang, &Postgres::go_on),
    ];
    ride_out_all(&conduit, &outages);
    assert_quiet(&conduit, outages.len());
}

type Act<'a> = &'a dyn Fn(&Postgres);

/// Other sessions of the database.
pub struct Sessions {
    runtime: Runtime,
    url: String,
    open: Vec<PgConnection>,
    /// How often they put an end to Conduit's.
    ended: usize,
}

impl Sessions {
    pub fn new(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self {
            runtime: runtime.expect("a runtime"),
            url: url.to_owned(),
            open: Vec::new(),
            ended: 0,
        }
    }

    fn add(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        let connection = self.runtime.block_on(PgConnection::connect(&self.url))?;
        self.open.push(connection);
        Ok(self.open.last_mut().expect("the one just made"))
    }

    fn execute(&mut self, index: usize, statement: &'static str) -> u64 {
        let done = self.runtime.block_on(self.open[index].execute(statement));
        done.expect("the statement works").rows_affected()
    }

    /// Takes all connections there are, also those that Conduit has.
    fn take_all(&mut self) {
        self.add().expect("a first connection");
        loop {
            while self.add().is_ok() {}
            let ended = self.execute(
                0,
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'conduit'",
            );
            if ended == 0 {
                return;
            }
            self.ended += 1;
        }
    }

    pub fn lock(&mut self, statement: &'static str) {
        self.add().expect("a connection");
        self.execute(0, "BEGIN");
        self.execute(0, statement);
    }

    pub fn end(&mut self) {
        for connection in self.open.drain(..) {
            self.runtime.block_on(connection.close()).expect("it closes");
        }
    }
}

#[test]
fn postgresql_out_of_connections_and_locked_under_load() {
    let server = Postgres::start();
    let url = server.database();
    let conduit = conduit(&url);
    let sessions = std::cell::RefCell::new(Sessions::new(&url));
    let outage = |reason, unanswered, begin: &'static dyn Fn(&mut Sessions)| {
        let sessions = &sessions;
        Outage {
            part: "shards",
            reason,
            unanswered,
            begin: Box::new(move || begin(&mut sessions.borrow_mut())),
            end: Box::new(|| sessions.borrow_mut().end()),
        }
    };
    let outages = [
        outage("unavailable", SUBJECTS, &Sessions::take_all),
        outage("55P03", Some("/api/v1/stats"), &|sessions| {
            sessions.lock("LOCK TABLE controllers IN ACCESS EXCLUSIVE MODE");
        }),
        outage("55P03", SUBJECTS, &|sessions| {
            sessions.lock("LOCK TABLE links IN ACCESS EXCLUSIVE MODE");
        }),
    ];
    ride_out_all(&conduit, &outages);
    drop(outages);
    // Each time that its connections end, Conduit may have got new ones: an outage of its own.
    assert_quiet(&conduit, 3 + sessions.borrow().ended);
}
