//! Assertions as grants (RFC 7521 §4.1, RFC 7523 §2.1): another issuer says for whom a client may act.
//!
//! ```text
//! client                 issuer                         authorization server
//!   │  something of its own │                                  │
//!   ├──────────────────────►│                                  │
//!   │  assertion            │                                  │
//!   │◄──────────────────────┤                                  │
//!   │  assertion, scope?, resource?                            │
//!   ├─────────────────────────────────────────────────────────►│ client ─► issuer, trusted? ─► signature, aud, times
//!   │  access_token                                            │   ─► user, as the host knows them ─► bounds
//!   │◄─────────────────────────────────────────────────────────┤   ─► jti, once
//! ```
//!
//! Whom to trust, and with what, is the host's [`AssertionTrust`](crate::host::AssertionTrust) to say: no client can widen it.
//! There is no refresh token, since nobody tells when the assertion is no longer true; for the same reason a token lives no
//! longer than a JWT access token.
//!
//! An Identity Assertion JWT Authorization Grant is such an assertion with a type of its own. It is meant for one client, and
//! says at most which scope and which resources.

use serde_json::Value;

use super::foreign::{self, Fault, Untyped, Vouched};
use super::issue::TokenPlan;
use super::{begin, life, target};
use crate::client::Credentials;
use crate::jose::{Hints, JoseError, Unverified};
use crate::protocol::{GrantType, OAuthError, Reason, Resource, Scope, Secret, Timestamp};
use crate::record::assertion::{WindowFault, window};
use crate::record::exchange::{Exchanged, Principal};
use crate::record::facts::Claim;
use crate::record::grant::AuthenticatedSubject;
use crate::record::trust::{KnownSubject, Purpose};
use crate::record::{Client, Context, Decide, Decision, Facts, Halt};
use crate::token::id_jag;

/// The type that an assertion may have that is no Identity Assertion JWT Authorization Grant. One without a type is older than types.
const TYPES: &[&str] = &["JWT"];

/// A token request with `grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtBearerRequest {
    /// Who asks.
    pub credentials: Credentials,
    /// `assertion`.
    pub assertion: GrantAssertion,
    /// `scope`; absent means all that the client may have by this assertion.
    pub scope: Option<Scope>,
    /// `resource`, sorted.
    pub resources: Vec<Resource>,
}

/// An assertion as it was presented: nothing of it is believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantAssertion {
    /// The JWT. Until it is used, whoever has it has the grant.
    token: Secret,
    /// Its `iss`, unproven.
    issuer: String,
    /// Its `jti`, unproven.
    jti: String,
    /// What its type says that it is.
    purpose: Purpose,
}

impl GrantAssertion {
    /// Reads the text of an assertion.
    ///
    /// # Errors
    /// `invalid_grant` when it is no JWT with an `iss` and a `jti`.
    pub fn read(token: &str) -> Result<Self, OAuthError> {
        let malformed = |rule: &str| OAuthError::new(Reason::JwtGrantMalformed).detail(rule);
        let hints = Hints::of(token).map_err(|error| malformed(&error.to_string()))?;
        let parsed = Unverified::parse(token).map_err(|error| malformed(&error.to_string()))?;
        let issuer = hints.issuer.ok_or_else(|| malformed("it has no iss"))?;
        let jti = hints.token_id.filter(|jti| !jti.is_empty()).ok_or_else(|| malformed("it has no jti"))?;
        let purpose = if parsed.header().is_type(id_jag::TYPE) { Purpose::IdJag } else { Purpose::Grant };
        Ok(Self { token: Secret::new(token), issuer, jti, purpose })
    }

    fn verify<'f>(&self, facts: &'f Facts, cx: &Context<'_>) -> Result<Vouched<'f>, Halt> {
        let (types, untyped) = match self.purpose {
            Purpose::IdJag => (&[id_jag::TYPE][..], Untyped::Refused),
            _ => (TYPES, Untyped::Accepted),
        };
        let token = self.token.expose();
        let vouched = foreign::verify(token, &self.issuer, types, untyped, facts, cx)?;
        let refuse = |fault: Fault| {
            let reason = match &fault {
                Fault::Untrusted => Reason::JwtGrantUntrusted,
                Fault::Audience => Reason::JwtGrantAudience,
                Fault::Jose(JoseError::ClaimMissing(_) | JoseError::ClaimInvalid(_)) => {
                    Reason::JwtGrantMalformed
                }
                Fault::Jose(JoseError::Expired | JoseError::NotYetValid | JoseError::IssuedInTheFuture) => {
                    Reason::JwtGrantTimes
                }
                Fault::Keys(_) | Fault::Jose(_) | Fault::Bound => Reason::JwtGrantUnproven,
            };
            OAuthError::new(reason).detail(fault.to_string())
        };
        Ok(vouched.map_err(refuse)?)
    }
}

impl Decide for JwtBearerRequest {
    type Plan = TokenPlan;

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<TokenPlan>, Halt> {
        let client = life::acting_client(&self.credentials, facts, cx)?;
        if !client.may_use(&GrantType::JwtBearer) {
            return Err(Reason::GrantTypeUnregistered.into());
        }
        if client.is_public() {
            return Err(Reason::ClientMustBeConfidential.into());
        }
        let vouched = self.assertion.verify(facts, cx)?;
        let stated = Stated::read(&vouched, self.assertion.purpose, client, cx)?;
        let (subject, known) =
            vouched.subject(client, self.assertion.purpose, facts, cx)?.ok_or(Reason::JwtGrantSubject)?;
        let scope = self.scope(&stated, known, client, cx)?;
        let resources = self.resources(&stated, known)?;
        let target = target::resolve(&resources, client, facts, cx)?;
        let marker = cx.namespace().used_grant_assertion(&vouched.issuer, &self.assertion.jti);
        if facts.claim(marker, stated.presentable_until)? == Claim::Seen {
            return Err(Reason::JwtGrantReplayed.into());
        }
        let beginning = begin::Beginning {
            grant_type: GrantType::JwtBearer,
            subject: Some(AuthenticatedSubject { id: subject.id, authentication: subject.authentication }),
            scope,
            target,
            refreshable: false,
            exchange: Some(Exchanged {
                root: None,
                valid_until: cx.now.plus(cx.settings.lifetimes.jwt_access_token),
                actors: stated.actors,
                actor: None,
                may_act: stated.may_act,
            }),
        };
        begin::with_tokens(beginning, client, facts, cx)
    }
}

impl JwtBearerRequest {
    /// What is asked for, within what the client, the assertion and the host allow.
    fn scope(
        &self,
        stated: &Stated,
        known: &KnownSubject,
        client: &Client,
        cx: &Context<'_>,
    ) -> Result<Scope, Reason> {
        let mut allowed = client.scope.intersection(&cx.settings.scope);
        for most in [&stated.scope, &known.scope].into_iter().flatten() {
            allowed = allowed.intersection(most);
        }
        match &self.scope {
            None => Ok(allowed),
            Some(asked) if asked.is_subset(&allowed) => Ok(asked.clone()),
            Some(_) => Err(Reason::ScopeBeyondGrant),
        }
    }

    /// The same for resources: those that the assertion names, or else those that the host allows, unless less is asked for.
    fn resources(&self, stated: &Stated, known: &KnownSubject) -> Result<Vec<Resource>, OAuthError> {
        let stated = match (&stated.resources, &known.resources) {
            (Some(stated), Some(most)) => Some(target::within_grant(stated, most)?),
            (one, other) => one.clone().or_else(|| other.clone()),
        };
        match stated {
            Some(most) => target::within_grant(&self.resources, &most),
            None => Ok(self.resources.clone()),
        }
    }
}

/// What an assertion says of the tokens that may be had for it.
struct Stated {
    presentable_until: Timestamp,
    scope: Option<Scope>,
    resources: Option<Vec<Resource>>,
    actors: Vec<Principal>,
    may_act: Option<Principal>,
}

impl Stated {
    fn read(
        vouched: &Vouched<'_>,
        purpose: Purpose,
        client: &Client,
        cx: &Context<'_>,
    ) -> Result<Self, OAuthError> {
        let malformed =
            |error: JoseError| OAuthError::new(Reason::JwtGrantMalformed).detail(error.to_string());
        let claims = &vouched.claims;
        let presentable_until =
            window(claims, vouched.trust.longest_life, cx.now).map_err(|fault| match fault {
                WindowFault::Malformed(error) => malformed(error),
                WindowFault::Closed(error) => {
                    OAuthError::new(Reason::JwtGrantTimes).detail(error.to_string())
                }
                WindowFault::TooLong => OAuthError::new(Reason::JwtGrantTimes).detail("it lives too long"),
            })?;
        let mut resources = None;
        if purpose == Purpose::IdJag {
            // Its audience is this server alone, whatever the profile takes besides.
            if !claims.required_audience().map_err(malformed)?.is_only(cx.settings.issuer.as_str()) {
                return Err(Reason::JwtGrantAudience.into());
            }
            claims.required_date("iat").map_err(malformed)?;
            // What is granted there and not understood here must not become more (RFC 9396 §2).
            if claims.get("authorization_details").is_some() {
                return Err(malformed(JoseError::ClaimInvalid("authorization_details")));
            }
            if claims.required_string("client_id").map_err(malformed)? != client.id.as_str() {
                return Err(Reason::JwtGrantClient.into());
            }
            resources =
                id_jag_resources(vouched).ok_or_else(|| malformed(JoseError::ClaimInvalid("resource")))?;
        }
        let chain = vouched.chain().ok_or_else(|| malformed(JoseError::ClaimInvalid("act")))?;
        Ok(Self {
            presentable_until,
            scope: vouched.scope().map_err(malformed)?,
            resources,
            actors: chain.actors,
            may_act: chain.may_act,
        })
    }
}

/// The claim `resource`: one URI or an array of them; inside, `None` where there is no such claim.
fn id_jag_resources(vouched: &Vouched<'_>) -> Option<Option<Vec<Resource>>> {
    let uris = match vouched.claims.get("resource") {
        None => return Some(None),
        Some(Value::String(uri)) => vec![uri.as_str()],
        Some(_) => vouched.claims.strings("resource").ok()??,
    };
    let mut resources: Vec<Resource> =
        uris.into_iter().map(Resource::parse).collect::<Result<_, _>>().ok()?;
    resources.sort_unstable();
    resources.dedup();
    Some(Some(resources).filter(|resources| !resources.is_empty()))
}
