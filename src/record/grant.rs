//! The grant: "this client may act for this subject, or for itself, within these scopes and resources".
//!
//! Everything the server must remember about it lives in this one record, whatever the grant type; how it moves
//! from state to state is decided in [`crate::grant`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::backchannel::AskedUser;
use super::claims_request::ClaimsRequest;
use super::exchange::Exchanged;
use super::interaction::SignedIn;
use super::key::SessionId;
use crate::protocol::scope::{OFFLINE_ACCESS, OPENID};
use crate::protocol::{ClientId, Digest, GrantType, Resource, Scope, SubjectId, Timestamp};

/// One grant and its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Where it is in its life.
    pub status: GrantStatus,
    /// The grant type it began with.
    pub grant_type: GrantType,
    /// When it began.
    pub created_at: Timestamp,
    /// Who may act.
    pub client: ClientId,
    /// The client's epoch when the grant began; the grant is dead once the client's epoch has moved.
    pub client_epoch: u64,
    /// For whom; `None` where the client acts for itself.
    pub subject: Option<GrantSubject>,
    /// The session it began in, where OpenID Connect asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Whether it outlives that session (`offline_access`, OpenID Connect Core §11).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub offline: bool,
    /// The user whom it waits for, where the client named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Box<AskedUser>>,
    /// The scope the user or the policy granted.
    pub scope: Scope,
    /// The resources it may be used at; empty means the issuer itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Resource>,
    /// The single-use artefact it waits to see redeemed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redeemable: Option<Box<Redeemable>>,
    /// The refresh token, if one was issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Box<RefreshState>>,
    /// The live opaque access tokens, oldest first.
    #[serde(default, skip_serializing_if = "SmallVec::is_empty")]
    pub access: SmallVec<[AccessToken; 1]>,
    /// The claims that were asked for one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Box<ClaimsRequest>>,
    /// The account of access tokens that live outside the record, as JWTs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwts: Option<Box<JwtLedger>>,
    /// What it owes to the token it was exchanged for (RFC 8693).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Box<Exchanged>>,
}

impl Grant {
    /// An active grant of this scope, and of nothing else yet.
    #[must_use]
    pub fn begun(
        grant_type: GrantType,
        client: ClientId,
        client_epoch: u64,
        scope: Scope,
        now: Timestamp,
    ) -> Self {
        Self {
            status: GrantStatus::Active,
            grant_type,
            created_at: now,
            client,
            client_epoch,
            subject: None,
            session: None,
            offline: false,
            asked: None,
            scope,
            resources: Vec::new(),
            redeemable: None,
            refresh: None,
            access: SmallVec::new(),
            claims: None,
            jwts: None,
            exchange: None,
        }
    }

    /// The same once a user who has signed in has allowed this scope (OpenID Connect Core §11): usable from now on.
    #[must_use]
    pub fn allowed_by(self, login: &SignedIn, scope: &Scope) -> Self {
        Self {
            status: GrantStatus::Active,
            subject: Some(GrantSubject {
                id: login.subject.clone(),
                epoch: login.subject_epoch,
                authentication: login.authentication.clone(),
            }),
            session: login.session.filter(|_| scope.contains(OPENID)),
            offline: scope.contains(OFFLINE_ACCESS),
            scope: scope.clone(),
            ..self
        }
    }
}

/// The subject of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantSubject {
    /// Who.
    pub id: SubjectId,
    /// The subject's epoch when the grant began; the grant is dead once the subject's epoch has moved.
    pub epoch: u64,
    /// How and when the user signed in.
    pub authentication: Authentication,
}

/// A user who has proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticatedSubject {
    /// Who.
    pub id: SubjectId,
    /// How and when.
    pub authentication: Authentication,
}

/// How and when a user signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authentication {
    /// When (`auth_time`, OpenID Connect Core §2).
    pub auth_time: Timestamp,
    /// Authentication context class reference (`acr`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<Arc<str>>,
    /// Authentication methods (`amr`, RFC 8176).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<Arc<str>>,
}

/// Where a grant is in its life. `Ended` is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantStatus {
    /// Waits for a user's decision on another device.
    Pending,
    /// May be used.
    Active,
    /// May never be used again.
    Ended(EndReason),
}

/// Why a grant ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndReason {
    /// The user said no.
    Denied,
    /// Nobody decided in time.
    Expired,
    /// The client, the user or an operator revoked it.
    Revoked,
    /// A spent code or a retired refresh token came back.
    Replayed,
    /// Its client could not be sent its tokens, and nobody else has them.
    Undelivered,
}

/// A single-use artefact: an authorization code or a device code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redeemable {
    /// Digest of it.
    pub digest: Digest,
    /// Until when it can be redeemed.
    pub valid_until: Timestamp,
    /// Whether it has been redeemed. It stays here, spent, for as long as a replay could do harm.
    pub spent: bool,
    /// The redirect URI it was sent to; `None` where no browser carried it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<Arc<str>>,
    /// Whether the authorization request named the redirect URI, so that the token request must too
    /// (RFC 6749 §4.1.3).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redirect_uri_named: bool,
    /// The S256 code challenge: the digest of the code verifier (RFC 7636 §4.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_challenge: Option<Digest>,
    /// `nonce`, echoed in the ID token (OpenID Connect Core §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Arc<str>>,
}

/// The one live refresh token of a grant, and what is needed to recognise those it replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshState {
    /// Counts rotations; the live token carries this number.
    pub generation: u32,
    /// Digest of the live token.
    pub digest: Digest,
    /// Keys the tags that prove a token of an older generation was once issued.
    pub tag_key: TagKey,
    /// Until when the live token is valid if it is not used.
    pub idle_until: Timestamp,
    /// Until when any token of the family is valid; rotation never extends it.
    pub valid_until: Timestamp,
    /// The rotation that made the live token, while a lost response may still be asked for again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
}

/// Lets a client that lost the response to a rotation ask for it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// With the retired token and the server's key, this derives the live token again.
    pub nonce: Nonce,
    /// When the rotation happened.
    pub rotated_at: Timestamp,
    /// How often the retired token was presented again.
    pub uses: u8,
}

/// A live opaque access token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessToken {
    /// Digest of the token.
    pub digest: Digest,
    /// What it allows.
    pub scope: Scope,
    /// Where it may be used; empty means the issuer itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<Resource>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Until when it is valid.
    pub valid_until: Timestamp,
}

/// The account of a grant's JWT access tokens, which carry their issue number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtLedger {
    /// The number the next token gets.
    pub next: u32,
    /// Tokens numbered below this are revoked.
    #[serde(default)]
    pub floor: u32,
    /// Single tokens that are revoked, at or above the floor.
    #[serde(default)]
    pub revoked: Vec<u32>,
    /// When the last of them expires.
    pub valid_until: Timestamp,
}

/// Sixteen random bytes that key the tags of a family of refresh tokens.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TagKey(pub super::key::Id);

impl std::fmt::Debug for TagKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Sixteen random bytes that make one rotation unlike any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nonce(pub super::key::Id);
