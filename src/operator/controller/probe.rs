//! Notices a store that went back in time (etcd, restored from a backup). A watch from a version that is not
//! there yet is no error for the API server: it is silent until that version comes, and what happened
//! before is never told. So the store's version is looked at now and then.

use std::time::Duration;

use kube::api::ListParams;
use kube::{Api, Client};
use tokio::time::{sleep, timeout};

use crate::api::EndpointsService;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(10);
/// How long one may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The store's version, as last seen. Versions are numbers that can be compared (KEP-5504); what is none is
/// not looked at.
#[derive(Debug, Default)]
pub(super) struct StoreVersion(Option<u64>);

impl StoreVersion {
    /// Whether this one, seen now, is of an earlier time than the one before.
    pub(super) fn went_back(&mut self, seen: u64) -> bool {
        self.0.replace(seen).is_some_and(|before| seen < before)
    }
}

/// Waits, and looks. None: it could not be seen.
pub(super) async fn look(client: Client) -> Option<u64> {
    sleep(INTERVAL).await;
    let all = Api::<EndpointsService>::all(client);
    let one = ListParams::default().limit(1);
    let listed = timeout(REQUEST_TIMEOUT, all.list_metadata(&one)).await;
    listed.ok()?.ok()?.metadata.resource_version?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_earlier_version_is_one_of_the_past() {
        let mut version = StoreVersion::default();
        let seen = [5, 5, 9, 8, 8, 10];
        let back = seen.map(|seen| version.went_back(seen));
        assert_eq!(back, [false, false, false, true, false, false]);
    }
}
