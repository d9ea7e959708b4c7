use super::*;

fn at(seconds: u64) -> EventId {
    // The random part of a generated id, under a chosen time.
    let random = EventId::generate().as_uuid().as_u128() & ((1 << 74) - 1);
    let time = u128::from(seconds * 1000) << 80;
    EventId::from_uuid(uuid::Uuid::from_u128(time | random))
}

fn claim(key: u8, event: EventId) -> Claim {
    Claim {
        key: DedupKey([key; 16]),
        event,
        window: Duration::from_secs(60),
    }
}

async fn decide(window: &MemoryWindow, controller: ControllerId, claims: &[Claim]) -> Vec<Verdict> {
    window.claim(controller, claims).await.unwrap()
}

#[actix_web::test]
async fn the_first_event_wins_for_its_window_and_repeats_do_not_extend_it() {
    let (window, controller) = (MemoryWindow::new(100), ControllerId::generate());
    let (first, second, late) = (at(100), at(159), at(160));
    let claims = [claim(1, first), claim(1, second), claim(1, late), claim(2, second)];
    let expected = [
        Verdict::First,
        Verdict::DuplicateOf(first),
        Verdict::First,
        Verdict::First,
    ];
    assert_eq!(decide(&window, controller, &claims).await, expected);
}

#[actix_web::test]
async fn a_batch_that_runs_again_gets_the_same_verdicts() {
    let (window, controller) = (MemoryWindow::new(100), ControllerId::generate());
    let events = [at(0), at(10), at(75), at(100), at(140)];
    let claims: Vec<_> = events.iter().map(|event| claim(1, *event)).collect();
    let once = decide(&window, controller, &claims).await;
    assert_eq!(
        once,
        [
            Verdict::First,
            Verdict::DuplicateOf(events[0]),
            Verdict::First,
            Verdict::DuplicateOf(events[2]),
            Verdict::First
        ]
    );
    assert_eq!(decide(&window, controller, &claims).await, once);
    assert_eq!(decide(&window, controller, &claims[1..]).await, once[1..]);
}

#[actix_web::test]
async fn controllers_do_not_see_each_other() {
    let window = MemoryWindow::new(100);
    let (one, other) = (ControllerId::generate(), ControllerId::generate());
    assert_eq!(decide(&window, one, &[claim(1, at(1))]).await, [Verdict::First]);
    assert_eq!(decide(&window, other, &[claim(1, at(1))]).await, [Verdict::First]);
    window.forget(one);
    assert_eq!(window.report().claims, 1);
}

#[actix_web::test]
async fn passed_claims_make_room_and_a_full_window_lets_events_through() {
    let (window, controller) = (MemoryWindow::new(2), ControllerId::generate());
    let claims = [claim(1, at(0)), claim(2, at(1)), claim(3, at(2)), claim(3, at(3))];
    assert!(
        decide(&window, controller, &claims)
            .await
            .iter()
            .all(|verdict| *verdict == Verdict::First)
    );
    assert_eq!(
        window.report(),
        MemoryWindowReport {
            claims: 2,
            max_claims: 2,
            full: true
        }
    );
    window.advance(controller, at(62).received_at());
    let (first, second) = (at(63), at(64));
    let verdicts = decide(&window, controller, &[claim(3, first), claim(3, second)]).await;
    assert_eq!(verdicts, [Verdict::First, Verdict::DuplicateOf(first)]);
    assert!(!window.report().full);
}

#[actix_web::test]
async fn a_warmed_window_knows_what_the_store_knew() {
    let (window, controller) = (MemoryWindow::new(100), ControllerId::generate());
    let first = at(100);
    window.warm(controller, DedupKey([1; 16]), first, 60);
    window.warm(controller, DedupKey([1; 16]), first, 60);
    assert_eq!(window.report().claims, 1);
    assert_eq!(
        decide(&window, controller, &[claim(1, at(130))]).await,
        [Verdict::DuplicateOf(first)]
    );
}
