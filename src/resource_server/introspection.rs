//! Access tokens that only the authorization server can read: asked of it each time (RFC 7662).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::access_token::{AccessToken, Expected, LEEWAY, TokenFault, TokenVerifier, VerifyError};
use crate::host::{Clock, Fetch, FetchRequest, FetchResponse};
use crate::jose::{Claims, json};
use crate::protocol::{ClientId, Digest, Resource, Secret, Timestamp};

/// The longest answer that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// The most answers that are remembered.
const MAX_REMEMBERED: usize = 10_000;

/// Asks the authorization server about every token, as a client that answers for this API.
///
/// An active token must name this API in `aud`, and say `exp`, `sub` and `client_id`; `iss`, if it is said, must be the
/// issuer. What is refused is never remembered; what is accepted only if [`remember_for`](Self::remember_for) says so.
pub struct IntrospectionVerifier {
    fetch: Arc<dyn Fetch>,
    endpoint: Url,
    credentials: Zeroizing<String>,
    expected: Expected,
    clock: Arc<dyn Clock>,
    remember_for: Duration,
    remembered: Mutex<Remembered>,
}

/// Answers, each until it is asked anew, and when those that had ended were last dropped.
#[derive(Default)]
struct Remembered {
    tokens: HashMap<[u8; 32], (AccessToken, Timestamp)>,
    swept_at: Timestamp,
}

/// Whom an API asks about its tokens, as which client, and which tokens are good for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntrospectionSettings {
    /// The `introspection_endpoint` of the authorization server (RFC 8414 §2).
    pub endpoint: Url,
    /// The client that answers for this API there.
    pub client_id: ClientId,
    /// Its secret, for `client_secret_basic`.
    pub client_secret: Secret,
    /// What `iss` must be, exactly, where the answer says it.
    pub issuer: String,
    /// This API, which `aud` must name.
    pub audience: Resource,
}

impl IntrospectionVerifier {
    /// Asks through `fetch`, and judges expiry by `clock`.
    pub fn new(fetch: Arc<dyn Fetch>, settings: IntrospectionSettings, clock: Arc<dyn Clock>) -> Self {
        let IntrospectionSettings { endpoint, client_id, client_secret, issuer, audience } = settings;
        Self {
            fetch,
            endpoint,
            credentials: basic(&client_id, &client_secret),
            expected: Expected { issuer, audience: audience.as_str().to_owned(), leeway: LEEWAY },
            clock,
            remember_for: Duration::ZERO,
            remembered: Mutex::default(),
        }
    }

    /// Remembers a good token for so long, and never past its expiry. A revoked token is accepted so much longer;
    /// zero, the default, asks each time.
    #[must_use]
    pub const fn remember_for(mut self, time: Duration) -> Self {
        self.remember_for = time;
        self
    }

    async fn ask(&self, token: &str) -> Result<AccessToken, VerifyError> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("token_type_hint", "access_token")
            .finish();
        let mut request = FetchRequest::post_form(self.endpoint.clone(), form, MAX_BYTES);
        request.headers.push(("authorization", self.credentials.to_string()));
        let response = self.fetch.fetch(request).await;
        let response = response.map_err(|error| VerifyError::Unavailable(error.to_string()))?;
        self.read(&response)
    }

    fn read(&self, response: &FetchResponse) -> Result<AccessToken, VerifyError> {
        if response.status != 200 {
            return Err(VerifyError::Unavailable(format!("introspection answered {}", response.status)));
        }
        let not_json = || VerifyError::Unavailable("the introspection response is malformed".into());
        if !response.is_json() {
            return Err(not_json());
        }
        let Ok(Value::Object(members)) = json::parse(&response.body) else { return Err(not_json()) };
        let answer = Claims::from_members(members);
        match answer.boolean("active") {
            Ok(Some(true)) => {}
            Ok(Some(false)) => return Err(TokenFault::Inactive.into()),
            Ok(None) | Err(_) => return Err(not_json()),
        }
        let bearer = answer.string("token_type").map_err(TokenFault::from)?;
        if bearer.is_some_and(|kind| !kind.eq_ignore_ascii_case("Bearer")) {
            return Err(TokenFault::SenderConstrained.into());
        }
        Ok(self.expected.read(&answer, self.clock.now())?)
    }

    fn recall(&self, digest: &Digest) -> Option<AccessToken> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let (token, until) = remembered.tokens.get(&digest.0)?;
        let now = self.clock.now();
        // A clock that has gone back makes nothing live longer than it was meant to.
        let in_time = !until.is_past(now) && until.seconds_from(now) <= self.remember_for.as_secs();
        in_time.then(|| token.clone())
    }

    fn remember(&self, digest: &Digest, token: &AccessToken) {
        let now = self.clock.now();
        let until = now.plus(self.remember_for).min(token.expires_at);
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.tokens.len() >= MAX_REMEMBERED && remembered.swept_at != now {
            remembered.swept_at = now;
            remembered.tokens.retain(|_, (_, until)| !until.is_past(now));
        }
        if remembered.tokens.len() < MAX_REMEMBERED && !until.is_past(now) {
            remembered.tokens.insert(digest.0, (token.clone(), until));
        }
    }
}

#[async_trait]
impl TokenVerifier for IntrospectionVerifier {
    async fn verify(&self, token: &str) -> Result<AccessToken, VerifyError> {
        if self.remember_for.is_zero() {
            return self.ask(token).await;
        }
        let digest = Digest::of(token.as_bytes());
        if let Some(known) = self.recall(&digest) {
            return Ok(known);
        }
        let accepted = self.ask(token).await?;
        self.remember(&digest, &accepted);
        Ok(accepted)
    }
}

/// `Basic base64(form(client_id) ":" form(client_secret))` (RFC 6749 §2.3.1).
fn basic(client_id: &ClientId, secret: &Secret) -> Zeroizing<String> {
    let mut pair = Zeroizing::new(String::new());
    pair.extend(form_urlencoded::byte_serialize(client_id.as_str().as_bytes()));
    pair.push(':');
    pair.extend(form_urlencoded::byte_serialize(secret.expose().as_bytes()));
    Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
}

impl fmt::Debug for IntrospectionVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionVerifier")
            .field("endpoint", &self.endpoint.as_str())
            .field("expected", &self.expected)
            .field("remember_for", &self.remember_for)
            .finish_non_exhaustive()
    }
}
