//! Keys and signatures.

pub mod sealer;

pub use sealer::{Purpose, Sealer};


/// A placeholder until the module lands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// stub
    Es256,
}
/// A placeholder until the module lands.
#[derive(Clone, Debug)]
pub struct JwkSet;
