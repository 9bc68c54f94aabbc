//! Grant types, response types and response modes by their registered names.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! registered_names {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)*
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

registered_names! {
    /// `grant_type` (RFC 6749 §4).
    GrantType {
        /// RFC 6749 §4.1.
        AuthorizationCode = "authorization_code",
        /// RFC 6749 §6.
        RefreshToken = "refresh_token",
        /// RFC 6749 §4.4.
        ClientCredentials = "client_credentials",
    }
}

registered_names! {
    /// `response_type` (RFC 6749 §3.1.1).
    ResponseType {
        /// RFC 6749 §4.1.
        Code = "code",
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
