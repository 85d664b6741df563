//! What clients and backends send that mean harm, or no good.

use crate::backend::Backend;
use crate::client::Client;
use crate::forwarding::OPEN;
use crate::proxy::TestProxy;

const GET: &str = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn pipelined_requests_are_each_judged_by_their_own_head() {
    let backend = Backend::start().await;
    let proxy = TestProxy::start(backend.address).under(OPEN);
    let mut client = Client::connect(proxy.address).await;
    let two_hosts = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    let folded = "GET /v1/shelves HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n";
    client
        .send([GET, GET, two_hosts, GET, two_hosts, folded, GET].concat())
        .await;
    for expected in [200, 200, 400, 200, 400, 400] {
        let answer = client.answer().await;
        assert_eq!(answer.status, expected, "{answer:?}");
    }
    assert_eq!(client.rest().await, b"", "nothing follows a refused head");
    assert_eq!(backend.requests().len(), 3);
}
