//! From a token to its claims: the only way there.
//!
//! Decides, in this order, whether the verifier accepts the algorithm and the type, which key the token names,
//! whether that key is for that algorithm, and whether the signature is valid; only then is the payload read. A
//! verifier always says which types it accepts, so a token made for one purpose never passes for another
//! (RFC 8725 §3.11, §3.12). Never judges claims or time.

use std::fmt;

use super::jws::same_type;
use super::{Algorithm, Claims, Header, JoseError, Unverified, VerifyingKey, VerifyingKeySet};

/// What a verifier accepts: the types and the algorithms, by name.
#[derive(Clone, Copy, Debug)]
pub struct Verification<'a, A = Algorithm> {
    typ: &'a [&'a str],
    algorithms: &'a [A],
    untyped: Untyped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Untyped {
    Refused,
    Accepted,
}

impl<'a, A: Copy + PartialEq> Verification<'a, A> {
    /// Accepts tokens whose `typ` is one of `typ` and whose `alg` is one of `algorithms`, and no token without a `typ`.
    ///
    /// Types are compared without regard to case or to the prefix `application/` (RFC 7515 §4.1.9). The two names
    /// of Ed25519 are two algorithms here: list both to accept both.
    #[must_use]
    pub const fn new(typ: &'a [&'a str], algorithms: &'a [A]) -> Self {
        Self { typ, algorithms, untyped: Untyped::Refused }
    }

    /// Also accepts tokens without a `typ`: for kinds older than typing (ID tokens, client assertions, request
    /// objects), whose issuer, audience and required claims must tell them apart.
    #[must_use]
    pub const fn or_untyped(self) -> Self {
        Self { untyped: Untyped::Accepted, ..self }
    }

    pub(super) fn check(&self, alg: A, typ: Option<&str>) -> Result<(), JoseError> {
        if !self.algorithms.contains(&alg) {
            return Err(JoseError::AlgorithmNotAccepted);
        }
        let accepted = match typ {
            Some(typ) => self.typ.iter().any(|own| same_type(own, typ)),
            None => self.untyped == Untyped::Accepted,
        };
        if accepted { Ok(()) } else { Err(JoseError::TypeNotAccepted) }
    }
}

/// Where the key of a token comes from.
#[derive(Clone, Copy, Debug)]
pub enum Keys<'k> {
    /// The caller has already chosen the key; the token's `kid` is not looked at.
    One(&'k VerifyingKey),
    /// The token's `kid` chooses among these.
    Set(&'k VerifyingKeySet),
}

impl<'k> From<&'k VerifyingKey> for Keys<'k> {
    fn from(key: &'k VerifyingKey) -> Self {
        Self::One(key)
    }
}

impl<'k> From<&'k VerifyingKeySet> for Keys<'k> {
    fn from(set: &'k VerifyingKeySet) -> Self {
        Self::Set(set)
    }
}

impl<'k> Keys<'k> {
    fn find(self, header: &Header<'_>) -> Result<&'k VerifyingKey, JoseError> {
        match self {
            Self::One(key) => Ok(key),
            Self::Set(set) => set.find(header.kid(), header.alg()),
        }
    }
}

impl Unverified<'_> {
    /// The claims, if the token is signed by one of `keys` and is what `accepted` says.
    ///
    /// Neither time nor audience is judged: see [`Claims::check_times`] and [`Claims::required_audience`].
    ///
    /// # Errors
    /// `AlgorithmNotAccepted`, `TypeNotAccepted`, `UnknownKey`, `AmbiguousKey`, `AlgorithmMismatch`, `BadSignature`;
    /// `Json` or `NotAnObject` if what was signed is no JSON object.
    pub fn verify<'k>(
        &self,
        keys: impl Into<Keys<'k>>,
        accepted: &Verification<'_>,
    ) -> Result<Verified<Claims>, JoseError> {
        accepted.check(self.header.alg(), self.header.typ())?;
        let key = keys.into().find(&self.header)?;
        key.verify(self.header.alg(), self.signing_input.as_bytes(), &self.signature)?;
        let claims = Claims::parse(&self.payload)?;
        Ok(Verified { header: self.header.clone(), value: claims })
    }
}

/// What a valid signature vouches for; made only by [`Unverified::verify`].
#[derive(Clone)]
pub struct Verified<T> {
    header: Header<'static>,
    value: T,
}

impl<T> Verified<T> {
    /// The header, now covered by the signature.
    #[must_use]
    pub const fn header(&self) -> &Header<'static> {
        &self.header
    }

    /// Gives up the mark of verification and keeps the value.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl Verified<Claims> {
    /// The claims.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Verified<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("header", &self.header).field("value", &self.value).finish()
    }
}
