//! Panics in the stages: by the fakes of the ports, and by the fail points of the pipeline.

use std::cell::RefCell;
use std::panic;
use std::sync::{Arc, Once};

use conduit_actors::ids::EventId;

use crate::world::{State, World};

thread_local! {
    /// The world of the history that runs on this thread.
    static CURRENT: RefCell<Option<Arc<World>>> = const { RefCell::new(None) };
}

/// The actor that an injected panic brings down.
#[derive(Debug, Clone, Copy)]
pub enum InjectedPanic {
    Extractor,
    Resolver,
    Logger,
    Wrapper,
}

/// Panics. The panic's hook keeps silent about it.
pub fn panic_by(actor: InjectedPanic) -> ! {
    panic::panic_any(actor)
}

/// Sets up what all histories of this process share.
pub fn set_up() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !info.payload().is::<InjectedPanic>() {
                usual(info);
            }
        }));
        // The fail point asks for the event's type itself.
        on_fail_point("PiiExtractorActor::event", InjectedPanic::Extractor, |state| {
            !state.is_cured
        });
        on_fail_point("PiiExtractorActor", InjectedPanic::Extractor, |state| {
            let rate = state.plan.faults.extractor_panic;
            state.panics_left > 0 && state.strikes(rate) && state.spend_panic()
        });
        on_fail_point("supervisor::wrapper", InjectedPanic::Wrapper, |state| {
            let rate = state.plan.faults.wrapper_panic;
            state.strikes(rate)
        });
    });
}

fn on_fail_point(name: &str, actor: InjectedPanic, strikes: impl Fn(&mut State) -> bool + Send + Sync + 'static) {
    let act = move || {
        let world = CURRENT.with_borrow(Clone::clone);
        if world.is_some_and(|world| strikes(&mut world.lock())) {
            panic_by(actor);
        }
    };
    fail::cfg_callback(name, act).unwrap();
}

/// Makes a world the one whose faults the fail points of this thread ask for.
pub fn enter(world: Option<Arc<World>>) {
    CURRENT.set(world);
}

impl State {
    const fn spend_panic(&mut self) -> bool {
        self.panics_left -= 1;
        true
    }

    /// Decides whether a stage panics on these events, by chance. An event that is alone is spared before it has failed so
    /// often that it would become a dead letter.
    pub fn may_panic(&mut self, events: &[EventId]) -> bool {
        let rate = self.plan.faults.panic;
        if !self.strikes(rate) {
            return false;
        }
        let [event] = events else {
            return true;
        };
        let panics = self.panics.entry(*event).or_default();
        let spared = *panics + 1 >= self.plan.max_attempts;
        *panics += u32::from(!spared);
        !spared
    }
}
