//! The pages a person sees, one struct a template. Fields are plain text: the templates escape every one of them.
//!
//! Two pages carry a script, each the one that the library allows there: [`FormPostPage`], and the one
//! [after a logout](crate::logout). [`TvPage`] loads one of its own. No page has an inline style.

use askama::Template;
use grantor::authorize::AuthorizationResponse;
use grantor::http;
use grantor::record::Client;

use crate::day::Day;

/// Asks for username and password.
#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct LoginPage<'a> {
    /// Who asks; none when the person signs in to the server itself.
    pub(crate) client_name: Option<&'a str>,
    /// The authorization that waits for this sign-in.
    pub(crate) interaction: Option<&'a str>,
    pub(crate) csrf: &'a str,
    /// The user code, as far as it is known, of a device that the person wants to let in.
    pub(crate) device: Option<&'a str>,
    /// What stands in the field already: a `login_hint`, or what was typed before.
    pub(crate) username: &'a str,
    /// Whether the client sent someone who has no account yet.
    pub(crate) wants_account: bool,
    pub(crate) problem: Option<LoginProblem>,
}

/// Why the last sign-in was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoginProblem {
    WrongPassword,
    TooManyAttempts { seconds: u64 },
}

/// Asks whether to go on as who is signed in, or as someone else.
#[derive(Template)]
#[template(path = "account.html")]
pub(crate) struct AccountPage<'a> {
    pub(crate) client_name: &'a str,
    pub(crate) username: &'a str,
    /// What the person is called.
    pub(crate) call_name: &'a str,
    pub(crate) interaction: &'a str,
    pub(crate) csrf: &'a str,
}

/// Asks whether a client may have what it requested; the person may allow a part of it.
#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct ConsentPage<'a> {
    pub(crate) client_name: &'a str,
    /// The client's logo: an `https` URL of its own, which the page's policy lets the browser load.
    pub(crate) logo: Option<&'a str>,
    /// The client's own pages.
    pub(crate) links: Vec<Link<'a>>,
    /// Whether the client registered itself, so that nobody vouches for anything it says.
    pub(crate) unknown: bool,
    pub(crate) username: &'a str,
    pub(crate) interaction: &'a str,
    pub(crate) csrf: &'a str,
    pub(crate) scopes: Vec<RequestedScope<'a>>,
    /// What it asks to know besides, claim by claim, in words.
    pub(crate) claims: Vec<String>,
    /// The resource indicators (RFC 8707) asked for.
    pub(crate) resources: Vec<&'a str>,
    pub(crate) destination: ConsentFor<'a>,
    /// Why the last answer could not be used, as a sentence.
    pub(crate) problem: Option<&'a str>,
}

impl ConsentPage<'_> {
    fn leaves_a_choice(&self) -> bool {
        self.scopes.iter().any(|scope| !scope.fixed)
    }
}

/// Who waits for the answer.
pub(crate) enum ConsentFor<'a> {
    /// An application, to which the browser goes.
    Redirect {
        /// Host, and port if any, of the redirect URI.
        host: &'a str,
    },
    /// A device.
    Device {
        /// The code that it shows.
        user_code: String,
    },
}

/// Asks for the code that a device shows.
#[derive(Template)]
#[template(path = "device.html")]
pub(crate) struct DevicePage<'a> {
    pub(crate) username: &'a str,
    pub(crate) csrf: &'a str,
    /// What stands in the field already.
    pub(crate) user_code: &'a str,
    pub(crate) problem: Option<DeviceProblem>,
}

/// Why the last code was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceProblem {
    WrongCode,
    TooManyCodes { minutes: u32 },
}

/// Sends the person back to the device.
#[derive(Template)]
#[template(path = "device_answered.html")]
pub(crate) struct DeviceAnsweredPage {
    pub(crate) approved: bool,
}

/// A television that has no keyboard.
#[derive(Template)]
#[template(path = "tv.html")]
pub(crate) struct TvPage<'a> {
    /// For the form that is there while it does not wait.
    pub(crate) csrf: &'a str,
    /// What it shows while it waits.
    pub(crate) waiting: Option<TvWaiting<'a>>,
    /// What has come of it.
    pub(crate) message: &'a str,
}

/// What a television shows while it waits.
pub(crate) struct TvWaiting<'a> {
    pub(crate) verification_uri: &'a str,
    pub(crate) user_code: &'a str,
    pub(crate) device_code: &'a str,
    /// Seconds between two polls.
    pub(crate) interval: u64,
    pub(crate) qr: Qr,
}

/// A QR code as an SVG path of unit squares.
pub(crate) struct Qr {
    /// How many squares it is wide and high, with its margin.
    pub(crate) size: usize,
    pub(crate) path: String,
}

/// Shows what waits for an answer of the person.
#[derive(Template)]
#[template(path = "inbox.html")]
pub(crate) struct InboxPage<'a> {
    pub(crate) csrf: &'a str,
    pub(crate) requests: Vec<WaitingRequest<'a>>,
}

/// One request that waits.
pub(crate) struct WaitingRequest<'a> {
    pub(crate) grant: String,
    pub(crate) client_name: String,
    /// What the client shows, too; empty where it shows nothing.
    pub(crate) binding_message: &'a str,
    /// What it asks for, in words.
    pub(crate) scopes: Vec<&'a str>,
    /// Where.
    pub(crate) resources: Vec<&'a str>,
}

/// A link to a page of the client. The library takes none but `https`, or `http` on this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link<'a> {
    pub(crate) words: &'static str,
    pub(crate) url: &'a str,
}

/// One checkbox of the consent page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestedScope<'a> {
    /// The scope as the protocol spells it.
    pub(crate) token: &'a str,
    /// The scope in words, from [`crate::scopes::describe`].
    pub(crate) words: &'a str,
    /// Whether it cannot be allowed in part: without `openid`, the client could not sign anyone in.
    pub(crate) fixed: bool,
}

/// An authorization that ends here, because it must not or cannot go back to the client.
#[derive(Template)]
#[template(path = "error.html")]
pub(crate) struct ErrorPage<'a> {
    /// The OAuth error code, `invalid_request` for one.
    pub(crate) code: &'a str,
    /// What went wrong, as a sentence.
    pub(crate) message: &'a str,
    /// What finds the log line.
    pub(crate) reference: &'a str,
}

/// The library's error page in the look of this host.
pub(crate) fn error(page: &http::ErrorPage) -> String {
    let message = &sentence(&page.message);
    ErrorPage { code: page.code, message, reference: &page.reference }.render().unwrap_or_default()
}

/// The library's words as a sentence. The name of a parameter before a colon stays as it is.
fn sentence(words: &str) -> String {
    let first = words.chars().next().filter(|_| !words.contains(':')).map(|first| first.to_ascii_uppercase());
    let rest = words.get(first.map_or(0, char::len_utf8)..).unwrap_or_default();
    first.into_iter().chain(rest.chars()).chain(['.']).collect()
}

/// The front page.
#[derive(Template)]
#[template(path = "home.html")]
pub(crate) struct HomePage<'a> {
    /// None shows the welcome of a signed-out visitor.
    pub(crate) session: Option<HomeSession<'a>>,
}

/// The signed-in person and the applications they allowed.
pub(crate) struct HomeSession<'a> {
    pub(crate) username: &'a str,
    pub(crate) csrf: &'a str,
    pub(crate) applications: Vec<Application<'a>>,
}

/// One application with access.
pub(crate) struct Application<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) name: &'a str,
    /// The granted scopes in words, from [`crate::scopes::describe`].
    pub(crate) scopes: Vec<&'a str>,
    pub(crate) since: Day,
}

/// Carries an authorization response to the client by POST (OAuth 2.0 Form Post Response Mode §2).
#[derive(Template)]
#[template(path = "form_post.html")]
pub(crate) struct FormPostPage<'a> {
    pub(crate) redirect_uri: &'a str,
    /// Host, and port if any, of the redirect URI.
    pub(crate) redirect_host: &'a str,
    pub(crate) parameters: Vec<ResponseParameter<'a>>,
}

/// One parameter of the authorization response.
pub(crate) struct ResponseParameter<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
}

/// The library's page that posts an answer, in the look of this host.
pub(crate) fn form_post(response: &AuthorizationResponse) -> String {
    let redirect_uri = response.redirect_uri.as_str();
    let parameters = response.parameters.iter();
    let parameters = parameters.map(|(name, value)| ResponseParameter { name, value: value.expose() });
    let page =
        FormPostPage { redirect_uri, redirect_host: host_of(redirect_uri), parameters: parameters.collect() };
    page.render().unwrap_or_default()
}

/// What a client calls itself, or else its id.
pub(crate) fn client_name(client: &Client) -> &str {
    client.name.as_deref().unwrap_or(client.id.as_str())
}

/// Host, and port if any, of a URI; the URI itself where it has none, as `com.example.app:/callback`.
pub(crate) fn host_of(uri: &str) -> &str {
    let authority = uri.split_once("://").map(|(_, rest)| rest.split(['/', '?']).next().unwrap_or(rest));
    authority.filter(|authority| !authority.is_empty()).unwrap_or(uri)
}

#[cfg(test)]
mod tests {
    use askama::Template;
    use base64::{Engine, prelude::BASE64_STANDARD};
    use grantor::http::FORM_POST_SCRIPT_HASH;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_form_post_page_carries_the_one_script_that_its_hash_allows() {
        let parameters = vec![ResponseParameter { name: "code", value: "abc" }];
        let page =
            FormPostPage { redirect_uri: "https://app.example/cb", redirect_host: "app.example", parameters };
        let html = page.render().unwrap();
        let scripts: Vec<&str> =
            html.split("<script>").skip(1).map(|rest| rest.split("</script>").next().unwrap()).collect();
        assert_eq!(scripts.len(), 1);
        let hash = BASE64_STANDARD.encode(Sha256::digest(scripts[0]));
        assert_eq!(FORM_POST_SCRIPT_HASH, format!("'sha256-{hash}'"));
    }

    #[test]
    fn the_host_of_a_redirect_uri_is_what_stands_before_its_path() {
        assert_eq!(host_of("http://127.0.0.1:8090/callback"), "127.0.0.1:8090");
        assert_eq!(host_of("https://app.example?tenant=1"), "app.example");
        assert_eq!(host_of("https://[2001:db8::1]:8443/cb"), "[2001:db8::1]:8443");
        assert_eq!(host_of("com.example.app:/callback"), "com.example.app:/callback");
    }

    #[test]
    fn what_a_client_calls_itself_is_text() {
        let page = ConsentPage {
            client_name: r#"<img src=x onerror="alert(1)">"#,
            logo: Some(r#"https://a.example/" onerror="alert(1)"#),
            links: vec![Link { words: "Website", url: r#"https://a.example/"><q>"# }],
            unknown: true,
            username: "alice",
            interaction: r#""><script>"#,
            csrf: "'><script>",
            scopes: vec![RequestedScope { token: r#""onclick="x"#, words: "<b>all</b>", fixed: false }],
            claims: vec!["<em>all</em>".into()],
            resources: vec!["https://api.example/<i>"],
            destination: ConsentFor::Redirect { host: "<u>app.example</u>" },
            problem: Some("<s>"),
        };
        let html = page.render().unwrap();
        for injected in [
            "<img src=x",
            r#"" onerror"#,
            "<q>",
            "<script>",
            r#"""onclick"#,
            "<b>",
            "<em>",
            "<i>",
            "<u>",
            "<s>",
        ] {
            assert!(!html.contains(injected), "{injected} stands in the page as markup");
        }
    }
}
