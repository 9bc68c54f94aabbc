//! Strings that must not be seen: they print as `[redacted]` and are wiped when dropped.

use std::fmt;

use zeroize::{ZeroizeOnDrop, optimization_barrier};

/// A secret string: not serialisable, printed as `[redacted]`, wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes ownership of the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Takes ownership of the text in these bytes, which are wiped at once if they are none.
    #[must_use]
    pub fn from_utf8(bytes: Vec<u8>) -> Option<Self> {
        String::from_utf8(bytes).map(Self).map_err(|error| wipe(error.into_bytes())).ok()
    }

    /// The text itself, for hashing or for the one response that hands it out.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(std::mem::take(&mut self.0).into_bytes());
    }
}

impl ZeroizeOnDrop for Secret {}

/// Overwrites the bytes, and what is allocated beyond them, in a way that the compiler cannot take for useless.
fn wipe(mut bytes: Vec<u8>) {
    bytes.clear();
    bytes.resize(bytes.capacity(), 0);
    optimization_barrier(bytes.as_slice());
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
