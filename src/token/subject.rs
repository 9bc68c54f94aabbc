//! What a client calls a user and a session: the `sub` and the `sid` of everything it is told (OpenID Connect Core §8).
//!
//! A public client reads the host's own name of the user. One that registered `pairwise` reads a keyed digest of its
//! sector and that name, so that clients of different sectors cannot find out that they have a user in common. The name
//! of a user never leaves in any other way: not in an ID token, not at the UserInfo or the introspection endpoint, not in
//! a JWT access token, which the client holds in its hands, and not in a logout token. The same holds for the session:
//! otherwise two clients could compare theirs.

use crate::jose::Purpose;
use crate::protocol::{Digest, Reason, SubjectId};
use crate::record::{Client, Context, SessionId};

/// What `client` calls `subject`: at most 255 characters of ASCII, always the same, and never the name of another.
///
/// # Errors
/// [`Reason::PairwiseUnavailable`] when the client is pairwise and the server was given no secret for it.
pub fn seen_by(client: &Client, subject: &SubjectId, cx: &Context<'_>) -> Result<SubjectId, Reason> {
    let own = in_sector(client, Purpose::PairwiseSubject, subject.as_str().as_bytes(), cx)?;
    Ok(own.map_or_else(|| subject.clone(), SubjectId::new))
}

/// What `client` calls `session`, so that it can tell which one ended.
///
/// # Errors
/// As [`seen_by`].
pub fn session_seen_by(client: &Client, session: SessionId, cx: &Context<'_>) -> Result<String, Reason> {
    let own = in_sector(client, Purpose::PairwiseSession, &session.0.0, cx)?;
    Ok(own.unwrap_or_else(|| session.to_string()))
}

/// The name that something has in the sector of a client; `None` for one that is not pairwise.
fn in_sector(
    client: &Client,
    purpose: Purpose,
    name: &[u8],
    cx: &Context<'_>,
) -> Result<Option<String>, Reason> {
    let Some(sector) = &client.openid.sector else { return Ok(None) };
    let key = cx.settings.pairwise.as_ref().ok_or(Reason::PairwiseUnavailable)?;
    Ok(Some(Digest(key.mac(purpose, &[sector.as_str().as_bytes(), name])).to_base64url()))
}
