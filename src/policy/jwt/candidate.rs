//! One token of a request, and what is known of it over all alternatives.

use std::cell::OnceCell;
use std::sync::Arc;

use super::cache::{Digest, Proof, Remembered, TokenCache};
use super::claims::Claims;
use super::forwarding::{Forwarding, Told};
use super::refusal::{Failure, Fault};
use super::security::PreparedRequirement;
use super::token::Token;
use super::{Keyring, PreparedProvider};
use crate::policy::key_set::{KeySet, MAX_KEYS, VerificationKey};

/// The most keys that are tried for one request, whatever its tokens and their issuers: as many as a set
/// may hold, so that a token without `kid` finds its own among them, and no client buys more
/// verifications with more such tokens.
pub(super) const MAX_TRIES: usize = MAX_KEYS;

/// What tokens are checked with.
pub(super) struct Means<'m> {
    pub(super) providers: &'m [PreparedProvider],
    pub(super) keys: &'m dyn Keyring,
    pub(super) cache: &'m mut TokenCache,
    pub(super) forwarding: &'m Forwarding,
    pub(super) now: u64,
    /// How many more keys may be tried.
    pub(super) tries: usize,
}

pub(super) struct Candidate<'t> {
    text: &'t str,
    /// Where it was found: places in [`super::Security::locations`].
    pub(super) locations: Vec<usize>,
    digest: Option<Digest>,
    remembered: Option<Arc<Remembered>>,
    token: OnceCell<Result<Token<'t>, Fault>>,
    /// Of one that passed.
    told: Option<Arc<Told>>,
    /// Providers by whose keys it was tried to verify it: that is what costs.
    tried: Vec<(usize, Result<(), Failure>)>,
}

impl<'t> Candidate<'t> {
    pub(super) fn new(text: &'t str, location: usize, means: &mut Means<'_>) -> Self {
        let digest = match means.cache.is_off() {
            true => None,
            false => means.cache.digest(text),
        };
        let id = &means.forwarding.id;
        let remembered = digest
            .as_ref()
            .and_then(|digest| means.cache.recall(digest, id, means.now));
        Self {
            text,
            locations: vec![location],
            digest,
            remembered,
            token: OnceCell::new(),
            told: None,
            tried: Vec::new(),
        }
    }

    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    /// What is signed. Whoever sends this twice with different signatures sends one token: some
    /// algorithms let anybody make a second signature of a first.
    pub(super) fn identity(&self) -> &'t str {
        self.text
            .rsplit_once('.')
            .map_or(self.text, |(signed, _)| signed)
    }

    /// Whether it was found where tokens for this requirement may be.
    pub(super) fn concerns(&self, requirement: &PreparedRequirement) -> bool {
        self.locations
            .iter()
            .any(|location| requirement.locations.contains(location))
    }

    /// What the backend is told, of a token that passed.
    pub(super) fn told(&self) -> Option<Arc<Told>> {
        let remembered = self.remembered.as_ref().map(|it| &it.told);
        self.told.as_ref().or(remembered).cloned()
    }

    /// `exp`, of a token that passed.
    pub(super) fn expires(&self) -> Option<u64> {
        self.claims().ok()?.expires
    }

    /// Whether it meets a requirement: issuer, time, required claims, audience; then keys and
    /// signature; then scopes, of which only a token that is believed is told.
    pub(super) fn check(
        &mut self,
        requirement: &PreparedRequirement,
        means: &mut Means<'_>,
    ) -> Result<(), Failure> {
        // A place that is not there would be a defect of ours: it must not open anything.
        let provider = means
            .providers
            .get(requirement.provider)
            .ok_or(Fault::MISSING)?;
        let audiences = requirement.audiences.as_ref();
        let audiences = audiences.or(provider.audiences.as_ref());
        // A token of another issuer says nothing about this provider.
        let of_provider = |failure: Failure| failure.of(provider.index);
        let checked = self.claims()?.check(provider, audiences, means.now);
        checked.map_err(|fault| of_provider(fault.into()))?;
        self.verify(provider, means).map_err(of_provider)?;
        if self.claims()?.grants(&requirement.scopes) {
            Ok(())
        } else {
            Err(of_provider(Failure::scope(requirement.scope.clone())))
        }
    }

    fn claims(&self) -> Result<&Claims, Fault> {
        match &self.remembered {
            Some(remembered) => Ok(&remembered.claims),
            None => Ok(&self.token()?.claims),
        }
    }

    fn token(&self) -> Result<&Token<'t>, Fault> {
        let parsed = self.token.get_or_init(|| Token::parse(self.text));
        parsed.as_ref().map_err(|fault| *fault)
    }

    fn verify(
        &mut self,
        provider: &PreparedProvider,
        means: &mut Means<'_>,
    ) -> Result<(), Failure> {
        let known = self.tried.iter().find(|(own, _)| *own == provider.index);
        if let Some((_, known)) = known {
            return known.clone();
        }
        let verified = self.verify_once(provider, means);
        self.tried.push((provider.index, verified.clone()));
        verified
    }

    fn verify_once(
        &mut self,
        provider: &PreparedProvider,
        means: &mut Means<'_>,
    ) -> Result<(), Failure> {
        let keys = means.keys.keys(provider.index);
        let keys = keys.ok_or(Fault::KEYS_UNAVAILABLE)?;
        let proof = self
            .remembered
            .as_ref()
            .and_then(|remembered| remembered.key(&provider.fingerprint));
        let known = proof.is_some_and(|key| keys.holds(key));
        means.cache.note(known);
        if known {
            return Ok(());
        }
        let token = self.token()?;
        let key =
            verify(token, &keys, &mut means.tries).map_err(|(fault, newer_may_help)| Failure {
                refetch: newer_may_help.then_some(provider.index),
                ..fault.into()
            })?;
        let told = match self.told() {
            Some(told) => told,
            None => Arc::new(token.tell(means.forwarding)?),
        };
        if let Some(digest) = self.digest {
            let provider = provider.fingerprint;
            let (proof, known) = (Proof { provider, key }, (&token.claims, &told));
            let id = &means.forwarding.id;
            means.cache.remember(digest, known, id, proof, means.now);
        }
        self.told = Some(told);
        Ok(())
    }
}

/// The id of the key that verifies the token; else the fault, and whether newer keys may help. The key
/// that the token names is tried before those without a name, of which it may be one as well.
fn verify(token: &Token<'_>, keys: &KeySet, tries: &mut usize) -> Result<[u8; 32], (Fault, bool)> {
    let kid = token.kid.as_deref();
    let is_named = |key: &VerificationKey| kid.is_some() && key.kid.as_deref() == kid;
    let fitting = || keys.candidates(kid, token.algorithm);
    let named = fitting().filter(|key| is_named(key));
    let others = fitting().filter(|key| !is_named(key));
    let mut fault = Fault::KEY_UNKNOWN;
    let mut newer_may_help = true;
    for key in named.chain(others) {
        fault = Fault::SIGNATURE;
        let Some(left) = tries.checked_sub(1) else {
            break;
        };
        *tries = left;
        if key.verify(token.algorithm, token.signed, &token.signature) {
            return Ok(key.id);
        }
        // Where the key that the token names is here, newer keys do not help; where keys were only
        // tried because one side has no `kid`, the right one may be missing.
        newer_may_help &= !is_named(key);
    }
    Err((fault, newer_may_help))
}
