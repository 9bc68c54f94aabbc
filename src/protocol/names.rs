//! Grant types, response types and response modes by their registered names.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::uri::Parts;

macro_rules! registered_names {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_meta])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// Every one this release implements.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The registered name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// The one with this registered name, compared exactly.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|own| own.as_str() == name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

macro_rules! grant_types {
    ($($(#[$meta:meta])* $variant:ident = $text:literal,)*) => {
        /// `grant_type` (RFC 6749 §4): the registered ones, and those of the host's own.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum GrantType {
            $($(#[$meta])* #[serde(rename = $text)] $variant,)*
            /// One of the host's own (RFC 6749 §4.5).
            #[serde(untagged)]
            Extension(ExtensionGrantType),
        }

        impl GrantType {
            /// Every registered one that this release implements.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Extension(name) => name.as_str(),
                }
            }
        }
    };
}

impl GrantType {
    /// The one with this name, compared exactly. An absolute URI that is no registered name may be one of the host's own.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let registered = Self::ALL.iter().find(|own| own.as_str() == name);
        registered.cloned().or_else(|| ExtensionGrantType::new(name).map(Self::Extension))
    }
}

impl fmt::Display for GrantType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a grant type of the host's own: an absolute URI that no registered grant type has for its name
/// (RFC 6749 §4.5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct ExtensionGrantType(Arc<str>);

impl ExtensionGrantType {
    /// Reads a name; `None` when it is no absolute URI, or a registered grant type's.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let registered = GrantType::ALL.iter().any(|own| own.as_str() == name);
        (!registered && Parts::of(name).is_ok()).then(|| Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for ExtensionGrantType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl TryFrom<String> for ExtensionGrantType {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name).ok_or("no grant type has this name, nor can one of the host's own")
    }
}

grant_types! {
        /// RFC 6749 §4.1.
        AuthorizationCode = "authorization_code",
        /// RFC 6749 §6.
        RefreshToken = "refresh_token",
        /// RFC 6749 §4.4.
        ClientCredentials = "client_credentials",
        /// RFC 8628 §3.4.
        DeviceCode = "urn:ietf:params:oauth:grant-type:device_code",
        /// CIBA Core §4.
        Ciba = "urn:openid:params:grant-type:ciba",
        /// RFC 6749 §4.2: only a registration names it, never a token request.
        Implicit = "implicit",
        /// RFC 6749 §4.3, discouraged (RFC 9700 §2.4); only with the feature `legacy-password`.
        Password = "password",
        /// RFC 8693 §2.1.
        TokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange",
        /// RFC 7523 §2.1.
        JwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer",
}

registered_names! {
    /// What kind of token a token is, in an exchange (RFC 8693 §3).
    TokenType {
        /// An access token of this server.
        AccessToken = "urn:ietf:params:oauth:token-type:access_token",
        /// A refresh token of this server.
        RefreshToken = "urn:ietf:params:oauth:token-type:refresh_token",
        /// An ID token of this server.
        IdToken = "urn:ietf:params:oauth:token-type:id_token",
        /// A grant at another server (Identity Assertion JWT Authorization Grant §4.3). None is given, only issued.
        IdJag = "urn:ietf:params:oauth:token-type:id-jag",
        /// A JWT, of this server or another.
        Jwt = "urn:ietf:params:oauth:token-type:jwt",
    }
}

registered_names! {
    /// `response_type` (RFC 6749 §3.1.1, OAuth 2.0 Multiple Response Types §3 to §5), its values sorted.
    ResponseType {
        /// A code (RFC 6749 §4.1).
        Code = "code",
        /// Nothing but the answer that it was allowed (OAuth 2.0 Multiple Response Types §4).
        None = "none",
        /// An ID token.
        IdToken = "id_token",
        /// A code and an ID token.
        CodeIdToken = "code id_token",
        /// An access token and an ID token.
        IdTokenToken = "id_token token",
        /// A code and an access token.
        CodeToken = "code token",
        /// A code, an access token and an ID token.
        CodeIdTokenToken = "code id_token token",
    }
}

registered_names! {
    /// `response_mode` (OAuth 2.0 Multiple Response Types §2.1, OAuth 2.0 Form Post Response Mode §2).
    ResponseMode {
        /// In the query of the redirect URI.
        Query = "query",
        /// In the fragment of the redirect URI.
        Fragment = "fragment",
        /// In a form that the browser posts to the redirect URI.
        FormPost = "form_post",
    }
}

registered_names! {
    /// `token_endpoint_auth_method` (RFC 7591 §2).
    ClientAuthMethod {
        /// A public client: no authentication.
        None = "none",
        /// HTTP Basic (RFC 6749 §2.3.1).
        ClientSecretBasic = "client_secret_basic",
        /// The secret in the form body (RFC 6749 §2.3.1).
        ClientSecretPost = "client_secret_post",
        /// A JWT with an HMAC made with the secret (OpenID Connect Core §9).
        ClientSecretJwt = "client_secret_jwt",
        /// A JWT signed with a key of the client (OpenID Connect Core §9).
        PrivateKeyJwt = "private_key_jwt",
    }
}

registered_names! {
    /// `backchannel_token_delivery_mode` (CIBA Core §5).
    DeliveryMode {
        /// The client polls the token endpoint.
        Poll = "poll",
        /// The client is told when to ask the token endpoint, and may poll it all the same.
        Ping = "ping",
        /// The client is sent its tokens, and never asks the token endpoint.
        Push = "push",
    }
}

registered_names! {
    /// `subject_type` (OpenID Connect Core §8).
    #[derive(Default)]
    SubjectType {
        /// Every client knows a user by the same name.
        #[default]
        Public = "public",
        /// Clients of different sectors know a user by different names.
        Pairwise = "pairwise",
    }
}

impl ClientAuthMethod {
    /// Whether the client proves itself with a JWT (RFC 7523).
    #[must_use]
    pub const fn is_assertion(self) -> bool {
        matches!(self, Self::ClientSecretJwt | Self::PrivateKeyJwt)
    }

    /// Whether the client has a secret that it shares with the server.
    #[must_use]
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost | Self::ClientSecretJwt)
    }
}

impl ResponseType {
    /// The one with these values, in any order (OAuth 2.0 Multiple Response Types §2).
    #[must_use]
    pub fn from_values(text: &str) -> Option<Self> {
        Self::from_name(text).or_else(|| {
            let mut values: Vec<&str> = text.split(' ').collect();
            values.sort_unstable();
            Self::from_name(&values.join(" "))
        })
    }

    /// Whether a code is among what is answered.
    #[must_use]
    pub const fn has_code(self) -> bool {
        matches!(self, Self::Code | Self::CodeIdToken | Self::CodeToken | Self::CodeIdTokenToken)
    }

    /// Whether an ID token is.
    #[must_use]
    pub const fn has_id_token(self) -> bool {
        matches!(self, Self::IdToken | Self::CodeIdToken | Self::IdTokenToken | Self::CodeIdTokenToken)
    }

    /// Whether an access token is: it travels through the browser, which the feature `legacy-implicit` allows.
    #[must_use]
    pub const fn has_token(self) -> bool {
        matches!(self, Self::IdTokenToken | Self::CodeToken | Self::CodeIdTokenToken)
    }

    /// How it is answered unless the request says otherwise: in the fragment where a token is, which never reaches a
    /// server (OAuth 2.0 Multiple Response Types §3, §5).
    #[must_use]
    pub const fn default_mode(self) -> ResponseMode {
        if self.has_token() || self.has_id_token() { ResponseMode::Fragment } else { ResponseMode::Query }
    }
}
