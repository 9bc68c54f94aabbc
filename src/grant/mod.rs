//! Grants: how they begin, live and end. One file per grant type, each with its `decide`.
//!
//! ```text
//! Pending ──approve──► Active ──────────► Ended { denied | expired | revoked | replayed | undelivered }
//!    └──deny / expire─────────────────────►┘
//! ```
//!
//! - [`authorization_code`]: a code is redeemed (RFC 6749 §4.1.3, RFC 7636)
//! - [`refresh_token`]: a refresh token is used (RFC 6749 §6, RFC 9700 §4.14)
//! - [`client_credentials`]: a client acts for itself (RFC 6749 §4.4)
//! - [`device_code`]: a device waits for its user, who decides elsewhere (RFC 8628)
//! - [`ciba`]: a client names its user, who decides elsewhere (CIBA)
//! - [`token_exchange`]: a token is given for another (RFC 8693)
//! - [`id_jag`]: a token is given for a grant at another server
//! - [`jwt_bearer`]: another issuer says for whom a client may act (RFC 7523 §2.1)
//! - [`password`]: a client sends its user's password (RFC 6749 §4.3), discouraged
//! - [`extension`]: whatever the host thinks of (RFC 6749 §4.5)
//!
//! What they share: [`begin`] makes a grant that has its tokens from the start, [`life`] says whether a grant may be used at
//! all, [`target`] for which resources, [`issue`] adds tokens to it, [`redeem`] spends what a grant waited to see redeemed,
//! [`pending`] is the wait for a user who decides elsewhere, [`push`] sends a client its tokens, [`session`] says who is told
//! when a login ends, [`resolve`] finds the grant behind a token, [`security_token`]
//! says what a token proves that is given for another, [`foreign`] what one of another issuer does.

pub mod authorization_code;
pub mod begin;
pub mod ciba;
pub mod client_credentials;
pub mod device_code;
pub mod extension;
pub mod foreign;
pub mod id_jag;
pub mod issue;
pub mod jwt_bearer;
pub mod life;
pub mod password;
pub mod pending;
pub mod push;
pub mod redeem;
pub mod refresh_token;
pub mod resolve;
pub mod security_token;
pub mod session;
pub mod target;
pub mod token_exchange;
