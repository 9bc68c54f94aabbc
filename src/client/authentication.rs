//! Client authentication (RFC 6749 §2.3): exactly one method, and only the one the client is registered for.

use std::sync::Arc;

use super::assertion::ClientAssertion;
use super::secret::DUMMY_ARGON2;
use crate::protocol::id::is_vschar;
use crate::protocol::{ClientAuthMethod, Digest, OAuthError, Params, Reason, Secret, base64, params};
use crate::record::facts::Counter;
use crate::record::{Client, Context, Facts, Halt, Key};

/// What a client presented to say who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Who it says it is: not a name of anyone until it is found registered.
    pub client_id: String,
    /// How it proves that.
    pub proof: ClientProof,
}

/// The proof that came with a client identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientProof {
    /// None at all.
    None,
    /// A secret in the `Authorization` header.
    Basic(Secret),
    /// A secret in the body.
    Post(Secret),
    /// A JWT in the body, made with a key or a secret of the client.
    Assertion(ClientAssertion),
}

impl ClientProof {
    /// Whether this is how a client registered for `method` proves itself. Of the two kinds of assertion the
    /// registration says which one it must be.
    #[must_use]
    pub const fn is_of(&self, method: ClientAuthMethod) -> bool {
        match self {
            Self::None => matches!(method, ClientAuthMethod::None),
            Self::Basic(_) => matches!(method, ClientAuthMethod::ClientSecretBasic),
            Self::Post(_) => matches!(method, ClientAuthMethod::ClientSecretPost),
            Self::Assertion(_) => method.is_assertion(),
        }
    }
}

impl Credentials {
    /// Reads them from the `Authorization` header and the body parameters.
    ///
    /// # Errors
    /// `invalid_request` when two methods are used, the identifiers differ or the header is malformed;
    /// `invalid_client` when no client is named, or by a malformed assertion.
    pub fn read(authorization: Option<&[u8]>, params: &Params<'_>) -> Result<Self, OAuthError> {
        let body_id = params.get("client_id");
        let body_secret = params.get("client_secret");
        let assertion =
            params.get("client_assertion").is_some() || params.get("client_assertion_type").is_some();
        if assertion && (authorization.is_some() || body_secret.is_some()) {
            return Err(Reason::ClientMethodsTwo.into());
        }
        if assertion {
            let (client_id, assertion) = ClientAssertion::read(params)?;
            return Ok(Self { client_id, proof: ClientProof::Assertion(assertion) });
        }
        if let Some(header) = authorization {
            if body_secret.is_some() {
                return Err(Reason::ClientMethodsTwo.into());
            }
            let (client_id, secret) = read_basic(header)?;
            if body_id.is_some_and(|id| id != client_id) {
                return Err(Reason::ClientIdMismatch.into());
            }
            return Ok(Self { client_id, proof: ClientProof::Basic(secret) });
        }
        let client_id = body_id.filter(|id| is_vschar(id)).ok_or(Reason::ClientIdMissing)?.to_owned();
        let proof = body_secret.map_or(ClientProof::None, |secret| ClientProof::Post(Secret::new(secret)));
        Ok(Self { client_id, proof })
    }

    /// Reads ahead what a request with these credentials surely needs: the client, its standing, and the records that
    /// what the request presents names.
    ///
    /// # Errors
    /// [`Halt::Need`] while any is unknown.
    pub fn read_ahead(&self, presented: &[Option<Key>], facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        let Some(client) = facts.client(&self.client_id)? else { return Ok(()) };
        let standing = Some(cx.namespace().client_state(&client.id));
        facts.read(presented.iter().chain([&standing]))
    }

    /// The client, once it has proved itself.
    ///
    /// An unknown client and a wrong secret or signature cost the same and look the same, with one exception: a client
    /// that moves from one secret that a person may have chosen to another costs a slow hash for each. Failures are
    /// counted, and beyond their limit answered with 429. A secret that a person may have chosen can be guessed: there
    /// every try is counted before it is compared, and beyond the limit none is. What is tried under names that are no
    /// client's is counted together, so that made-up names get no fresh counters.
    ///
    /// # Errors
    /// [`Halt::Need`] while a fact is missing; `invalid_client` or `slow_down` when it did not prove itself.
    pub fn authenticate<'f>(&self, facts: &'f Facts, cx: &Context<'_>) -> Result<&'f Arc<Client>, Halt> {
        let client = facts.client(&self.client_id)?;
        let name = || client.map(|client| client.id.clone());
        let compared_slowly = client.is_some_and(|client| {
            self.proof.is_of(client.auth_method) && client.secrets.iter().any(|secret| secret.is_slow())
        });
        let count = |counter| facts.within_limit(&counter, Reason::ClientGuessesExhausted);
        let count_try = || count(Counter::SlowComparisons(name(), cx.address));
        if compared_slowly {
            count_try()?;
        }
        let failure = match client {
            None => self.in_vain(Reason::ClientUnknown, cx),
            Some(client) => match self.check(client, facts, cx)? {
                Ok(()) => return Ok(client),
                Err(error) => error,
            },
        };
        if cx.settings.slow_secrets && !compared_slowly {
            count_try()?;
            facts.slow_hash(&self.presented(), DUMMY_ARGON2)?;
        }
        count(Counter::ClientFailures(name(), cx.address))?;
        Err(failure.into())
    }

    fn check(
        &self,
        client: &Client,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Result<(), OAuthError>, Halt> {
        let method = client.auth_method;
        if !self.proof.is_of(method) || !cx.settings.dials.client_auth_methods.contains(&method) {
            return Ok(Err(self.in_vain(Reason::ClientMethodWrong, cx)));
        }
        let presented = match &self.proof {
            ClientProof::None => return Ok(Ok(())),
            ClientProof::Assertion(assertion) => return assertion.check(client, facts, cx),
            ClientProof::Basic(secret) | ClientProof::Post(secret) => secret,
        };
        let mut verdict = Err(Reason::ClientSecretWrong);
        for secret in &client.secrets {
            let expired = secret.is_expired(cx.now);
            match (secret.matches(presented, &client.id, facts, cx)?, expired) {
                (true, false) => verdict = Ok(()),
                (true, true) if verdict.is_err() => verdict = Err(Reason::ClientSecretExpired),
                _ => {}
            }
        }
        Ok(verdict.map_err(OAuthError::new))
    }

    /// The refusal of a proof with which there is nothing to compare, after the work that comparing would have been.
    fn in_vain(&self, reason: Reason, cx: &Context<'_>) -> OAuthError {
        match &self.proof {
            ClientProof::Assertion(assertion) => assertion.verify_in_vain(cx),
            _ => {
                let presented = Digest::of(self.presented().expose().as_bytes());
                std::hint::black_box(presented == Digest([0; 32]));
            }
        }
        reason.into()
    }

    fn presented(&self) -> Secret {
        match &self.proof {
            ClientProof::None | ClientProof::Assertion(_) => Secret::new(""),
            ClientProof::Basic(secret) | ClientProof::Post(secret) => secret.clone(),
        }
    }
}

/// Reads `Basic base64(form(client_id) ":" form(client_secret))` (RFC 6749 §2.3.1, RFC 7617 §2).
///
/// # Errors
/// `invalid_request` when it is anything else; `invalid_client` for another scheme.
fn read_basic(header: &[u8]) -> Result<(String, Secret), OAuthError> {
    let malformed = || OAuthError::new(Reason::BasicMalformed);
    let mut parts = header.splitn(2, |byte| *byte == b' ');
    let (scheme, mut encoded) = (parts.next().unwrap_or_default(), parts.next().ok_or_else(malformed)?);
    if !scheme.eq_ignore_ascii_case(b"Basic") {
        return Err(Reason::ClientMethodWrong.into());
    }
    while let [b' ', rest @ ..] = encoded {
        encoded = rest;
    }
    let decoded = base64::from_standard(encoded).and_then(Secret::from_utf8);
    let decoded = decoded.ok_or_else(malformed)?;
    let (id, secret) =
        params::split(decoded.expose(), decoded.expose().bytes().position(|byte| byte == b':'));
    let id = params::decode(id).map_err(|_| malformed())?;
    let secret = params::decode(secret.ok_or_else(malformed)?).map_err(|_| malformed())?;
    if !is_vschar(&id) {
        return Err(malformed());
    }
    Ok((id.into_owned(), Secret::new(secret)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    fn basic(id: &str, secret: &str) -> String {
        let form = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        format!("Basic {}", STANDARD.encode(format!("{}:{}", form(id), form(secret))))
    }

    fn reason(authorization: Option<&str>, pairs: &[(&'static str, &'static str)]) -> Reason {
        let params = Params::from_pairs(pairs.iter().copied());
        Credentials::read(authorization.map(str::as_bytes), &params).unwrap_err().reason()
    }

    proptest! {
        #[test]
        fn basic_credentials_are_form_decoded_after_base64(id in "[!-~]{1,40}", secret in "\\PC{0,40}") {
            let read = Credentials::read(Some(basic(&id, &secret).as_bytes()), &Params::default()).unwrap();
            prop_assert_eq!(read.client_id.as_str(), id);
            prop_assert_eq!(read.proof, ClientProof::Basic(Secret::new(secret)));
        }

        #[test]
        fn no_header_makes_reading_panic(header in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Credentials::read(Some(&header), &Params::default());
        }
    }

    #[test]
    fn two_methods_in_one_request_are_refused() {
        let header = basic("web", "s");
        assert_eq!(reason(Some(&header), &[("client_secret", "s")]), Reason::ClientMethodsTwo);
        assert_eq!(reason(Some(&header), &[("client_assertion", "x")]), Reason::ClientMethodsTwo);
        assert_eq!(
            reason(None, &[("client_id", "web"), ("client_secret", "s"), ("client_assertion", "x")]),
            Reason::ClientMethodsTwo
        );
    }

    #[test]
    fn identifiers_that_differ_are_refused() {
        assert_eq!(reason(Some(&basic("web", "s")), &[("client_id", "other")]), Reason::ClientIdMismatch);
    }

    #[test]
    fn a_malformed_header_is_an_invalid_request_and_another_scheme_an_invalid_client() {
        for header in ["Basic", "Basic !!!!", "Basic d2Vi", "Basic OnM=", "Basic d2ViOiVmZg=="] {
            assert_eq!(reason(Some(header), &[]), Reason::BasicMalformed, "{header}");
        }
        assert_eq!(reason(Some("Bearer abc"), &[]), Reason::ClientMethodWrong);
    }

    #[test]
    fn a_request_that_names_no_client_is_refused() {
        assert_eq!(reason(None, &[]), Reason::ClientIdMissing);
    }
}
