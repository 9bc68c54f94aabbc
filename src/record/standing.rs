//! Whether a subject or a client may act at all.

use serde::{Deserialize, Serialize};

/// The standing of a subject or of a client. Absent means [`Standing::default`]: never touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// Whether it is switched off.
    pub disabled: bool,
    /// Moves by one whenever everything issued so far must die; whatever remembers an older number is dead.
    pub epoch: u64,
}

impl Standing {
    /// Whether what was issued at this epoch has not been taken back.
    #[must_use]
    pub const fn upholds(self, epoch: u64) -> bool {
        !self.disabled && self.epoch == epoch
    }

    /// Switched off; everything issued so far stays dead when it is switched on again.
    #[must_use]
    pub const fn disable(self) -> Self {
        Self { disabled: true, epoch: self.epoch.saturating_add(1) }
    }

    /// Switched on.
    #[must_use]
    pub const fn enable(self) -> Self {
        Self { disabled: false, epoch: self.epoch }
    }

    /// Everything issued so far is dead.
    #[must_use]
    pub const fn revoke_all(self) -> Self {
        Self { disabled: self.disabled, epoch: self.epoch.saturating_add(1) }
    }
}
