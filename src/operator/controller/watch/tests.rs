use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;

use super::*;
use crate::operator::authenticate::Pods;
use crate::operator::index::Index;
use crate::operator::pod::PodCache;

#[test]
fn what_a_new_listing_does_not_show_is_gone() {
    let mut held = Held::default();
    held.see(Observed::Listing(Kind::Pod));
    held.see(seen_pod("a"));
    held.see(seen_pod("b"));
    held.see(Observed::Listed(Kind::Pod));
    held.see(Observed::Listing(Kind::Pod));
    held.see(seen_pod("b"));
    assert!(held.has("a"), "until the listing is complete");
    held.see(Observed::Listed(Kind::Pod));
    assert!(!held.has("a") && held.has("b"));
}

#[test]
fn listing_of_one_kind_touches_no_other() {
    let mut held = Held::default();
    held.see(seen_pod("a"));
    held.see(Observed::Listing(Kind::Service));
    held.see(Observed::Listed(Kind::Service));
    assert!(held.has("a"));
}

#[test]
fn complete_is_when_all_kinds_were_listed() {
    let mut held = Held::default();
    for kind in [Kind::Entry, Kind::Pod, Kind::Service, Kind::Revision] {
        assert!(!held.listings.complete());
        held.see(Observed::Listing(kind));
        held.see(Observed::Listed(kind));
    }
    assert!(held.listings.complete());
}

#[test]
fn pod_that_lost_its_label_is_gone() {
    let mut held = Held::default();
    held.see(seen_pod("a"));
    let mut pod = mk_pod("a");
    pod["metadata"]["labels"] = json!({});
    held.see(applied(pod));
    assert!(!held.has("a"));
}

#[test]
fn object_that_does_not_parse_is_handed_on_as_such() {
    let object = json!({
        "apiVersion": "endpoints.dev/v1alpha1", "kind": "EndpointsService",
        "metadata": { "namespace": "shop", "name": "a", "uid": "1", "generation": 3 },
        "spec": { "openapi": "not a structure" }
    });
    let event = watcher::Event::Apply(serde_json::from_value(object).unwrap());
    let Some(Observed::Object {
        object: Object::Entry(object),
        ..
    }) = observed(Kind::Entry, event, entry)
    else {
        panic!("an entry")
    };
    assert_eq!((&*object.uid, object.generation), ("1", 3));
    let told = object.spec.unwrap_err();
    assert!(
        told.starts_with("/spec/openapi: `openapi` must be a mapping, but is text ("),
        "{told}"
    );
}

/// An object may take 1.5 MiB: a page has to fit into the operator's memory several times.
#[tokio::test]
async fn listings_come_in_small_pages() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    let config = kube::Config::new(url.parse().unwrap());
    let metrics = Metrics::new(prometheus_client::registry::Registry::default());
    let mut observed = all(Client::try_from(config).unwrap(), metrics);
    let polled = tokio::spawn(async move { while observed.next().await.is_some() {} });
    let mut listed = BTreeSet::new();
    while listed.len() < 4 {
        // Dropped without an answer: the watch asks again.
        let (stream, _) = server.accept().await.unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await.unwrap();
        let target = line.split(' ').nth(1).unwrap();
        let (path, query) = target.split_once('?').unwrap();
        let limit = query
            .split('&')
            .find_map(|part| part.strip_prefix("limit="));
        let limit: u32 = limit.expect("a page").parse().unwrap();
        assert!((1..=32).contains(&limit), "{target}");
        listed.insert(path.to_owned());
    }
    polled.abort();
}

/// The streams are served by other threads: one that is let in before its pod's first readiness is
/// withheld would be told that it is not.
#[test]
fn pod_is_let_in_only_with_what_follows_from_it() {
    let mut held = Held::default();
    held.index.set_synced();
    let around = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "namespace": "shop", "name": "plain" },
        "spec": { "selector": { "app": "a" }, "ports": [{ "port": 8080 }] }
    });
    let around = serde_json::from_value(around).unwrap();
    held.see(observed(Kind::Service, watcher::Event::Apply(around), service).unwrap());
    let mut pod = mk_pod("a");
    pod["metadata"]["labels"]["app"] = json!("a");
    pod["metadata"]["annotations"]["endpoints.dev/status"] = json!(
        r#"{"version":"1","capture":"named","ports":[{"name":"http","app":8080,"listen":14080}]}"#
    );
    held.listings
        .apply(applied(pod), &mut held.index, &held.pods);
    assert_eq!(held.pods.pod("shop", "a"), None, "nobody gets in yet");
    let changes = held.index.take_changes();
    assert_eq!(changes.admit, [("shop".to_owned(), "a".to_owned())]);
    let withheld: Vec<_> = changes
        .withhold
        .iter()
        .map(|(_, uid, why)| (&**uid, why.is_some()))
        .collect();
    assert_eq!(withheld, [("a", true)], "in the same step");
}

struct Held {
    listings: Listings,
    index: Index,
    pods: PodCache,
}

impl Default for Held {
    fn default() -> Self {
        let index = Index::new();
        Self {
            listings: Listings::default(),
            index,
            pods: PodCache::default(),
        }
    }
}

impl Held {
    fn see(&mut self, observed: Observed) {
        self.listings.apply(observed, &mut self.index, &self.pods);
        for (namespace, name) in self.index.take_changes().admit {
            let pod = self.index.pod(&namespace, &name).unwrap();
            self.pods.insert(pod);
        }
    }

    /// Whether the index and the authenticator's cache have a pod; they must agree.
    fn has(&self, name: &str) -> bool {
        let indexed = self.index.pod("shop", name).is_some();
        assert_eq!(indexed, self.pods.pod("shop", name).is_some());
        indexed
    }
}

fn seen_pod(name: &str) -> Observed {
    applied(mk_pod(name))
}

fn applied(value: Value) -> Observed {
    let event = watcher::Event::Apply(serde_json::from_value(value).unwrap());
    observed(Kind::Pod, event, pod).unwrap()
}

fn mk_pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "namespace": "shop", "name": name, "uid": name,
            "labels": { "endpoints.dev/injected": "true" },
            "annotations": { "endpoints.dev/service": "bookstore" }
        },
        "spec": { "containers": [{ "name": "endpoints-proxy" }] }
    })
}
