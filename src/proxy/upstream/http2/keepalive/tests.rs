use h2::server;
use http::{Request, Response};
use tokio::io::{AsyncWriteExt as _, duplex};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::Instant;

use super::*;

fn state(streams: usize) -> Rc<State> {
    let state = State::new(Rc::default(), None);
    state.streams.set(streams);
    state
}

/// Runs a connection to a peer; how long it lasted, if not for longer than ten minutes.
async fn lasts(streams: usize, peer_answers: bool) -> Option<Duration> {
    let (ours, mut theirs) = duplex(64 * 1024);
    if peer_answers {
        spawn_local(async move {
            let mut peer = server::handshake(theirs).await.expect("a handshake");
            let mut kept = Vec::new();
            while let Some(Ok((_, answering))) = peer.accept().await {
                kept.push(answering);
            }
        });
    } else {
        // Takes everything, and says nothing but its settings.
        spawn_local(async move {
            let _ = theirs.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
            let _ = tokio::io::copy(&mut theirs, &mut tokio::io::sink()).await;
        });
    }
    let (sender, mut connection) = client::handshake(ours).await.expect("a handshake");
    let pings = connection.ping_pong();
    let state = state(streams);
    let begun = Instant::now();
    let running = run(connection, pings, state.clone());
    let ended = timeout(Duration::from_secs(600), running).await;
    drop(sender);
    assert_eq!(state.retired.get(), ended.is_ok());
    ended.ok().map(|()| begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_waited_for_and_gone_is_noticed() {
    LocalSet::new()
        .run_until(async {
            let gone = lasts(1, false).await.expect("it ends");
            assert_eq!(gone.as_secs(), (PING_AFTER + PONG_WITHIN).as_secs());
            assert_eq!(lasts(1, true).await, None, "it answers");
            assert_eq!(lasts(0, false).await, None, "nobody waits: it is not asked");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_backend_that_is_gone_ends_with_an_error() {
    LocalSet::new()
        .run_until(async {
            let (ours, theirs) = duplex(64 * 1024);
            spawn_local(async move {
                let mut peer = server::handshake(theirs).await.expect("a handshake");
                let (_, mut answering) = peer.accept().await.expect("one").expect("a request");
                let answer = answering.send_response(Response::new(()), false);
                // It is stopped, as by a machine that is switched off.
                let _kept = (answer, peer);
                std::future::pending::<()>().await;
            });
            let (mut sender, mut connection) = client::handshake(ours).await.expect("one");
            let pings = connection.ping_pong();
            spawn_local(run(connection, pings, state(1)));
            let request = Request::new(());
            let (answer, _) = sender.send_request(request, true).expect("a stream");
            answer.await.expect_err("the connection ended");
        })
        .await;
}
