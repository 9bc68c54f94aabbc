//! A name and a password that a client presents for its user (RFC 6749 §4.3).

use crate::protocol::Secret;
use crate::record::grant::AuthenticatedSubject;

/// What was presented. The name is as secret as the password: people type one into the field of the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordAttempt {
    /// `username`.
    pub username: Secret,
    /// `password`.
    pub password: Secret,
}

/// Whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordVerdict {
    /// This user's.
    Right(AuthenticatedSubject),
    /// Nobody's.
    Wrong,
}
