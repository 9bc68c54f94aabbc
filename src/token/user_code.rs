//! User codes: each follows from its grant and the server's own secret, so that none has to be kept to be shown again.

use crate::jose::Purpose;
use crate::protocol::UserCode;
use crate::record::{Context, GrantId, Id, Key};

/// The user code of a grant.
#[must_use]
pub fn of_grant(grant: GrantId, cx: &Context<'_>) -> UserCode {
    let mac = cx.settings.sealer.mac(Purpose::UserCode, &[&grant.0.0]);
    UserCode::of_number(u128::from_be_bytes(first_half(&mac)), cx.settings.device.alphabet)
}

/// Where it is kept which grant a user code is of. Without the server's secret nobody finds the code by trying all.
#[must_use]
pub fn key(code: &UserCode, cx: &Context<'_>) -> Key {
    let mac = cx.settings.sealer.mac(Purpose::UserCodeKey, &[code.expose().as_bytes()]);
    cx.namespace().user_code(Id(first_half(&mac)))
}

fn first_half(mac: &[u8; 32]) -> [u8; 16] {
    *mac.first_chunk().unwrap_or(&[0; 16])
}
