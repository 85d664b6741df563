//! Services that lead around the sidecar.

use crate::http::Request;
use crate::installation;
use crate::shop::Shop;

/// A Service without targetPort has a numeric one, the app's.
#[test]
fn a_second_service_without_target_port_is_named_by_captured_until_it_is_gone() {
    let _installation = installation::shared();
    let shop = Shop::new("capture", 1);
    shop.wait_condition("Captured", "True");
    shop.namespace.apply(
        "apiVersion: v1
kind: Service
metadata: {name: side-door}
spec:
  selector: {app: bookstore}
  ports: [{port: 8080}]
",
    );
    let captured = shop.wait_condition("Captured", "False");
    assert_eq!(captured["reason"], "NumericTargetPort", "{captured:#}");
    let message = captured["message"].as_str().expect("a text");
    assert!(message.contains("side-door"), "{message}");
    assert!(
        message.contains("set its targetPort to http"),
        "the fix is named: {message}"
    );
    shop.wait_condition("Ready", "False");
    // It is true: this way nobody asks for a token.
    let around = Request::get("/v1/me");
    assert_eq!(
        shop.namespace.send_to(&around, "side-door", 8080).status,
        200
    );
    assert_eq!(shop.send(&around).status, 401);

    shop.namespace.kubectl(&["delete", "service", "side-door"]);
    shop.wait_condition("Captured", "True");
    shop.wait_condition("Ready", "True");
}
