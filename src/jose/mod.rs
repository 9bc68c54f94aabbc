//! Keys and signatures.

/// stub
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// stub
    Es256,
}
/// stub
#[derive(Clone, Debug)]
pub struct JwkSet;
