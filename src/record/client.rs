//! A registered client, as decisions see it. How metadata becomes one is decided in [`crate::client`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use url::Url;

use super::assertion::{AssertionAlgorithm, ClientKeys};
use super::backchannel::BackchannelRegistration;
use super::encryption::ResponseEncryption;
use super::logout::LogoutRegistration;
use super::request_object::RequestObjectRegistration;
use crate::jose::Algorithm;
use crate::protocol::{
    ClientAuthMethod, ClientId, Digest, GrantType, RedirectUri, Resource, ResponseType, Scope, Timestamp,
};

/// A client and what it may do (RFC 7591 §2).
#[derive(Clone, Debug)]
pub struct Client {
    /// Its name on the wire.
    pub id: ClientId,
    /// Its name for people (`client_name`).
    pub name: Option<String>,
    /// What else it tells people about itself.
    pub about: ClientDescription,
    /// How it authenticates, at every endpoint that wants to know (`token_endpoint_auth_method`).
    pub auth_method: ClientAuthMethod,
    /// Its secrets; two may be active while it moves from one to the next, which is the last of those that last longest.
    pub secrets: Vec<ClientSecret>,
    /// Its keys, and what it signs with.
    pub keys: ClientKeys,
    /// Where answers may be sent.
    pub redirect_uris: Vec<RedirectUri>,
    /// The grant types it may use.
    pub grant_types: Vec<GrantType>,
    /// The response types it may use.
    pub response_types: Vec<ResponseType>,
    /// The scope values it may ask for.
    pub scope: Scope,
    /// Whether its users are asked for consent.
    pub consent: ConsentPolicy,
    /// Whether it registered itself, so that nobody vouches for it.
    pub self_registered: bool,
    /// The resources it answers for: it may introspect tokens whose audience is one of them. The issuer itself is
    /// the audience of tokens that name no resource.
    pub resource_server_of: Vec<Resource>,
    /// Its own lifetimes where they differ from the server's.
    pub lifetimes: ClientLifetimes,
    /// What it registered as a relying party.
    pub openid: OpenIdRegistration,
    /// What it registered about request objects.
    pub request_objects: RequestObjectRegistration,
    /// What it registered about backchannel authentication.
    pub backchannel: BackchannelRegistration,
    /// What it registered for the end of a session.
    pub logout: LogoutRegistration,
}

impl Client {
    /// Whether it has no means to authenticate (RFC 6749 §2.1).
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.auth_method == ClientAuthMethod::None
    }

    /// Whether it may use a grant type.
    #[must_use]
    pub fn may_use(&self, grant_type: &GrantType) -> bool {
        self.grant_types.contains(grant_type)
    }
}

/// What a client tells people about itself (RFC 7591 §2). Of one that registered itself nothing is verified but the form:
/// pages show it as text and never as markup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientDescription {
    /// `client_uri`: a page about it.
    pub client_uri: Option<Url>,
    /// `logo_uri`: an image.
    pub logo_uri: Option<Url>,
    /// `policy_uri`: what it does with personal data.
    pub policy_uri: Option<Url>,
    /// `tos_uri`: its terms of service.
    pub tos_uri: Option<Url>,
    /// `contacts`: how to reach who is responsible for it.
    pub contacts: Vec<String>,
    /// Any of these and its name in other languages, by member and language: `client_name#de` (RFC 7591 §2.2).
    pub localized: BTreeMap<String, String>,
}

/// Whether users are asked before a client acts for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsentPolicy {
    /// They are.
    #[default]
    Ask,
    /// The client belongs to the operator: they are not.
    FirstParty,
}

/// Lifetimes of one client where they differ; `None` means the server's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientLifetimes {
    /// Of its access tokens, which never live longer than their resource or the server lets them.
    pub access_token: Option<Duration>,
    /// Of its refresh tokens between two uses.
    pub refresh_token_idle: Option<Duration>,
    /// Of its refresh tokens from the first to the last.
    pub refresh_token: Option<Duration>,
}

/// What a client registered as a relying party (OpenID Connect Dynamic Client Registration §2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenIdRegistration {
    /// `id_token_signed_response_alg`; `None` means the server's own choice.
    pub id_token_alg: Option<AssertionAlgorithm>,
    /// `userinfo_signed_response_alg`; `None` means plain JSON.
    pub userinfo_alg: Option<Algorithm>,
    /// `id_token_encrypted_response_alg` and `_enc`: how ID tokens and logout tokens are encrypted; `None` means not.
    pub id_token_encryption: Option<ResponseEncryption>,
    /// `userinfo_encrypted_response_alg` and `_enc`; `None` means not.
    pub userinfo_encryption: Option<ResponseEncryption>,
    /// `default_max_age`: how old a login may be, unless the request says otherwise.
    pub default_max_age: Option<Duration>,
    /// `default_acr_values`: how its users should sign in, by preference, unless the request says otherwise.
    pub default_acr_values: Option<Arc<str>>,
    /// `initiate_login_uri`: where a login can be begun by someone else (OpenID Connect Core §4).
    pub initiate_login_uri: Option<Url>,
    /// The sector of a client that registered `subject_type` `pairwise`; `None` of a public one.
    pub sector: Option<Sector>,
}

/// Clients that call a user by the same name: a host (OpenID Connect Core §8.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sector(Arc<str>);

impl Sector {
    /// The sector of this host, in lower case.
    #[must_use]
    pub fn new(host: &str) -> Self {
        Self(host.to_ascii_lowercase().into())
    }

    /// The host.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A client secret at rest.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSecret {
    /// What is kept of it.
    pub verifier: SecretVerifier,
    /// From when on it is refused (`client_secret_expires_at`, RFC 7591 §3.2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl ClientSecret {
    /// Whether it is refused by now.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at.is_past(now))
    }
}

/// What is kept of a client secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretVerifier {
    /// The SHA-256 digest of a generated secret of at least 256 bits.
    Digest(Digest),
    /// The Argon2id hash, as a PHC string, of a secret that a person may have chosen.
    Argon2(Box<str>),
    /// The secret itself, sealed by the server's [`Sealer`](crate::jose::Sealer): where it is the key of an HMAC, or keys
    /// are derived from it, a digest is not enough.
    Sealed(SealedSecret),
}

/// A sealed value; base64url in a record.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SealedSecret(pub Box<[u8]>);

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[sealed]")
    }
}

impl From<SealedSecret> for String {
    fn from(sealed: SealedSecret) -> Self {
        URL_SAFE_NO_PAD.encode(sealed.0)
    }
}

impl TryFrom<String> for SealedSecret {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Ok(Self(URL_SAFE_NO_PAD.decode(text)?.into()))
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.verifier {
            SecretVerifier::Digest(_) => "sha-256",
            SecretVerifier::Argon2(_) => "argon2id",
            SecretVerifier::Sealed(_) => "sealed",
        };
        f.debug_struct("ClientSecret").field("kind", &kind).field("expires_at", &self.expires_at).finish()
    }
}
