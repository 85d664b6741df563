//! The operator is no part of a request.

use crate::http::Request;
use crate::installation;
use crate::shop::{AUDIENCE, ORIGIN, Shop};

#[test]
fn traffic_goes_on_under_the_last_policy_while_the_operator_is_away() {
    let installation = installation::alone();
    let shop = Shop::new("away", 1);
    let before = shop.sidecars();
    let away = installation.away();

    let token = shop.namespace.token(AUDIENCE);
    let good = Request::get("/v1/me").bearer(&token);
    assert_eq!(
        shop.send(&good).status,
        200,
        "a token never seen before is verified"
    );
    assert_eq!(shop.send(&Request::get("/v1/me")).status, 401);
    let preflight = Request::preflight("/v1/shelves", ORIGIN, "POST", "");
    assert_eq!(shop.send(&preflight).status, 200);
    shop.edit_document(
        "x-google-audiences: bookstore-clients",
        "x-google-audiences: others",
    );
    assert_eq!(shop.send(&good).status, 200);
    assert_eq!(shop.sidecars(), before);

    // Back again, it brings what happened meanwhile.
    drop(away);
    shop.wait_programmed();
    assert_eq!(shop.send(&good).status, 403);
    assert_eq!(shop.sidecars(), before);
}
