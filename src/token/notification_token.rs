//! The `client_notification_token` of a grant that waits for its user (CIBA Core §7.1), kept sealed: it is sent to the client
//! when there is something to tell, and nobody reads it from a record.

use crate::protocol::{Reason, Secret};
use crate::record::client::SealedSecret;
use crate::record::{Context, Grant, GrantId};

/// What the label of a sealed token is.
#[cfg(feature = "aws-lc-rs")]
const LABEL: &str = "client_notification_token";

/// The token, sealed for its grant.
///
/// # Errors
/// [`Reason::Bug`] if the crypto library cannot, or there is none.
#[cfg(feature = "aws-lc-rs")]
pub fn seal(token: &Secret, grant: GrantId, cx: &Context<'_>) -> Result<SealedSecret, Reason> {
    let sealed = cx.settings.sealer.seal(LABEL, &grant.0.0, token.expose().as_bytes());
    Ok(SealedSecret(sealed.map_err(|_| Reason::Bug)?.into()))
}

/// The token, sealed for its grant.
///
/// # Errors
/// [`Reason::Bug`]: there is no crypto library.
#[cfg(not(feature = "aws-lc-rs"))]
pub fn seal(_: &Secret, _: GrantId, _: &Context<'_>) -> Result<SealedSecret, Reason> {
    Err(Reason::Bug)
}

/// The token of a grant, if its client sent one and the secret of the server is the one under which it was sealed.
#[cfg(feature = "aws-lc-rs")]
#[must_use]
pub fn of_grant(id: GrantId, grant: &Grant, cx: &Context<'_>) -> Option<Secret> {
    let sealed = grant.asked.as_ref()?.ping.as_ref()?;
    let opened = cx.settings.sealer.open(LABEL, &id.0.0, &sealed.0).ok()?;
    Secret::from_utf8(opened.to_vec())
}

/// The token of a grant: none could be sealed.
#[cfg(not(feature = "aws-lc-rs"))]
#[must_use]
pub const fn of_grant(_: GrantId, _: &Grant, _: &Context<'_>) -> Option<Secret> {
    None
}
