use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use k8s_openapi::ByteString;

use super::*;

const HOUR: Duration = Duration::from_secs(60 * 60);

#[tokio::test(start_paused = true)]
async fn nothing_is_written_before_the_secret_was_seen() {
    let state = State::new(Authorities::generate(now()).unwrap());
    assert!(due(&state).is_none());
}

#[tokio::test(start_paused = true)]
async fn secret_that_is_gone_or_spoilt_is_written_again_from_memory() {
    let held = Authorities::generate(now()).unwrap();
    let mut state = State::new(held.clone());
    state.see(Seen::Absent, now());
    assert!(matches!(due(&state), Some(Write::Create)));
    for data in [
        BTreeMap::new(),
        BTreeMap::from([("ca.crt".to_owned(), ByteString(b"mine".to_vec()))]),
    ] {
        state.see(present(data), now());
        assert!(matches!(due(&state), Some(Write::Restore)));
        assert_eq!(state.held.trusted(), held.trusted());
    }
    state.see(present(data(&held)), now());
    assert!(due(&state).is_none());
}

#[tokio::test(start_paused = true)]
async fn spoilt_next_ca_is_written_again_from_memory() {
    let held = published();
    let mut state = State::new(held.clone());
    let mut data = data(&held);
    data.insert("next.key".to_owned(), ByteString(b"spoilt".to_vec()));
    state.see(present(data), now());
    assert!(matches!(due(&state), Some(Write::Restore)));
    assert!(state.held.next.is_some());
}

#[tokio::test(start_paused = true)]
async fn replica_that_only_watched_promotes_when_it_comes_to_lead() {
    let mut state = State::new(Authorities::generate(now()).unwrap());
    let stored = published();
    // Another one's: not what this process started with.
    state.held = Authorities {
        next: None,
        ..stored.clone()
    };
    state.see(present(data(&stored)), now());
    tokio::time::advance(HOUR - Duration::from_secs(1)).await;
    assert!(due(&state).is_none());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(matches!(due(&state), Some(Write::Step(Step::Promote))));
}

#[tokio::test(start_paused = true)]
async fn ca_that_took_the_place_of_ours_is_adopted_once() {
    let ours = Authorities::generate(now()).unwrap();
    let mut state = State::new(ours.clone());
    let theirs = Authorities::generate(now()).unwrap();
    state.see(present(data(&theirs)), now());
    state.see(present(data(&theirs)), now());
    assert!(matches!(due(&state), Some(Write::Step(Step::Adopt))));
    let adopted = rotation::take(Step::Adopt, state.view(now(), Instant::now())).unwrap();
    assert!(adopted.knows(ours.current.certificate()));
    state.see(present(data(&adopted)), now());
    assert!(due(&state).is_none());
}

#[tokio::test(start_paused = true)]
async fn older_state_of_the_secret_is_followed_and_goes_on_from_there() {
    let published = published();
    let mut state = State::new(published.clone());
    state.see(present(data(&published)), now());
    let promoted = rotation::take(Step::Promote, state.view(now(), Instant::now())).unwrap();
    state.see(present(data(&promoted)), now());
    assert!(due(&state).is_none());
    // etcd was restored.
    state.see(present(data(&published)), now());
    assert!(state.estranged.is_none(), "it knows both");
    tokio::time::advance(HOUR).await;
    assert!(matches!(due(&state), Some(Write::Step(Step::Promote))));
}

#[tokio::test(start_paused = true)]
async fn request_starts_a_rotation() {
    let held = Authorities::generate(now()).unwrap();
    let mut state = State::new(held.clone());
    let mut secret = secret(data(&held));
    secret.metadata.annotations =
        Some(BTreeMap::from([(secret::ROTATE.to_owned(), String::new())]));
    state.see(Seen::Present(Box::new(secret)), now());
    assert!(matches!(due(&state), Some(Write::Step(Step::Publish))));
}

fn due(state: &State) -> Option<Write> {
    state.due(now(), Instant::now(), HOUR)
}

fn published() -> Authorities {
    Authorities {
        next: Some(Arc::new(super::super::Authority::generate(now()).unwrap())),
        ..Authorities::generate(now()).unwrap()
    }
}

fn data(authorities: &Authorities) -> BTreeMap<String, ByteString> {
    let mut data = BTreeMap::new();
    authorities.write(&mut data);
    data
}

fn present(data: BTreeMap<String, ByteString>) -> Seen {
    Seen::Present(Box::new(secret(data)))
}

fn secret(data: BTreeMap<String, ByteString>) -> Secret {
    Secret {
        data: Some(data),
        ..Secret::default()
    }
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}
