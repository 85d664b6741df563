use tokio::sync::oneshot;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::Instant;

use super::*;

/// Ends when its request is answered; says when it was asked to.
struct Fake<const AT_ONCE: bool> {
    answered: oneshot::Receiver<()>,
    asked: Option<Instant>,
}

impl<const AT_ONCE: bool> Finish for Fake<AT_ONCE> {
    const AT_ONCE: bool = AT_ONCE;

    fn finish(mut self: Pin<&mut Self>) {
        assert_eq!(self.asked, None, "it is asked once");
        self.asked = Some(Instant::now());
    }
}

impl<const AT_ONCE: bool> Future for Fake<AT_ONCE> {
    type Output = Option<Instant>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Instant>> {
        let asked = self.asked;
        Pin::new(&mut self.answered).poll(context).map(|_| asked)
    }
}

/// A connection, and how its request is answered.
fn connection<const AT_ONCE: bool>(
    drain: &Rc<Drain>,
) -> (JoinHandle<Option<Instant>>, oneshot::Sender<()>) {
    let (answer, answered) = oneshot::channel();
    let mut member = drain.join();
    let running = spawn_local(async move {
        let fake: Fake<AT_ONCE> = Fake {
            answered,
            asked: None,
        };
        member.run(fake).await
    });
    (running, answer)
}

#[tokio::test(start_paused = true)]
async fn connections_are_asked_once_and_waited_for() {
    LocalSet::new()
        .run_until(async {
            let drain = Rc::new(Drain::default());
            let (early, answer) = connection::<true>(&drain);
            answer.send(()).expect("the connection lives");
            assert_eq!(early.await.expect("it ends"), None, "nobody asked it");

            let (second, answer) = connection::<true>(&drain);
            tokio::task::yield_now().await;
            assert_eq!(drain.connections(), 1);
            let begun = Instant::now();
            let waiting = spawn_local({
                let drain = drain.clone();
                async move { drain.run().await }
            });
            tokio::task::yield_now().await;
            assert!(drain.started());
            tokio::time::sleep(10 * LAST_CHANCE).await;
            assert!(!waiting.is_finished(), "its request is not answered");
            answer.send(()).expect("the connection lives");
            assert_eq!(second.await.expect("it ends"), Some(begun));
            waiting.await.expect("the drain is done");
            assert_eq!(drain.connections(), 0);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_may_lose_a_request_is_asked_a_moment_later() {
    LocalSet::new()
        .run_until(async {
            let drain = Rc::new(Drain::default());
            let (idle, ended) = connection::<false>(&drain);
            let (quick, told) = connection::<false>(&drain);
            tokio::task::yield_now().await;
            let begun = Instant::now();
            let waiting = spawn_local({
                let drain = drain.clone();
                async move { drain.run().await }
            });
            tokio::time::sleep(LAST_CHANCE / 2).await;
            told.send(()).expect("the connection lives");
            assert_eq!(quick.await.expect("it ends"), None, "its answer told it");
            tokio::time::sleep(LAST_CHANCE).await;
            ended.send(()).expect("the connection lives");
            let asked = idle.await.expect("it ends").expect("it was asked");
            assert_eq!((asked - begun).as_secs(), LAST_CHANCE.as_secs());
            waiting.await.expect("the drain is done");
        })
        .await;
}
