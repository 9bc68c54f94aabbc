//! The pages that come from the endpoints themselves: the error page, the form that posts an answer, and those of logout.

use std::fmt::Write as _;

use super::logout;
use crate::authorize::{AuthorizationResponse, DeviceAnswer, LoggedOut, LogoutPage};
use crate::protocol::OAuthError;

/// The source expression for the one script of the page that posts an answer: `document.forms[0].submit()`.
pub const FORM_POST_SCRIPT_HASH: &str = "'sha256-ePniVEkSivX/c7XWBGafqh8tSpiRrKiqYeqbG7N1TOE='";

/// The host's own look for the pages that come from the endpoints themselves. Everything must be escaped.
pub trait Pages: Send + Sync {
    /// The error page, as HTML.
    fn error(&self, page: &ErrorPage) -> String;

    /// The page that posts an answer to the client. Its only script must be exactly `document.forms[0].submit()`.
    fn form_post(&self, response: &AuthorizationResponse) -> String;

    /// The page that sends a user back to the device that waited for an answer; a plain page unless given.
    fn device_answered(&self, answer: DeviceAnswer) -> String {
        let (title, words) = match answer {
            DeviceAnswer::Approved => ("Access allowed", "You can go back to your device."),
            DeviceAnswer::Denied => ("Access denied", "The device gets no access. You can close this page."),
        };
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
             <main><h1>{title}</h1><p>{words}</p></main></html>"
        )
    }

    /// The page that asks whether to sign out. Its form is posted to where the page came from, with the
    /// [hidden fields](LogoutPage::hidden_fields); a plain page unless given.
    fn logout(&self, page: &LogoutPage) -> String {
        logout::ask(page)
    }

    /// The page that says that the user is signed out. It carries the [frames](LoggedOut::frames_html) and, where there
    /// is a place to go to, a link there with the id `continue`. Where the browser [goes on](LoggedOut::goes_on) by itself, the
    /// [script](super::LOGGED_OUT_SCRIPT) follows it: the only one that runs, and only there. A plain page unless given.
    fn logged_out(&self, done: &LoggedOut) -> String {
        logout::done(done)
    }
}

/// What an error page says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    /// The HTTP status: 400, or what the error asks for.
    pub status: u16,
    /// The error code.
    pub code: &'static str,
    /// What went wrong, in words that are safe to show.
    pub message: String,
    /// Finds the log line.
    pub reference: String,
}

impl ErrorPage {
    /// The page for an error. An unauthenticated client is no matter between browser and server: it shows as 400.
    #[must_use]
    pub fn new(error: &OAuthError) -> Self {
        let mut bytes = [0; 6];
        let reference = match getrandom::fill(&mut bytes) {
            Ok(()) => bytes.iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            }),
            Err(_) => "unavailable".to_owned(),
        };
        let status = if error.status() == 401 { 400 } else { error.status() };
        Self { status, code: error.code().as_str(), message: error.description().into_owned(), reference }
    }
}

/// Plain pages.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultPages;

impl Pages for DefaultPages {
    fn error(&self, page: &ErrorPage) -> String {
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Authorization error</title>\
             <main><h1>Authorization error</h1><p>{}</p><p>Error <code>{}</code>, reference <code>{}</code></p></main></html>",
            escape(&page.message),
            escape(page.code),
            escape(&page.reference)
        )
    }

    fn form_post(&self, response: &AuthorizationResponse) -> String {
        let fields = response.parameters.iter().map(|(name, value)| hidden_field(name, value.expose()));
        let fields: String = fields.collect();
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Continue</title>\
             <main><form method=\"post\" action=\"{}\">{fields}<button>Continue</button></form></main>\
             <script>document.forms[0].submit()</script></html>",
            escape(response.redirect_uri.as_str())
        )
    }
}

/// A hidden field of a form, as HTML.
pub(super) fn hidden_field(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value))
}

/// Text as it stands inside an HTML element or a quoted attribute.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
