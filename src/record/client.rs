//! A registered client, as decisions see it. How metadata becomes one is decided in [`crate::client`].

use std::fmt;
use std::time::Duration;

use super::assertion::ClientKeys;
use super::logout::LogoutRegistration;
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
    /// How it authenticates, at every endpoint that wants to know (`token_endpoint_auth_method`).
    pub auth_method: ClientAuthMethod,
    /// Its secrets; two may be active while it moves from one to the next.
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
    pub fn may_use(&self, grant_type: GrantType) -> bool {
        self.grant_types.contains(&grant_type)
    }
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenIdRegistration {
    /// `id_token_signed_response_alg`; `None` means the server's own choice.
    pub id_token_alg: Option<Algorithm>,
    /// `userinfo_signed_response_alg`; `None` means plain JSON.
    pub userinfo_alg: Option<Algorithm>,
    /// `default_max_age`: how old a login may be, unless the request says otherwise.
    pub default_max_age: Option<Duration>,
}

/// A client secret at rest.
#[derive(Clone)]
pub struct ClientSecret {
    /// What is kept of it.
    pub verifier: SecretVerifier,
    /// From when on it is refused (`client_secret_expires_at`, RFC 7591 §3.2.1).
    pub expires_at: Option<Timestamp>,
}

/// What is kept of a client secret.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretVerifier {
    /// The SHA-256 digest of a generated secret of at least 256 bits.
    Digest(Digest),
    /// The Argon2id hash, as a PHC string, of a secret that a person may have chosen.
    Argon2(Box<str>),
    /// The secret itself, sealed by the server's [`Sealer`](crate::jose::Sealer): a client that authenticates by
    /// `client_secret_jwt` never presents it, and its HMAC cannot be checked without it.
    Sealed(Box<[u8]>),
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
