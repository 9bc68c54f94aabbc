//! The device authorization grant (RFC 8628): what a device is told, how it waits, and what its user is asked.
//!
//! | file | holds |
//! |---|---|
//! | `asked` | what a device asks for, and what it is told |
//! | `polled` | how a device waits, and what it gets |
//! | `entered` | what the user of a device enters, and is asked |

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod asked;
#[path = "../common/mod.rs"]
mod common;
mod entered;
mod polled;

use std::sync::Arc;
use std::time::Duration;

use common::clients::{API, JWT_API, REPORTS};
use common::devices::{self, Device, Devices as _, SCOPE};
use common::{Agent, Answer, Fixture, NOW, alice, claims, form, scope};
use grantor::authorize::{Destination, DeviceAnswer, EnterUserCode, InteractReason};
use grantor::host::{Limits, MemoryLimiter};
use grantor::protocol::{ErrorCode, GrantType, OAuthError, Reason, Secret, UserCode, UserCodeAlphabet};
use grantor::record::codec::encode;
use grantor::record::grant::{EndReason, GrantStatus};
use grantor::record::{EventKind, Key};
use grantor::server::Origin;
use grantor::store::MemoryStore;
use http::Request;
use serde_json::json;

const LIFETIME: u64 = 600;

#[track_caller]
fn refused_as<T: std::fmt::Debug>(result: Result<T, OAuthError>, reason: Reason) {
    assert_eq!(result.unwrap_err().reason(), reason);
}

/// A device of `tv`, and a server that lets devices in.
async fn waiting() -> (Fixture, Device) {
    let fixture = devices::fixture();
    let device = fixture.device("tv").await;
    (fixture, device)
}

// What a device is told
