//! The `auth_req_id` of a grant that waits for its user (CIBA Core §7.3): it follows from the grant and the server's own secret,
//! so that a client can be told of it again, and only its digest is kept.

use super::{Handle, HandleKind};
use crate::jose::Purpose;
use crate::protocol::Secret;
use crate::record::{Context, GrantId};

/// The identifier of a grant, 256 bits of it unpredictable.
#[must_use]
pub fn of_grant(grant: GrantId, cx: &Context<'_>) -> Handle {
    Handle { id: grant.0, secret: cx.settings.sealer.mac(Purpose::AuthReqId, &[&grant.0.0]) }
}

/// The same as text.
#[must_use]
pub fn text_of(grant: GrantId, cx: &Context<'_>) -> Secret {
    of_grant(grant, cx).encode(HandleKind::AuthReqId)
}
