//! Project Wycheproof's vectors at the verifier's border: keys come in as JSON Web Keys, signatures as
//! tokens carry them. (It has none of whole tokens in a package; those are in tests/data_path.)
// A failed unwrap is a failed test, in helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use endpoints::policy::key_set::{Algorithm, KeySet, VerificationKey};
use serde_json::{Value, json};
use wycheproof::TestResult;
use wycheproof::{ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

/// What was tried of a family, and what went wrong.
#[derive(Default)]
struct Tally {
    accepted: usize,
    refused: usize,
    problems: Vec<String>,
}

impl Tally {
    /// Judges one vector. `key`: none where the key set refused it.
    fn judge(
        &mut self,
        name: &str,
        key: Option<&VerificationKey>,
        algorithm: Algorithm,
        vector: Vector<'_>,
    ) {
        let verified =
            key.is_some_and(|key| key.verify(algorithm, vector.message, vector.signature));
        let wrong = match vector.result {
            TestResult::Valid => !verified,
            TestResult::Invalid => verified,
            TestResult::Acceptable => false,
        };
        if wrong {
            let said = if verified { "accepted" } else { "refused" };
            self.problems
                .push(format!("{name} {}: {said}: {}", vector.id, vector.comment));
        }
        match verified {
            true => self.accepted += 1,
            false => self.refused += 1,
        }
    }

    #[track_caller]
    fn assert(&self, accepted: usize, refused: usize) {
        assert!(self.problems.is_empty(), "{}", self.problems.join("\n"));
        assert!(
            self.accepted >= accepted && self.refused >= refused,
            "too few vectors: {} accepted, {} refused",
            self.accepted,
            self.refused
        );
    }
}

struct Vector<'v> {
    id: usize,
    comment: &'v str,
    message: &'v [u8],
    signature: &'v [u8],
    result: TestResult,
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The key, as an issuer publishes it; none: it is not used.
fn key(jwk: &Value) -> Option<KeySet> {
    KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes()).ok()
}

macro_rules! judge {
    ($tally:expr, $name:expr, $set:expr, $algorithm:expr, $group:expr) => {
        for test in &$group.tests {
            let key = $set.as_ref().map(|set: &KeySet| &set.keys[0]);
            $tally.judge(
                &format!("{:?}", $name),
                key,
                $algorithm,
                Vector {
                    id: test.tc_id,
                    comment: &test.comment,
                    message: &test.msg,
                    signature: &test.sig,
                    result: test.result,
                },
            );
        }
    };
}

#[test]
fn rsa_with_the_padding_of_pkcs_1() {
    use rsa_pkcs1_verify::TestName::{
        Rsa2048Sha256, Rsa2048Sha384, Rsa2048Sha512, Rsa3072Sha256, Rsa3072Sha384, Rsa3072Sha512,
        Rsa4096Sha256, Rsa4096Sha384, Rsa4096Sha512, Rsa8192Sha256, Rsa8192Sha384, Rsa8192Sha512,
    };
    let mut tally = Tally::default();
    for (name, algorithm) in [
        (Rsa2048Sha256, Algorithm::Rs256),
        (Rsa2048Sha384, Algorithm::Rs384),
        (Rsa2048Sha512, Algorithm::Rs512),
        (Rsa3072Sha256, Algorithm::Rs256),
        (Rsa3072Sha384, Algorithm::Rs384),
        (Rsa3072Sha512, Algorithm::Rs512),
        (Rsa4096Sha256, Algorithm::Rs256),
        (Rsa4096Sha384, Algorithm::Rs384),
        (Rsa4096Sha512, Algorithm::Rs512),
        (Rsa8192Sha256, Algorithm::Rs256),
        (Rsa8192Sha384, Algorithm::Rs384),
        (Rsa8192Sha512, Algorithm::Rs512),
    ] {
        for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
            let set =
                key(&json!({"kty": "RSA", "n": encode(&group.key.n), "e": encode(&group.key.e)}));
            judge!(tally, name, set, algorithm, group);
        }
    }
    tally.assert(80, 2_000);
}

/// JSON Web Algorithms have the salt as long as the hash (RFC 7518 section 3.5); another one is none.
#[test]
fn rsa_with_the_padding_of_pss() {
    use rsa_pss_verify::TestName::{
        RsaPss2048Sha256Mgf1SaltLen0, RsaPss2048Sha256Mgf1SaltLen32, RsaPss2048Sha384Mgf1SaltLen48,
        RsaPss3072Sha256Mgf1SaltLen32, RsaPss4096Sha256Mgf1SaltLen32,
        RsaPss4096Sha384Mgf1SaltLen48, RsaPss4096Sha512Mgf1SaltLen32,
        RsaPss4096Sha512Mgf1SaltLen64,
    };
    let mut tally = Tally::default();
    for (name, algorithm, is_ours) in [
        (RsaPss2048Sha256Mgf1SaltLen32, Algorithm::Ps256, true),
        (RsaPss2048Sha384Mgf1SaltLen48, Algorithm::Ps384, true),
        (RsaPss3072Sha256Mgf1SaltLen32, Algorithm::Ps256, true),
        (RsaPss4096Sha256Mgf1SaltLen32, Algorithm::Ps256, true),
        (RsaPss4096Sha384Mgf1SaltLen48, Algorithm::Ps384, true),
        (RsaPss4096Sha512Mgf1SaltLen64, Algorithm::Ps512, true),
        (RsaPss2048Sha256Mgf1SaltLen0, Algorithm::Ps256, false),
        (RsaPss4096Sha512Mgf1SaltLen32, Algorithm::Ps512, false),
    ] {
        for mut group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let set =
                key(&json!({"kty": "RSA", "n": encode(&group.key.n), "e": encode(&group.key.e)}));
            if !is_ours {
                // Some of its invalid vectors have a salt of our length.
                group.tests.retain(|test| test.result == TestResult::Valid);
                group
                    .tests
                    .iter_mut()
                    .for_each(|test| test.result = TestResult::Invalid);
            }
            judge!(tally, name, set, algorithm, group);
        }
    }
    tally.assert(200, 300);
}

#[test]
fn curves_of_nist() {
    use ecdsa::TestName::{
        EcdsaSecp256r1Sha256, EcdsaSecp256r1Sha256P1363, EcdsaSecp384r1Sha384,
        EcdsaSecp384r1Sha384P1363, EcdsaSecp521r1Sha512, EcdsaSecp521r1Sha512P1363,
    };
    let mut tally = Tally::default();
    for (name, curve, algorithm, is_ours) in [
        (EcdsaSecp256r1Sha256P1363, "P-256", Algorithm::Es256, true),
        (EcdsaSecp384r1Sha384P1363, "P-384", Algorithm::Es384, true),
        (EcdsaSecp521r1Sha512P1363, "P-521", Algorithm::Es512, true),
        // In DER, which tokens do not carry: not even what is valid there.
        (EcdsaSecp256r1Sha256, "P-256", Algorithm::Es256, false),
        (EcdsaSecp384r1Sha384, "P-384", Algorithm::Es384, false),
        (EcdsaSecp521r1Sha512, "P-521", Algorithm::Es512, false),
    ] {
        for mut group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let point = &group.key.key[1..];
            let (x, y) = point.split_at(point.len() / 2);
            let set = key(&json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)}));
            if !is_ours {
                group
                    .tests
                    .iter_mut()
                    .for_each(|test| test.result = TestResult::Invalid);
            }
            judge!(tally, name, set, algorithm, group);
        }
    }
    tally.assert(400, 1_000);
}

#[test]
fn edwards_curves() {
    let mut tally = Tally::default();
    let name = eddsa::TestName::Ed25519;
    for group in eddsa::TestSet::load(name).unwrap().test_groups {
        let set = key(&json!({"kty": "OKP", "crv": "Ed25519", "x": encode(&group.key.pk)}));
        judge!(tally, name, set, Algorithm::EdDsa, group);
    }
    tally.assert(70, 50);
}
