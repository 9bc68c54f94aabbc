//! Pages to read: where each rule of a specification lives, and what answers each known attack.

#[doc = include_str!("specifications.md")]
pub mod specifications {}

#[doc = include_str!("security.md")]
pub mod security {}
