//! What a client registered for the end of a session.

use crate::protocol::RedirectUri;

/// How a client takes part in logout (OpenID Connect RP-Initiated Logout §3.1, Back-Channel Logout §2.2, Front-Channel
/// Logout §2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogoutRegistration {
    /// `post_logout_redirect_uris`: where the browser may be sent after a logout that the client asked for.
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// `backchannel_logout_uri`: where a logout token is sent.
    pub backchannel: Option<LogoutUri>,
    /// `frontchannel_logout_uri`: what the browser loads in a frame.
    pub frontchannel: Option<LogoutUri>,
}

/// Where a client wants to be told of the end of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutUri {
    /// Where: `https`, or `http` on a loopback host.
    pub uri: RedirectUri,
    /// Whether it has to be told which session ended (`…_logout_session_required`).
    pub session_required: bool,
}
