use super::*;

#[tokio::test(start_paused = true)]
async fn first_change_is_written_in_a_moment_and_later_ones_after_a_pause() {
    let mut writer = Writer::default();
    writer.mark(key("a"), Instant::now());
    assert!(writer.take_due(Instant::now()).is_empty());
    tokio::time::advance(DEBOUNCE).await;
    assert_eq!(writer.take_due(Instant::now()), [key("a")]);
    writer.finished(&key("a"), Outcome::Stored, Instant::now());
    for _ in 0..100 {
        writer.mark(key("a"), Instant::now());
    }
    assert!(writer.take_due(Instant::now()).is_empty());
    assert_eq!(writer.next_due(), Some(Instant::now() + PAUSE));
    tokio::time::advance(PAUSE).await;
    assert_eq!(
        writer.take_due(Instant::now()),
        [key("a")],
        "once, however often it changed"
    );
}

#[tokio::test(start_paused = true)]
async fn one_object_is_never_written_twice_at_a_time() {
    let mut writer = Writer::default();
    writer.mark(key("a"), Instant::now());
    tokio::time::advance(DEBOUNCE).await;
    assert_eq!(writer.take_due(Instant::now()), [key("a")]);
    writer.mark(key("a"), Instant::now());
    tokio::time::advance(PAUSE * 10).await;
    assert!(writer.take_due(Instant::now()).is_empty());
    assert_eq!(writer.next_due(), None);
    writer.finished(&key("a"), Outcome::Stored, Instant::now());
    assert_eq!(
        writer.take_due(Instant::now()),
        [key("a")],
        "what came meanwhile is not lost"
    );
}

#[tokio::test(start_paused = true)]
async fn failures_are_tried_again_ever_later() {
    let mut writer = Writer::default();
    writer.mark(key("a"), Instant::now());
    tokio::time::advance(DEBOUNCE).await;
    for seconds in [1, 2, 4, 8, 16, 30, 30] {
        assert_eq!(writer.take_due(Instant::now()), [key("a")]);
        writer.finished(&key("a"), Outcome::Failed, Instant::now());
        assert_eq!(
            writer.next_due(),
            Some(Instant::now() + Duration::from_secs(seconds))
        );
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_came_too_late_is_made_anew_soon() {
    let mut writer = Writer::default();
    writer.mark(key("a"), Instant::now());
    for _ in 0..20 {
        tokio::time::advance(CONFLICT_PAUSE).await;
        assert_eq!(writer.take_due(Instant::now()), [key("a")]);
        writer.finished(&key("a"), Outcome::Conflict, Instant::now());
    }
}

#[tokio::test(start_paused = true)]
async fn one_objects_failures_delay_no_other() {
    let mut writer = Writer::default();
    writer.mark(key("a"), Instant::now());
    tokio::time::advance(DEBOUNCE).await;
    assert_eq!(writer.take_due(Instant::now()), [key("a")]);
    writer.finished(&key("a"), Outcome::Failed, Instant::now());
    writer.mark(key("b"), Instant::now());
    tokio::time::advance(DEBOUNCE).await;
    assert_eq!(writer.take_due(Instant::now()), [key("b")]);
}

#[tokio::test(start_paused = true)]
async fn writes_at_once_are_bounded() {
    let mut writer = Writer::default();
    for number in 0..100 {
        writer.mark(key(&number.to_string()), Instant::now());
    }
    tokio::time::advance(DEBOUNCE).await;
    assert_eq!(writer.take_due(Instant::now()).len(), CONCURRENT);
    assert_eq!(writer.next_due(), None);
}

fn key(name: &str) -> ServiceKey {
    ServiceKey {
        namespace: "shop".into(),
        name: name.into(),
    }
}
