//! Resource indicators (RFC 8707).
//!
//! This module judges form only: which resources exist, and who may ask for them, is the catalogue's to say.
//! It never normalises: a URI is the octets that were presented.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::uri::{Authority, Fault, Parts};

/// The identifier of a protected resource: an absolute URI without a fragment (RFC 8707 §2), 1 to 2048 bytes
/// of printable ASCII.
///
/// Compared octet by octet: `https://api.example` and `https://api.example/` are two resources.
///
/// ```
/// use grantor::protocol::resource::Resource;
///
/// let api = Resource::parse("https://api.example/app/")?;
/// assert_eq!(api.as_str(), "https://api.example/app/");
/// # Ok::<_, grantor::protocol::resource::ResourceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Resource(Arc<str>);

/// Why a value is no resource indicator. On the wire all of them are `invalid_target`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// Longer than 2048 bytes.
    #[error("the resource is longer than 2048 bytes")]
    TooLong,
    /// A character that RFC 3986 allows nowhere in a URI, or not there; or a `%` without two hexadecimal
    /// digits.
    #[error("the resource has a character that a URI may not have")]
    Character,
    /// A fragment, even an empty one.
    #[error("the resource has a fragment")]
    Fragment,
    /// Empty, relative, or a scheme and nothing else.
    #[error("the resource is not an absolute URI")]
    NotAbsolute,
    /// An `http` or `https` URI without a host, with a malformed host or port, or with user information.
    #[error("the resource has no valid host")]
    Authority,
}

impl Resource {
    /// Reads a resource indicator (RFC 8707 §2).
    ///
    /// # Errors
    ///
    /// The first rule that `uri` breaks, as a [`ResourceError`].
    pub fn parse(uri: &str) -> Result<Self, ResourceError> {
        let parts = Parts::of(uri)?;
        if matches!(parts.scheme, "http" | "https") {
            Authority::of(parts.authority.unwrap_or_default())?;
        }
        Ok(Self(uri.into()))
    }

    /// The URI as it was presented.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl TryFrom<String> for Resource {
    type Error = ResourceError;

    fn try_from(uri: String) -> Result<Self, ResourceError> {
        Self::parse(&uri)
    }
}

impl From<Fault> for ResourceError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooLong => Self::TooLong,
            Fault::Character => Self::Character,
            Fault::Fragment => Self::Fragment,
            Fault::NotAbsolute => Self::NotAbsolute,
            Fault::UserInfo | Fault::Host | Fault::Port => Self::Authority,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::uri::MAX_BYTES;

    #[test]
    fn an_absolute_uri_without_fragment_is_a_resource() {
        for uri in [
            "https://api.example",
            "https://api.example/app/?tenant=1",
            "https://API.example:8443/%7Euser",
            "http://[2001:db8::1]/",
            "urn:example:api",
            "com.example:/x",
        ] {
            assert_eq!(Resource::parse(uri).unwrap().as_str(), uri);
        }
    }

    #[test]
    fn each_broken_rule_has_its_name() {
        let long = format!("https://api.example/{}", "a".repeat(MAX_BYTES));
        for (uri, error) in [
            ("", ResourceError::NotAbsolute),
            ("api.example/app", ResourceError::NotAbsolute),
            ("//api.example/", ResourceError::NotAbsolute),
            ("/app", ResourceError::NotAbsolute),
            ("1a:b", ResourceError::NotAbsolute),
            ("https:", ResourceError::NotAbsolute),
            ("https://api.example/#", ResourceError::Fragment),
            ("https://api.example/#a", ResourceError::Fragment),
            ("https://api.example/ ", ResourceError::Character),
            ("https://api.example/\n", ResourceError::Character),
            ("https://api.example/é", ResourceError::Character),
            ("https://api.example\\x", ResourceError::Character),
            ("https://api.example/%4", ResourceError::Character),
            ("https://api.example/%zz", ResourceError::Character),
            ("https://api.example/[a]", ResourceError::Character),
            ("https:/app", ResourceError::Authority),
            ("https:///app", ResourceError::Authority),
            ("https://good@evil.example", ResourceError::Authority),
            ("https://api.example:/", ResourceError::Authority),
            ("https://[::1", ResourceError::Authority),
            ("https://[fe80::1%25eth0]/", ResourceError::Authority),
            (&long, ResourceError::TooLong),
        ] {
            assert_eq!(Resource::parse(uri), Err(error), "{uri}");
        }
    }

    #[test]
    fn resources_are_equal_only_as_strings() {
        let plain = Resource::parse("https://api.example").unwrap();
        for other in ["https://api.example/", "https://API.example", "https://api.example:443"] {
            assert_ne!(plain, Resource::parse(other).unwrap());
        }
    }

    #[test]
    fn a_resource_is_written_as_a_string_and_checked_when_read() {
        let resource = Resource::parse("https://api.example/").unwrap();
        let json = serde_json::to_string(&resource).unwrap();
        assert_eq!(json, r#""https://api.example/""#);
        assert_eq!(serde_json::from_str::<Resource>(&json).unwrap(), resource);
        assert!(serde_json::from_str::<Resource>(r#""/relative""#).is_err());
        assert!(serde_json::from_str::<Resource>(r##""https://api.example/#x""##).is_err());
    }

    proptest! {
        #[test]
        fn any_string_is_judged_without_panic(uri in any::<String>()) {
            let _ = Resource::parse(&uri);
        }

        #[test]
        fn what_is_accepted_is_kept_and_is_printable_ascii(uri in "(https?|urn|a\\.b):(//)?[ -~]{0,24}") {
            if let Ok(resource) = Resource::parse(&uri) {
                prop_assert_eq!(resource.as_str(), &uri);
                prop_assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()) && !uri.contains('#'));
            }
        }
    }
}
