//! The logout endpoint: reading its requests, and the pages it answers with.

use bytes::Bytes;
use http::{Method, Request, Response, header};

use super::pages::{escape, hidden_field};
use super::{Endpoint, HttpServer, cross_site, form, reply};
use crate::authorize::{LoggedOut, Logout, LogoutAction, LogoutPage, LogoutRequest, LogoutStep};
use crate::protocol::{OAuthError, Reason, Secret};

/// The script of the page after a logout: it follows the link with the id `continue` once every frame has loaded, or after
/// three seconds.
pub const LOGGED_OUT_SCRIPT: &str = "const go=()=>location.replace(document.getElementById('continue').href);\
                                     addEventListener('load',go);setTimeout(go,3000)";
/// The source expression for [`LOGGED_OUT_SCRIPT`].
pub const LOGGED_OUT_SCRIPT_HASH: &str = "'sha256-P781CEAf19d/2nqIRpePgCbGko+Gv1rMb9z8SHJ5NCY='";

impl HttpServer {
    pub(super) async fn logout(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let mut logout = match self.read_logout(request) {
            Ok(logout) => logout,
            Err(error) if error.reason() == Reason::MethodNotAllowed => {
                return reply::error(&error, Endpoint::Logout);
            }
            Err(error) => return self.error_page(&self.refused(error)),
        };
        if logout.csrf.is_none() && cross_site::kept_cookies_back(request, &logout.browser) {
            return cross_site::post_again(request);
        }
        let step = match self.recognise(&mut logout.browser, request.headers()).await {
            Ok(()) => self.server.logout(&logout).await,
            Err(error) => Err(self.refused(error)),
        };
        let ended = match (&step, &self.host_sessions) {
            (Ok(LogoutStep { action: LogoutAction::LoggedOut(_), .. }), Some(sessions)) => {
                sessions.end(request.headers()).await
            }
            _ => Ok(Vec::new()),
        };
        match ended {
            Ok(cookies) => {
                let mut response = self.logout_step(step, request.method());
                for cookie in cookies {
                    response.headers_mut().append(header::SET_COOKIE, cookie);
                }
                response
            }
            Err(error) => self.error_page(&self.refused(error)),
        }
    }

    fn read_logout(&self, request: &Request<Bytes>) -> Result<Logout, OAuthError> {
        let posted = *request.method() == Method::POST;
        let params = form::query_or_body(request)?;
        Ok(Logout {
            request: LogoutRequest::read(&params)?,
            browser: self.browser(request.headers()),
            csrf: params.get("csrf").filter(|_| posted).map(Secret::new),
        })
    }

    /// Turns the outcome of a logout request into HTTP: the page that asks, a redirect, the page that says that it is done,
    /// or an error page. `method` is that of the request which is answered.
    #[must_use]
    pub fn logout_step(&self, step: Result<LogoutStep, OAuthError>, method: &Method) -> Response<Bytes> {
        let LogoutStep { action, cookies } = match step {
            Ok(step) => step,
            Err(error) => return self.error_page(&error),
        };
        let mut response = match &action {
            LogoutAction::Confirm(page) => {
                let onward = page.redirect_uri.as_ref().map(|uri| uri.origin());
                let html = self.pages.logout(page);
                let mut response = Response::new(html.into());
                response.headers_mut().extend(reply::page_headers(None, onward.as_deref()));
                response
            }
            LogoutAction::LoggedOut(done) => match &done.location {
                Some(location) if done.goes_on && done.frames.is_empty() => reply::redirect(location, method),
                _ => reply::logged_out(self.pages.logged_out(done), done),
            },
        };
        self.set_cookies(&mut response, &cookies);
        response
    }
}

impl LogoutPage {
    /// The hidden fields of the page's form, as HTML.
    #[must_use]
    pub fn hidden_fields(&self) -> String {
        self.fields.iter().map(|(name, value)| hidden_field(name, value.expose())).collect()
    }
}

/// The plain page that asks.
pub(super) fn ask(page: &LogoutPage) -> String {
    let client = page.client.as_ref().map(|client| client.name.as_deref().unwrap_or(client.id.as_str()));
    let who = client.map(|name| format!("<p>{} asks to sign you out.</p>", escape(name))).unwrap_or_default();
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Sign out</title>\
         <main><h1>Sign out?</h1>{who}<p>You are signed in as {}.</p>\
         <form method=\"post\">{}<button>Sign out</button></form></main></html>",
        escape(page.subject.as_str()),
        page.hidden_fields()
    )
}

impl LoggedOut {
    /// The frames of the page, unseen, as HTML. What they load can neither leave them nor open anything.
    #[must_use]
    pub fn frames_html(&self) -> String {
        let sandbox = "allow-forms allow-same-origin allow-scripts";
        let frame = |url| format!(r#"<iframe src="{}" sandbox="{sandbox}" hidden></iframe>"#, escape(url));
        self.frames.iter().map(|each| frame(&each.url)).collect()
    }
}

/// The plain page that says that it is done.
pub(super) fn done(done: &LoggedOut) -> String {
    let onward = done.location.as_ref().map(|location| {
        let script =
            if done.goes_on { format!("<script>{LOGGED_OUT_SCRIPT}</script>") } else { String::new() };
        format!("<p><a id=\"continue\" href=\"{}\">Continue</a></p>{script}", escape(location))
    });
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Signed out</title>\
         <main><h1>You are signed out</h1>{}</main>{}</html>",
        onward.unwrap_or_default(),
        done.frames_html()
    )
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::protocol::Digest;

    #[test]
    fn the_hash_is_that_of_the_script() {
        let hash = STANDARD.encode(Digest::of(LOGGED_OUT_SCRIPT.as_bytes()).0);
        assert_eq!(LOGGED_OUT_SCRIPT_HASH, format!("'sha256-{hash}'"));
    }
}
