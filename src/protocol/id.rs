//! Names of clients and subjects: cheap to clone, never mistaken for one another.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps the text as it is.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// `client_id` (RFC 6749 §2.2): 1 to 255 visible ASCII characters.
    ClientId
}

name! {
    /// `sub`: the host's stable name of an end user, 1 to 255 ASCII characters, never reassigned
    /// (OpenID Connect Core §2).
    SubjectId
}

/// Whether `text` is `1*255VSCHAR`, the form of a client identifier (RFC 6749 appendix A.1).
#[must_use]
pub fn is_vschar(text: &str) -> bool {
    !text.is_empty() && text.len() <= 255 && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}
