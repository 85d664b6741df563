//! A JSON Web Key Set, as an issuer serves it.

use endpoints::policy::key_set::{KeySet, MAX_KEYS, essential};

/// A set is usable or refused; what is kept of it is the same set.
pub fn run(data: &[u8]) {
    let essential = essential(data);
    match KeySet::parse(data) {
        Ok(set) => {
            assert!(!set.keys.is_empty() && set.keys.len() <= MAX_KEYS);
            let kept = essential.expect("what is usable can be kept");
            let same = KeySet::parse(&kept).expect("what is kept is usable");
            let ids = |set: &KeySet| set.keys.iter().map(|key| key.id).collect::<Vec<_>>();
            assert_eq!(ids(&same), ids(&set));
        }
        Err(error) => {
            let told = error.to_string();
            assert!(
                told.len() < 500 && !told.contains(char::is_control),
                "{told:?}"
            );
        }
    }
}
