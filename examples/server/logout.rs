//! Signing out: the question, and what is said afterwards. The library decides when either is shown.

use askama::Template;
use grantor::authorize::{LoggedOut, LogoutPage};
use grantor::http::LOGGED_OUT_SCRIPT;
use grantor::protocol::Secret;

use crate::pages::{client_name, host_of};
use crate::visit::{self, Answer};

/// Asks whether to sign out.
#[derive(Template)]
#[template(path = "logout.html")]
struct QuestionPage<'a> {
    /// Who asks; none when the person does.
    client_name: Option<&'a str>,
    username: &'a str,
    /// Host, and port if any, of where the browser goes after a yes.
    redirect_host: Option<&'a str>,
    /// The hidden fields of the form.
    fields: &'a [(&'static str, Secret)],
}

/// Says that nobody is signed in any more, and goes on once the frames have loaded.
#[derive(Template)]
#[template(path = "logged_out.html")]
struct DonePage<'a> {
    location: &'a str,
    /// Host, and port if any, of where the browser may go on to, if anywhere.
    redirect_host: Option<&'a str>,
    /// Whether it goes there by itself.
    goes_on: bool,
    /// The frames in which clients sign the person out, as HTML.
    frames: String,
}

/// The page that asks, as the endpoint shows it.
pub(crate) fn ask(page: &LogoutPage) -> String {
    let question = QuestionPage {
        client_name: page.client.as_deref().map(client_name),
        username: page.subject.as_str(),
        redirect_host: page.redirect_uri.as_ref().map(|uri| host_of(uri.as_str())),
        fields: &page.fields,
    };
    question.render().unwrap_or_default()
}

/// The page that says that it is done, as the endpoint shows it.
pub(crate) fn done(done: &LoggedOut) -> String {
    done_page(done).render().unwrap_or_default()
}

fn done_page(done: &LoggedOut) -> DonePage<'_> {
    DonePage {
        location: done.location.as_deref().unwrap_or_default(),
        redirect_host: done.location.as_deref().map(host_of),
        goes_on: done.goes_on,
        frames: done.frames_html(),
    }
}

/// `GET /logged-out`.
pub(crate) async fn logged_out() -> Answer {
    visit::page(&done_page(&LoggedOut::default()), None)
}
