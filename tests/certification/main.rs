//! What the modules of the OpenID Foundation's certification plans demand of a provider, one test a module, under the
//! profile `oidc_compat`. The names are those of the modules, without their prefix.
//!
//! | file | plans |
//! |---|---|
//! | `flows` | basic, implicit, hybrid, and the three form post plans |
//! | `config` | config |
//! | `dynamic` | dynamic, and third-party-initiated login |
//! | `logout` | RP-initiated logout, back-channel logout, front-channel logout, session management |
//! | `request_objects` | what these and the dynamic plan ask of request objects |
//! | `suite` | what the suite checks of every answer |

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

#[path = "../common/mod.rs"]
mod common;
mod config;
mod dynamic;
mod flows;
mod logout;
mod request_objects;
mod suite;
