//! The nodes of a history, on one thread: which tasks there are, and who is polled when.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::node::{self, Command};
use crate::world::{Phase, Place, World};

/// The tasks of one start of a node.
struct Running {
    tasks: LocalSet,
    commands: mpsc::UnboundedSender<Command>,
}

pub struct Cluster {
    pub world: Arc<World>,
    nodes: RefCell<Vec<Running>>,
}

impl Cluster {
    /// Starts all nodes.
    pub fn start(world: Arc<World>) -> Rc<Self> {
        let count = world.lock().plan.nodes;
        let nodes = (0..count).map(|node| start(&world, node, Duration::ZERO));
        let nodes = RefCell::new(nodes.collect());
        Rc::new(Self { world, nodes })
    }

    /// Tells a node something. A node that is down does not hear it.
    pub fn tell(&self, node: usize, command: Command) {
        // An error means that it was stopped.
        drop(self.nodes.borrow()[node].commands.send(command));
    }

    /// Runs the nodes until the script has ended or an invariant is broken.
    pub async fn run(&self, script: impl Future<Output = ()>) {
        let mut script = pin!(script);
        poll_fn(|context| {
            if script.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            self.poll_nodes(context);
            match self.world.lock().failure {
                Some(_) => Poll::Ready(()),
                None => Poll::Pending,
            }
        })
        .await;
    }

    fn poll_nodes(&self, context: &mut Context<'_>) {
        for (number, node) in self.nodes.borrow_mut().iter_mut().enumerate() {
            // Its end is seen by the phase.
            let _ = Pin::new(&mut node.tasks).poll(context);
            let boot = {
                let mut state = self.world.lock();
                if state.nodes[number].phase != Phase::Ended {
                    continue;
                }
                Duration::from_millis(state.draw(0..2_000).into())
            };
            // All that the node was about to do ends here.
            *node = start(&self.world, number, boot);
            context.waker().wake_by_ref();
        }
    }
}

fn start(world: &Arc<World>, node: usize, boot: Duration) -> Running {
    let start = {
        let own = &mut world.lock().nodes[node];
        own.starts += 1;
        own.phase = Phase::Booting;
        own.starts
    };
    let (sender, receiver) = mpsc::unbounded_channel();
    let tasks = LocalSet::new();
    let world = Arc::clone(world);
    tasks.spawn_local(node::run(Place { world, node, start }, receiver, boot));
    Running {
        tasks,
        commands: sender,
    }
}
