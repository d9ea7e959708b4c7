//! Open connections: a limit for each HTTP thread, and one for each address.
//!
//! When a thread has reached its limit, its idle connections are closed, the longest idle first. So unused connections
//! and slow heads keep no sender out. Connections from a trusted proxy belong to many clients, so its address has no
//! limit.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::future::poll_fn;
use parking_lot::Mutex;

use super::failures::network;
use crate::config::{Network, ServerConfig, or_cores};

/// The part of all connections that an address may have, unless the configuration says otherwise.
const ADDRESS_PART: usize = 2;
/// Fewer connections for an address would be too few for one browser.
const LEAST_PER_ADDRESS: usize = 16;
/// The part of a thread's connections that is closed at a time, so that not every new one looks at all others.
const CLOSED_PART: usize = 32;
/// Refusals are logged so often at most.
const LOGGED_EVERY: Duration = Duration::from_secs(60);

/// The connections of all threads.
#[derive(Debug)]
pub(crate) struct Connections {
    per_thread: usize,
    per_address: usize,
    trusted: Vec<Network>,
    open: AtomicUsize,
    refused: AtomicU64,
    closed: AtomicU64,
    /// The number of connections of each address, without addresses that have none.
    addresses: Mutex<HashMap<IpAddr, usize>>,
    /// When a refusal was logged last, and how many there were until then.
    logged: Mutex<Option<(Instant, u64)>>,
}

impl Connections {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let per_thread = config.max_connections;
        let all = per_thread.saturating_mul(or_cores(config.workers));
        let per_address = match config.max_connections_per_address {
            0 => (all / ADDRESS_PART).max(LEAST_PER_ADDRESS),
            most => most,
        };
        Self {
            per_thread,
            per_address,
            trusted: config.trusted_proxies.clone(),
            open: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            addresses: Mutex::default(),
            logged: Mutex::default(),
        }
    }

    /// Returns the number of open connections.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Returns the number of refusals, because an address had reached its limit.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Returns the most connections of a thread. One more is accepted, for which another is closed.
    pub(super) const fn accepted_per_thread(&self) -> usize {
        self.per_thread.saturating_add(1)
    }

    /// Returns the number of idle connections that were closed to make room.
    pub(crate) fn closed(&self) -> u64 {
        self.closed.load(Ordering::Relaxed)
    }

    /// Counts a connection of an address. `Err`: it has enough.
    fn count(&self, address: IpAddr) -> Result<(), ()> {
        let mut addresses = self.addresses.lock();
        let count = addresses.entry(address).or_default();
        if *count >= self.per_address {
            return Err(());
        }
        *count += 1;
        Ok(())
    }

    fn discount(&self, address: IpAddr) {
        let mut addresses = self.addresses.lock();
        if let Some(count) = addresses.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&address);
            }
        }
    }

    fn refuse(&self, address: IpAddr) {
        let refused = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        let mut logged = self.logged.lock();
        let before = match *logged {
            Some((at, _)) if at.elapsed() < LOGGED_EVERY => return,
            Some((_, before)) => before,
            None => 0,
        };
        *logged = Some((Instant::now(), refused));
        tracing::warn!(
            %address,
            refused = refused - before,
            limit = self.per_address,
            "connections refused: an address has as many as server.max_connections_per_address allows; if it is a proxy's, \
             name it in server.trusted_proxies"
        );
    }
}

/// The connections of one thread.
pub(super) struct Floor {
    places: RefCell<HashMap<u64, Rc<State>>>,
    /// Counts the connections that came, and gives each its key.
    came: Cell<u64>,
    crowd: Rc<Crowd>,
}

/// The state that all connections of a thread share.
struct Crowd {
    connections: Arc<Connections>,
    /// Connections that are not told to end.
    open: Cell<usize>,
    /// Counts the times that a connection became idle: the lower, the longer ago.
    turns: Cell<u64>,
}

struct State {
    /// Requests under way.
    busy: Cell<usize>,
    idle_since: Cell<u64>,
    crowd: Rc<Crowd>,
    is_ended: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl State {
    /// Notes that no request is under way. Closes this connection if another waits for the place, because all others
    /// are busy.
    fn idle(&self) {
        self.idle_since.set(next(&self.crowd.turns));
        if self.crowd.is_full() {
            self.end();
        }
    }

    fn end(&self) {
        if !self.is_ended.replace(true) {
            self.crowd.open.set(self.crowd.open.get() - 1);
            self.crowd.connections.closed.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Crowd {
    /// Returns whether there are too many connections.
    fn is_full(&self) -> bool {
        self.open.get() > self.connections.per_thread
    }
}

fn next(counter: &Cell<u64>) -> u64 {
    let value = counter.get();
    counter.set(value + 1);
    value
}

impl Floor {
    pub(super) fn new(connections: Arc<Connections>) -> Rc<Self> {
        Rc::new(Self {
            places: RefCell::default(),
            came: Cell::new(0),
            crowd: Rc::new(Crowd {
                connections,
                open: Cell::new(0),
                turns: Cell::new(0),
            }),
        })
    }

    /// Takes a connection in; none if its address has enough.
    pub(super) fn enter(self: &Rc<Self>, peer: Option<SocketAddr>) -> Option<Place> {
        let connections = &self.crowd.connections;
        let is_trusted = |peer: &IpAddr| connections.trusted.iter().any(|network| network.contains(*peer));
        let address = peer.map(|peer| peer.ip()).filter(|peer| !is_trusted(peer)).map(network);
        if let Some(address) = address
            && connections.count(address).is_err()
        {
            connections.refuse(address);
            return None;
        }
        let state = Rc::new(State {
            busy: Cell::new(0),
            idle_since: Cell::new(next(&self.crowd.turns)),
            crowd: Rc::clone(&self.crowd),
            is_ended: Cell::new(false),
            waker: RefCell::default(),
        });
        let key = next(&self.came);
        self.places.borrow_mut().insert(key, Rc::clone(&state));
        connections.open.fetch_add(1, Ordering::Relaxed);
        self.crowd.open.set(self.crowd.open.get() + 1);
        if self.crowd.is_full() {
            self.make_room(key);
        }
        Some(Place {
            floor: Rc::clone(self),
            key,
            address,
            presence: Presence(state),
        })
    }

    /// Closes those that have been idle for longest, but not the one that has just come.
    fn make_room(&self, newest: u64) {
        let places = self.places.borrow();
        let is_idle = |state: &State| state.busy.get() == 0 && !state.is_ended.get();
        let mut idle: Vec<&Rc<State>> = places
            .iter()
            .filter(|(key, state)| **key != newest && is_idle(state))
            .map(|(_, state)| state)
            .collect();
        idle.sort_unstable_by_key(|state| state.idle_since.get());
        idle.truncate((places.len() / CLOSED_PART).max(1));
        idle.into_iter().for_each(|state| state.end());
    }
}

/// The place of one connection, given back when it is dropped.
pub(super) struct Place {
    floor: Rc<Floor>,
    key: u64,
    /// None: a trusted proxy's, or unknown.
    address: Option<IpAddr>,
    presence: Presence,
}

impl Place {
    /// Serves a connection for as long as it has its place. Returns `None` if it had to make room.
    pub(super) async fn hold<T>(&self, serving: impl Future<Output = T>) -> Option<T> {
        let state = &self.presence.0;
        let mut serving = pin!(serving);
        poll_fn(|cx| {
            if state.is_ended.get() {
                return Poll::Ready(None);
            }
            let mut waker = state.waker.borrow_mut();
            if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
            drop(waker);
            serving.as_mut().poll(cx).map(Some)
        })
        .await
    }

    /// Returns the record of requests under way.
    pub(super) const fn presence(&self) -> &Presence {
        &self.presence
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.floor.places.borrow_mut().remove(&self.key);
        let crowd = &self.floor.crowd;
        if !self.presence.0.is_ended.get() {
            crowd.open.set(crowd.open.get() - 1);
        }
        let connections = &crowd.connections;
        connections.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(address) = self.address {
            connections.discount(address);
        }
    }
}

/// Notes which requests of a connection are under way.
#[derive(Clone)]
pub(super) struct Presence(Rc<State>);

impl Presence {
    /// Notes that a request is under way until this is dropped. Such a connection is not closed to make room.
    pub(super) fn busy(&self) -> Busy {
        self.0.busy.set(self.0.busy.get() + 1);
        Busy(Rc::clone(&self.0))
    }
}

/// One request under way.
pub(super) struct Busy(Rc<State>);

impl Drop for Busy {
    fn drop(&mut self) {
        let busy = self.0.busy.get() - 1;
        self.0.busy.set(busy);
        if busy == 0 {
            self.0.idle();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures_util::FutureExt as _;

    use super::*;

    fn floor(per_thread: usize, per_address: usize) -> Rc<Floor> {
        let config: crate::config::Config = toml::from_str(crate::config::DEFAULTS).unwrap();
        let mut server = config.server;
        server.max_connections = per_thread;
        server.max_connections_per_address = per_address;
        server.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        Floor::new(Arc::new(Connections::new(&server)))
    }

    fn peer(text: &str) -> Option<SocketAddr> {
        Some(text.parse().unwrap())
    }

    fn is_closed(place: &Place) -> bool {
        place.hold(pending::<()>()).now_or_never() == Some(None)
    }

    #[test]
    fn an_address_has_so_many_connections_unless_it_is_a_trusted_proxys() {
        let floor = floor(100, 2);
        let first = floor.enter(peer("192.0.2.1:1")).unwrap();
        let _second = floor.enter(peer("192.0.2.1:2")).unwrap();
        assert!(floor.enter(peer("192.0.2.1:3")).is_none());
        assert!(floor.enter(peer("[::ffff:192.0.2.1]:4")).is_none());
        let _other = floor.enter(peer("192.0.2.2:1")).unwrap();
        // IPv6 addresses count by their network.
        let _six = [1, 2].map(|host| floor.enter(peer(&format!("[2001:db8::{host}]:1"))).unwrap());
        assert!(floor.enter(peer("[2001:db8::3]:1")).is_none());
        let _proxy = [1, 2, 3].map(|port| floor.enter(peer(&format!("10.0.0.1:{port}"))).unwrap());
        assert_eq!(
            (floor.crowd.connections.open(), floor.crowd.connections.refused()),
            (8, 3)
        );
        drop(first);
        floor.enter(peer("192.0.2.1:5")).unwrap();
    }

    #[test]
    fn the_longest_idle_makes_room_and_none_with_a_request_under_way() {
        let floor = floor(3, 100);
        let enter = || floor.enter(peer("192.0.2.1:1")).unwrap();
        let [one, two, three] = [enter(), enter(), enter()];
        let busy = one.presence().busy();
        // It was idle before, and is the last to be idle again.
        drop(two.presence().busy());
        let four = enter();
        assert!(is_closed(&three) && ![&one, &two, &four].into_iter().any(is_closed));
        drop(three);
        let five = enter();
        assert!(is_closed(&two) && ![&one, &four, &five].into_iter().any(is_closed));
        drop((two, busy));
        let six = enter();
        assert!(is_closed(&four) && ![&one, &five, &six].into_iter().any(is_closed));
        drop(four);
        // While all are busy, the first that no longer is makes room.
        let busy = [&one, &five, &six].map(|place| place.presence().busy());
        let seven = enter();
        assert!(![&one, &five, &six, &seven].into_iter().any(is_closed));
        drop(busy);
        assert!(is_closed(&one) && ![&five, &six, &seven].into_iter().any(is_closed));
        drop((one, five, six, seven));
        assert_eq!(floor.crowd.connections.open(), 0);
        assert!(floor.crowd.connections.addresses.lock().is_empty());
    }
}
