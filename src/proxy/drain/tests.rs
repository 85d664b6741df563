use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};

use super::*;

/// Ends when it is asked to and its request is answered.
struct Fake {
    answered: oneshot::Receiver<()>,
    asked: bool,
}

impl Finish for Fake {
    fn finish(mut self: Pin<&mut Self>) {
        self.asked = true;
    }
}

impl Future for Fake {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        let asked = self.asked;
        Pin::new(&mut self.answered).poll(context).map(|_| asked)
    }
}

#[tokio::test]
async fn connections_are_asked_once_and_waited_for() {
    LocalSet::new()
        .run_until(async {
            let drain = Rc::new(Drain::default());
            let (early, answered) = oneshot::channel();
            let mut member = drain.join();
            let first = spawn_local(async move {
                let connection = Fake {
                    answered,
                    asked: false,
                };
                member.run(connection).await
            });
            early.send(()).expect("the connection lives");
            assert!(!first.await.expect("it ends"), "nobody asked it");

            let (answer, answered) = oneshot::channel();
            let mut member = drain.join();
            let second = spawn_local(async move {
                let connection = Fake {
                    answered,
                    asked: false,
                };
                member.run(connection).await
            });
            tokio::task::yield_now().await;
            assert_eq!(drain.connections(), 1);
            drain.start();
            let waiting = spawn_local({
                let drain = drain.clone();
                async move { drain.done().await }
            });
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished(), "its request is not answered");
            answer.send(()).expect("the connection lives");
            assert!(second.await.expect("it ends"), "it was asked");
            waiting.await.expect("the drain is done");
            assert_eq!(drain.connections(), 0);
        })
        .await;
}
