//! An address that leads to one server today and to another tomorrow, as a proxy or a moved address does.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// The fate of open connections when the address moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Old {
    /// They end.
    Cut,
    /// They still lead to the old server.
    Stay,
    /// They stay open, and nothing comes through any more: the old server's machine is gone.
    Silent,
}

#[derive(Default)]
struct State {
    /// The target. `None`: connections are accepted, and nothing comes through.
    target: Option<u16>,
    /// Connections made so far, and how many of these are silent.
    made: usize,
    silent: usize,
    open: Vec<TcpStream>,
    ended: bool,
}

type Shared = Arc<(Mutex<State>, Condvar)>;

/// A TCP forwarder on a port of its own.
pub struct Forwarder {
    pub port: u16,
    shared: Shared,
}

impl Forwarder {
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let shared = Shared::default();
        shared.0.lock().unwrap().target = Some(target);
        let state = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if state.0.lock().unwrap().ended {
                    return;
                }
                take(client.expect("a connection"), &state);
            }
        });
        Self { port, shared }
    }

    /// Leads the address to another target from now on.
    pub fn switch_to(&self, target: u16, old: Old) {
        self.change(Some(target), old);
    }

    /// Lets neither bytes nor refusals through from now on.
    pub fn silence(&self) {
        self.change(None, Old::Silent);
    }

    fn change(&self, target: Option<u16>, old: Old) {
        let mut state = self.shared.0.lock().unwrap();
        state.target = target;
        match old {
            Old::Cut => state.cut(),
            Old::Stay => {}
            Old::Silent => state.silent = state.made,
        }
        self.shared.1.notify_all();
    }
}

impl State {
    fn cut(&mut self) {
        for stream in self.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        let mut state = self.shared.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.ended = true;
        state.cut();
        self.shared.1.notify_all();
        drop(state);
        // Wakes the thread that accepts, which then ends.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn take(client: TcpStream, shared: &Shared) {
    let (number, target) = {
        let mut state = shared.0.lock().unwrap();
        state.made += 1;
        state.open.extend(client.try_clone());
        if state.target.is_none() {
            state.silent = state.made;
        }
        (state.made, state.target)
    };
    let Some(target) = target else { return };
    // A server that is not there refuses: so does the address.
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else {
        let _ = client.shutdown(Shutdown::Both);
        return;
    };
    shared.0.lock().unwrap().open.extend(server.try_clone());
    let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    let (there, back) = (Arc::clone(shared), Arc::clone(shared));
    std::thread::spawn(move || carry(from_client, server, number, &there));
    std::thread::spawn(move || carry(from_server, client, number, &back));
}

fn carry(mut from: TcpStream, mut to: TcpStream, number: usize, shared: &Shared) {
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).unwrap_or(0);
        {
            // A silent connection stays silent to the end.
            let state = shared.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let is_silent = |state: &mut State| number <= state.silent && !state.ended;
            let waited = shared.1.wait_while(state, is_silent);
            if waited.is_err() {
                return;
            }
        }
        if read == 0 || to.write_all(&buffer[..read]).is_err() {
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
    }
}
