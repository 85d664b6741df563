//! One JSON Web Key (RFC 7517 section 4, RFC 7518 section 6, RFC 8037) to a prepared key.

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::VerificationKey;
use super::algorithm::Algorithm;

/// The most bytes of a `kid`: a token's header has to hold it, too.
const MAX_KID: usize = 1024;
/// The most characters of a number in base64url. 8192 bits take 1366.
const MAX_NUMBER: usize = 2048;

/// The members of a usable key that [`prepare`] makes it from.
///
/// # Errors
/// Those of [`prepare`].
pub(super) fn essential(jwk: Jwk) -> Result<Map<String, Value>, &'static str> {
    let material = match jwk.kty.as_str() {
        "RSA" => vec![("n", &jwk.n), ("e", &jwk.e)],
        "EC" => vec![("crv", &jwk.crv), ("x", &jwk.x), ("y", &jwk.y)],
        _ => vec![("crv", &jwk.crv), ("x", &jwk.x)],
    };
    let members = [("kid", &jwk.kid), ("alg", &jwk.alg)].into_iter();
    let members = members.chain(material).filter_map(|(name, value)| {
        let value = value.as_deref()?;
        Some((name.to_owned(), Value::from(value)))
    });
    let mut members: Map<_, _> = members.collect();
    members.insert("kty".to_owned(), jwk.kty.as_str().into());
    prepare(jwk).map(|_| members)
}

/// Parses a key.
///
/// # Errors
/// What is wrong with it, for people; never its content.
pub(super) fn parse(text: &str) -> Result<Jwk, &'static str> {
    // Deriving refuses a repeated member and one of a wrong type.
    serde_json::from_str(text)
        .map_err(|_| "a key is not a JSON Web Key (a member is repeated or of the wrong type)")
}

/// Whether a key holds no secret (RFC 7518 sections 6.2.2, 6.3.2, 6.4.1).
///
/// # Errors
/// It does.
pub(super) fn check_public(text: &str) -> Result<(), &'static str> {
    #[derive(Deserialize)]
    struct Secrets {
        d: Option<IgnoredAny>,
        p: Option<IgnoredAny>,
        q: Option<IgnoredAny>,
        dp: Option<IgnoredAny>,
        dq: Option<IgnoredAny>,
        qi: Option<IgnoredAny>,
        oth: Option<IgnoredAny>,
        k: Option<IgnoredAny>,
    }
    // What cannot be read is refused, or passed over, by whoever reads the set.
    let Ok(own) = serde_json::from_str::<Secrets>(text) else {
        return Ok(());
    };
    let Secrets {
        d,
        p,
        q,
        dp,
        dq,
        qi,
        oth,
        k,
    } = own;
    match [d, p, q, dp, dq, qi, oth, k].iter().any(Option::is_some) {
        true => Err("it holds a private or symmetric key"),
        false => Ok(()),
    }
}

/// Prepares a key.
///
/// # Errors
/// Those of [`parse`].
pub(super) fn prepare(jwk: Jwk) -> Result<VerificationKey, &'static str> {
    if jwk.kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID) {
        return Err("a key's `kid` is longer than 1024 bytes");
    }
    if jwk.d.is_some() || jwk.k.is_some() {
        return Err("a key is private or symmetric, and must not be published");
    }
    if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
        return Err("a key's `use` is not `sig`");
    }
    if jwk
        .key_ops
        .as_ref()
        .is_some_and(|operations| !operations.iter().any(|o| o == "verify"))
    {
        return Err("a key's `key_ops` lacks `verify`");
    }
    match jwk.kty.as_str() {
        "RSA" => rsa(jwk),
        "EC" => elliptic(jwk),
        "OKP" => edwards(jwk),
        _ => Err("a key's `kty` is not RSA, EC or OKP"),
    }
}

/// The members that are looked at; others (`x5c` …) are passed over.
#[derive(Deserialize, Default)]
pub(super) struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<IgnoredAny>,
    k: Option<IgnoredAny>,
}

impl Jwk {
    /// An RSA key.
    pub(super) fn rsa(kid: &str, modulus: &[u8], exponent: &[u8]) -> Self {
        Self {
            n: encode(modulus),
            e: encode(exponent),
            ..Self::of_type("RSA", kid)
        }
    }

    /// A point on a curve, named as RFC 7518 section 6.2.1.1 does.
    pub(super) fn elliptic(kid: &str, curve: &str, x: &[u8], y: &[u8]) -> Self {
        Self {
            crv: Some(curve.to_owned()),
            x: encode(x),
            y: encode(y),
            ..Self::of_type("EC", kid)
        }
    }

    /// An Ed25519 key.
    pub(super) fn edwards(kid: &str, x: &[u8]) -> Self {
        Self {
            crv: Some("Ed25519".to_owned()),
            x: encode(x),
            ..Self::of_type("OKP", kid)
        }
    }

    fn of_type(kty: &str, kid: &str) -> Self {
        Self {
            kty: kty.to_owned(),
            kid: Some(kid.to_owned()),
            ..Self::default()
        }
    }
}

fn encode(bytes: &[u8]) -> Option<String> {
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

fn rsa(jwk: Jwk) -> Result<VerificationKey, &'static str> {
    let modulus = decode(jwk.n.as_deref())?;
    let exponent = decode(jwk.e.as_deref())?;
    // Some issuers write a leading zero, although RFC 7518 section 6.3.1.1 says not to.
    let modulus = without_leading_zeros(&modulus);
    let exponent = without_leading_zeros(&exponent);
    check_rsa(modulus, exponent)?;

    let components = RsaPublicKeyComponents {
        n: modulus,
        e: exponent,
    };
    let mut prepared = Vec::new();
    for algorithm in allowed(&Algorithm::RSA, jwk.alg.as_deref())? {
        let parameters = match algorithm {
            Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
            Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
            Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
            Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 | Algorithm::EdDsa => continue,
        };
        let key = components
            .to_parsed_public_key(parameters)
            .map_err(|_| "an RSA key's modulus and exponent make no key")?;
        prepared.push((algorithm, key));
    }
    Ok(VerificationKey::new(
        jwk.kid,
        &[b"RSA", modulus, exponent],
        prepared,
    ))
}

/// Bounds: the size keeps verification safe and cheap, the exponent at most 32 bits keeps it cheap.
fn check_rsa(modulus: &[u8], exponent: &[u8]) -> Result<(), &'static str> {
    let leading = modulus
        .first()
        .map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = modulus.len() * 8 - leading;
    if !(2048..=8192).contains(&bits) {
        return Err("an RSA key has fewer than 2048 or more than 8192 bits");
    }
    if modulus.last().is_none_or(|byte| byte % 2 == 0) {
        return Err("an RSA key's modulus is even");
    }
    if exponent.is_empty() || exponent.len() > 4 || exponent == [1] {
        return Err("an RSA key's exponent is under 3 or over 32 bits");
    }
    if exponent.last().is_none_or(|byte| byte % 2 == 0) {
        return Err("an RSA key's exponent is even");
    }
    Ok(())
}

fn elliptic(jwk: Jwk) -> Result<VerificationKey, &'static str> {
    let (algorithm, parameters, length) = match jwk.crv.as_deref() {
        Some("P-256") => (Algorithm::Es256, &signature::ECDSA_P256_SHA256_FIXED, 32),
        Some("P-384") => (Algorithm::Es384, &signature::ECDSA_P384_SHA384_FIXED, 48),
        Some("P-521") => (Algorithm::Es512, &signature::ECDSA_P521_SHA512_FIXED, 66),
        _ => return Err("an EC key's `crv` is not P-256, P-384 or P-521"),
    };
    allowed(&[algorithm], jwk.alg.as_deref())?;
    let x = decode(jwk.x.as_deref())?;
    let y = decode(jwk.y.as_deref())?;
    if x.len() != length || y.len() != length {
        return Err("an EC key's coordinate has the wrong length");
    }
    // SEC 1 section 2.3.3, uncompressed form.
    let point = [&[0x04][..], &x, &y].concat();
    let key = ParsedPublicKey::new(parameters, &point)
        .map_err(|_| "an EC key's point is not on its curve")?;
    Ok(VerificationKey::new(
        jwk.kid,
        &[b"EC", &point],
        vec![(algorithm, key)],
    ))
}

fn edwards(jwk: Jwk) -> Result<VerificationKey, &'static str> {
    if jwk.crv.as_deref() != Some("Ed25519") {
        return Err("an OKP key's `crv` is not Ed25519");
    }
    allowed(&[Algorithm::EdDsa], jwk.alg.as_deref())?;
    let x = decode(jwk.x.as_deref())?;
    if x.len() != signature::ED25519_PUBLIC_KEY_LEN {
        return Err("an Ed25519 key has the wrong length");
    }
    if is_of_small_order(&x) {
        return Err("an Ed25519 key is a point of small order: signatures by it prove nothing");
    }
    let key = ParsedPublicKey::new(&signature::ED25519, &x)
        .map_err(|_| "an Ed25519 key is not a point of its curve")?;
    Ok(VerificationKey::new(
        jwk.kid,
        &[b"OKP", &x],
        vec![(Algorithm::EdDsa, key)],
    ))
}

/// Whether a point of edwards25519 times 8 is the neutral one: then anybody can make signatures that
/// verify by it, and verification (RFC 8032 section 5.1.7) does not look. In all of their encodings, least
/// byte first; the last bit is the sign of x.
fn is_of_small_order(point: &[u8]) -> bool {
    const OF_ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let Some((last, rest)) = point.split_last() else {
        return true;
    };
    let last = last & 0x7f;
    let Some((first, middle)) = rest.split_first() else {
        return true;
    };
    let all = |byte: u8| middle.iter().all(|own| *own == byte);
    // y is 0 or 1; y is -1, 0 or 1, written as more than the field's prime.
    let is_small = matches!(first, 0 | 1) && all(0) && last == 0;
    let is_near_prime = matches!(first, 0xec..=0xee) && all(0xff) && last == 0x7f;
    let of_order_8 = OF_ORDER_8
        .iter()
        .any(|known| known[..31] == *rest && known[31] == last);
    is_small || is_near_prime || of_order_8
}

/// The algorithms of a key type, narrowed by the key's `alg`.
fn allowed(of_type: &[Algorithm], alg: Option<&str>) -> Result<Vec<Algorithm>, &'static str> {
    let Some(alg) = alg else {
        return Ok(of_type.to_vec());
    };
    Algorithm::from_name(alg)
        .filter(|algorithm| of_type.contains(algorithm))
        .map(|algorithm| vec![algorithm])
        .ok_or("a key's `alg` is not a signature algorithm of its type")
}

fn decode(member: Option<&str>) -> Result<Vec<u8>, &'static str> {
    let text = member.ok_or("a key lacks a member that its type demands")?;
    if text.len() > MAX_NUMBER {
        return Err("a key's material is longer than 8192 bits can be");
    }
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| "a key's material is not base64url")
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}
