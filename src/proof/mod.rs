//! Proofs that whoever comes back is whoever left: PKCE.

pub mod pkce;
