//! The authorization response: what is answered, and how it travels (RFC 6749 §4.1.2, RFC 9207).

use crate::protocol::{MatchedRedirectUri, OAuthError, ResponseMode, Secret};
use crate::record::interaction::PendingRequest;
use crate::record::{Client, Context};

/// An answer that goes to the client through the browser. It can only be made for a redirect URI that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationResponse {
    /// Where it goes.
    pub redirect_uri: MatchedRedirectUri,
    /// How it travels.
    pub mode: ResponseMode,
    /// What it says, in this order.
    pub parameters: Vec<(&'static str, Secret)>,
    /// The error it carries, for the log.
    pub error: Option<OAuthError>,
}

impl AuthorizationResponse {
    /// A code.
    #[must_use]
    pub fn code(
        uri: MatchedRedirectUri,
        mode: ResponseMode,
        code: Secret,
        state: Option<&str>,
        cx: &Context<'_>,
    ) -> Self {
        let parameters = with_state_and_issuer([("code", code)], state, cx);
        Self { redirect_uri: uri, mode, parameters, error: None }
    }

    /// An error (RFC 6749 §4.1.2.1).
    #[must_use]
    pub fn error(
        uri: MatchedRedirectUri,
        mode: ResponseMode,
        error: OAuthError,
        state: Option<&str>,
        cx: &Context<'_>,
    ) -> Self {
        let parameters = [
            ("error", Secret::new(error.code().as_str())),
            ("error_description", Secret::new(error.description())),
        ];
        Self {
            redirect_uri: uri,
            mode,
            parameters: with_state_and_issuer(parameters, state, cx),
            error: Some(error),
        }
    }

    /// An error for a request that was validated before.
    ///
    /// `None` when its redirect URI is no longer registered.
    #[must_use]
    pub fn error_for(
        request: &PendingRequest,
        client: &Client,
        error: OAuthError,
        cx: &Context<'_>,
    ) -> Option<Self> {
        let uri = still_registered(request, client)?;
        Some(Self::error(uri, request.response_mode, error, request.state.as_deref(), cx))
    }

    /// The URI to redirect to; `None` for `form_post`, which needs a page.
    #[must_use]
    pub fn location(&self) -> Option<String> {
        let pairs = self.parameters.iter().map(|(name, value)| (*name, value.expose()));
        match self.mode {
            ResponseMode::Query => Some(self.redirect_uri.with_query(pairs)),
            ResponseMode::Fragment => Some(self.redirect_uri.with_fragment(pairs)),
            ResponseMode::FormPost => None,
        }
    }
}

/// The redirect URI of a pending request, if the client still has it.
#[must_use]
pub fn still_registered(request: &PendingRequest, client: &Client) -> Option<MatchedRedirectUri> {
    client.redirect_uris.iter().find_map(|uri| uri.accept(&request.redirect_uri))
}

fn with_state_and_issuer<const N: usize>(
    first: [(&'static str, Secret); N],
    state: Option<&str>,
    cx: &Context<'_>,
) -> Vec<(&'static str, Secret)> {
    let mut parameters = Vec::with_capacity(N + 2);
    parameters.extend(first);
    parameters.extend(state.map(|state| ("state", Secret::new(state))));
    parameters.push(("iss", Secret::new(cx.settings.issuer.as_str())));
    parameters
}
