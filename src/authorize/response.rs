//! The authorization response: what is answered, and how it travels (RFC 6749 §4.1.2, RFC 9207).

use std::time::Duration;

use crate::grant::issue::{AccessTokenPlan, IdTokenPlan};
use crate::protocol::{MatchedRedirectUri, OAuthError, ResponseMode, Scope, Secret};
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
    /// Tokens that are signed, and added to what it says, before it is sent.
    pub to_sign: Option<Box<FrontTokens>>,
    /// The error it carries, for the log.
    pub error: Option<OAuthError>,
}

/// The tokens of an authorization response (OpenID Connect Core §3.2.2.5, §3.3.2.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrontTokens {
    /// The access token, how long it is valid, and what it allows.
    pub access_token: Option<(AccessTokenPlan, Duration, Scope)>,
    /// The ID token.
    pub id_token: Option<Box<IdTokenPlan>>,
}

impl AuthorizationResponse {
    /// An answer that says nothing yet.
    pub(super) const fn new(uri: MatchedRedirectUri, mode: ResponseMode) -> Self {
        Self { redirect_uri: uri, mode, parameters: Vec::new(), to_sign: None, error: None }
    }

    /// Adds what every answer ends with: `state` and `iss` (RFC 9207 §2).
    pub(super) fn close(&mut self, state: Option<&str>, cx: &Context<'_>) {
        self.parameters.extend(state.map(|state| ("state", Secret::new(state))));
        self.parameters.push(("iss", Secret::new(cx.settings.issuer.as_str())));
    }

    /// What it says under a name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| *own == name).map(|(_, value)| value.expose())
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
        let mut response = Self::new(uri, mode);
        response.parameters = vec![
            ("error", Secret::new(error.code().as_str())),
            ("error_description", Secret::new(error.description())),
        ];
        response.close(state, cx);
        response.error = Some(error);
        response
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
