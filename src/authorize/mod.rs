//! The authorization endpoint (RFC 6749 §3.1, §4.1.1): from a request in a browser to a code, or to an error.
//!
//! ```text
//! request ─► validated ─► signed in? ─► allowed? ─► code
//!               │             │             │
//!             error         login        consent        the host shows its page and comes back
//! ```
//!
//! - `request_object`: where the parameters come from, if not from the request itself
//! - [`request`]: what was asked, checked against the registration
//! - [`decide`]: what happens next, and the request that opens it all
//! - [`interaction`]: the user's answers: [`Login`], [`Approve`],
//!   [`Deny`]
//! - [`view`]: what the host's page is shown of it
//! - [`device`]: the same answers to a device that waits (RFC 8628)
//! - [`logout`]: the end of it
//! - [`browser`]: the cookies that bind it all to one browser
//! - [`response`]: how the answer travels (RFC 9207, response modes)
//! - `session_state`: what lets a client see that who is signed in has changed

pub mod browser;
pub mod decide;
pub mod device;
mod grant;
pub mod interaction;
pub mod logout;
mod open;
pub mod request;
mod request_object;
pub mod response;
mod session_state;
pub mod view;

pub use browser::{Browser, Cookie, Cookies, FormToken, HostLogin};
pub use decide::{Action, Authorize, Interact, Step};
pub use device::{DeviceAnswer, EnterUserCode};
pub use interaction::{Approve, Continue, Deny, ForgetLogin, FormAnswer, Login};
pub use logout::{
    LoggedOut, Logout, LogoutAction, LogoutFrame, LogoutHints, LogoutPage, LogoutRequest, LogoutStep,
};
pub use request::AuthorizationRequest;
pub use response::AuthorizationResponse;
pub use view::{Destination, InteractionView, View};

pub use crate::record::interaction::{InteractReason, PageHints};
