//! Pages to read: which flow to choose, where records are kept and how to write a store, where each rule of a specification lives,
//! what answers each known attack, what holds when something fails, and what certification demands.

#[doc = include_str!("choose.md")]
pub mod choose {}

#[doc = include_str!("stores.md")]
pub mod stores {}

#[doc = include_str!("specifications.md")]
pub mod specifications {}

#[doc = include_str!("security.md")]
pub mod security {}

#[doc = include_str!("faults.md")]
pub mod faults {}

#[doc = include_str!("certification.md")]
pub mod certification {}
