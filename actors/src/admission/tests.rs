use super::*;
use crate::ids::Sequence;

const TICK: Duration = Duration::from_millis(50);

const OPTIONS: AdmissionOptions = AdmissionOptions {
    max_delay: Duration::from_secs(40),
    burst: Duration::from_secs(30),
    max_bytes: 768 << 20,
    max_wait: Duration::from_millis(500),
};

/// A pipeline and its senders, a tick at a time.
struct World {
    admission: Admission,
    now: Instant,
    appended: u64,
    released: u64,
    /// Parts of an event that the pipeline has processed.
    rest: f64,
    waiting: Vec<Turn>,
}

impl World {
    fn new() -> Self {
        Self {
            admission: Admission::new(OPTIONS),
            now: Instant::now(),
            appended: 0,
            released: 0,
            rest: 0.0,
            waiting: Vec::new(),
        }
    }

    fn sample(&self) -> InFlight {
        let events = self.appended - self.released;
        InFlight {
            events,
            bytes: events * 700,
            appended: self.appended,
        }
    }

    /// Lets one tick pass in which so many events a second come and could be processed. Returns how many were accepted
    /// at once, and how many were not.
    fn tick(&mut self, controller: ControllerId, come: u64, drained: f64) -> (u64, u64) {
        self.waiting.retain_mut(|turn| match turn.called.try_recv() {
            Ok(()) => {
                self.appended += 1;
                false
            }
            Err(_) => true,
        });
        let (mut accepted, mut held) = (0, 0);
        for _ in 0..come / 20 {
            match self.admission.enter(controller, || self.appended - self.released) {
                Entry::Open => {
                    self.appended += 1;
                    accepted += 1;
                }
                // This sender hangs up at once.
                Entry::Wait(turn) => {
                    drop(turn);
                    held += 1;
                }
            }
        }
        self.rest += drained / 20.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a test's few events"
        )]
        let whole = (self.rest as u64).min(self.appended - self.released);
        self.released += whole;
        self.rest = if self.appended == self.released {
            0.0
        } else {
            self.rest.fract()
        };
        self.observe(false);
        (accepted, held)
    }

    fn observe(&mut self, is_away: bool) -> Option<Change> {
        self.now += TICK;
        let change = self.admission.observe(self.now, self.sample(), is_away);
        if self.admission.is_holding() {
            let controller = ControllerId::generate();
            let position = StreamPosition {
                released: Sequence(self.released),
                last: Sequence(self.appended),
            };
            self.admission.share_out(&[(controller, position)]);
        }
        change
    }

    /// Lets seconds pass. Returns the sums of [`Self::tick`].
    fn run(&mut self, controller: ControllerId, seconds: u64, come: u64, drained: f64) -> (u64, u64) {
        (0..seconds * 20).fold((0, 0), |(accepted, held), _| {
            let (more, more_held) = self.tick(controller, come, drained);
            (accepted + more, held + more_held)
        })
    }
}

#[test]
fn a_burst_of_half_a_minute_at_three_times_the_speed_is_accepted_whole() {
    let (mut world, controller) = (World::new(), ControllerId::generate());
    world.run(controller, 10, 6_000, 8_000.0);
    assert_eq!(world.run(controller, 30, 24_000, 8_000.0), (720_000, 0));
    assert_eq!(world.run(controller, 120, 6_000, 8_000.0).1, 0);
}

#[test]
fn a_lasting_overload_settles_at_the_target_and_accepts_what_is_processed() {
    let (mut world, controller) = (World::new(), ControllerId::generate());
    world.run(controller, 120, 16_000, 8_000.0);
    let (before, released) = (world.appended - world.released, world.released);
    assert!(world.admission.is_holding());
    let (accepted, held) = world.run(controller, 300, 16_000, 8_000.0);
    let backlog = world.appended - world.released;
    assert!(backlog.abs_diff(before) < before / 10, "{before} to {backlog}");
    // The oldest event has waited for half a minute in the first minute.
    let target = 60 * 8_000;
    assert!(backlog.abs_diff(target) < target / 10, "{backlog}");
    let processed = world.released - released;
    assert!(
        processed.abs_diff(accepted) < processed / 10,
        "{accepted} of {processed}"
    );
    assert!(held > 1_000_000, "{held}");
    let seconds: Vec<u64> = (0..50).map(|_| world.admission.refuse()).collect();
    assert!(seconds.iter().all(|seconds| (1..=90).contains(seconds)), "{seconds:?}");
    assert!(seconds.iter().any(|other| *other != seconds[0]), "without jitter");
}

#[test]
fn a_load_below_the_speed_is_never_refused_behind_an_old_backlog() {
    let (mut world, controller) = (World::new(), ControllerId::generate());
    // The database is away for an hour.
    for _ in 0..3_600 * 20 {
        for _ in 0..300 {
            assert!(matches!(world.admission.enter(controller, || u64::MAX), Entry::Open));
        }
        world.appended += 300;
        world.observe(true);
    }
    assert!(!world.admission.is_holding() && world.admission.report().is_outage);
    // It is back. The senders go on as before, now and then a second's events at once, and once it pauses for a second.
    world.run(controller, 60, 0, 8_000.0);
    assert!(world.admission.is_holding());
    for _ in 0..60 {
        assert_eq!(world.run(controller, 5, 6_000, 8_000.0).1, 0);
        assert_eq!(world.tick(controller, 6_000 * 20, 8_000.0).1, 0);
        assert_eq!(world.run(controller, 1, 0, 0.0).1, 0);
        assert_eq!(world.run(controller, 5, 3_000, 8_000.0).1, 0);
    }
    assert!(world.admission.report().over_share.len() == 1 && world.admission.is_holding());
}

#[test]
fn nothing_is_refused_while_nothing_can_be_processed() {
    let (mut world, controller) = (World::new(), ControllerId::generate());
    world.run(controller, 10, 6_000, 8_000.0);
    // It hangs without a word.
    assert_eq!(world.run(controller, 600, 6_000, 0.0).1, 0);
    // In the middle of an overload, it is noticed after a moment.
    let mut world = World::new();
    world.run(controller, 120, 16_000, 8_000.0);
    world.run(controller, 15, 16_000, 0.0);
    assert_eq!(world.run(controller, 60, 16_000, 0.0).1, 0);
    assert!(world.admission.report().is_outage);
}

#[test]
fn a_small_tenant_is_accepted_at_once_beside_one_that_floods() {
    let (mut world, flood, small) = (World::new(), ControllerId::generate(), ControllerId::generate());
    world.run(flood, 120, 32_000, 8_000.0);
    for _ in 0..1_000 {
        assert!(world.tick(flood, 32_000, 8_000.0).1 > 0);
        assert!(matches!(world.admission.enter(small, || 20), Entry::Open));
        world.appended += 1;
    }
    let report = world.admission.report();
    assert!(report.share > 1_000, "{report:?}");
    assert_eq!(report.over_share.len(), 1);
}

#[test]
fn a_stalled_stream_of_few_events_is_no_overload() {
    let (mut world, controller) = (World::new(), ControllerId::generate());
    world.run(controller, 60, 4_000, 8_000.0);
    // A thousand of one controller stay, the others go on.
    world.appended += 1_000;
    for tick in 0..600 * 20 {
        world.appended += u64::from(tick % 4 == 0);
        world.released += u64::from(tick % 4 == 0);
        world.observe(false);
    }
    assert!(world.admission.state().flow.age(world.now) > OPTIONS.max_delay);
    assert!(!world.admission.is_holding());
}

#[test]
fn holding_ends_behind_the_burst_and_calls_everybody() {
    let (mut world, controller) = (World::new(), ControllerId::generate());
    world.run(controller, 120, 16_000, 8_000.0);
    let Some(mut turn) = (0..10_000).find_map(|_| match world.admission.enter(controller, || u64::MAX) {
        Entry::Wait(turn) => Some(turn),
        Entry::Open => {
            world.appended += 1;
            None
        }
    }) else {
        panic!("nobody waits");
    };
    world.run(controller, 300, 0, 8_000.0);
    assert!(!world.admission.is_holding());
    assert_eq!(turn.called.try_recv(), Ok(()));
    assert_eq!(world.admission.report().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_does_not_come_is_refused_and_its_place_is_free() {
    let (mut world, controller) = (World::new(), ControllerId::generate());
    world.run(controller, 120, 16_000, 8_000.0);
    let turn = loop {
        match world.admission.enter(controller, || u64::MAX) {
            Entry::Wait(turn) => break turn,
            Entry::Open => world.appended += 1,
        }
    };
    let began = Instant::now();
    assert!(!turn.wait().await);
    assert_eq!(began.elapsed(), OPTIONS.max_wait);
    world.observe(false);
    assert_eq!(world.admission.report().waiting, 0);
}

#[test]
fn without_targets_it_is_always_open() {
    let (mut world, controller) = (World::new(), ControllerId::generate());
    world.admission.set_options(AdmissionOptions {
        max_delay: Duration::ZERO,
        max_bytes: 0,
        ..OPTIONS
    });
    assert_eq!(world.run(controller, 600, 16_000, 8_000.0).1, 0);
}
