//! What a client calls a user: the `sub` of everything it is told (OpenID Connect Core §8).
//!
//! A public client reads the host's own name of the user. One that registered `pairwise` reads a keyed digest of its
//! sector and that name, so that clients of different sectors cannot find out that they have a user in common. The name
//! of a user never leaves in any other way: not in an ID token, not at the UserInfo or the introspection endpoint, not in
//! a JWT access token, which the client holds in its hands, and not in a logout token.

use crate::jose::Purpose;
use crate::protocol::{Digest, Reason, SubjectId};
use crate::record::{Client, Context};

/// What `client` calls `subject`: at most 255 characters of ASCII, always the same, and never the name of another.
///
/// # Errors
/// [`Reason::PairwiseUnavailable`] when the client is pairwise and the server was given no secret for it.
pub fn seen_by(client: &Client, subject: &SubjectId, cx: &Context<'_>) -> Result<SubjectId, Reason> {
    let Some(sector) = &client.openid.sector else { return Ok(subject.clone()) };
    let key = cx.settings.pairwise.as_ref().ok_or(Reason::PairwiseUnavailable)?;
    let parts = [sector.as_str().as_bytes(), subject.as_str().as_bytes()];
    Ok(SubjectId::new(Digest(key.mac(Purpose::PairwiseSubject, &parts)).to_base64url()))
}
