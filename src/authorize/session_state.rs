//! What lets a page of a client see that someone has signed in or out, without a request (OpenID Connect Session
//! Management).
//!
//! ```text
//! browser state   in a cookie that scripts of this server can read: another with every login, gone after a logout; a
//!                 client that is told that nobody is signed in is told of a state, too
//! session_state   sent to a client: digest( client_id, origin, browser state, salt ) . salt
//! ```
//!
//! The page at `check_session_iframe` computes the second from the first and says whether they still agree. The browser
//! state tells nobody who is signed in, nor whether anybody is, and opens nothing: nobody can make one up.

use url::Url;

use super::browser::{Browser, Cookie};
use super::decide::{Action, Step};
use crate::jose::Purpose;
use crate::protocol::{ClientId, Digest, MatchedRedirectUri, Secret};
use crate::record::interaction::SignedIn;
use crate::record::{Context, Decision, Facts, Halt, Id};

/// Brings the browser state up to date, and tells `client` if this is the end of its request.
pub(super) fn tell(
    decision: &mut Decision<Step>,
    client: Option<&ClientId>,
    browser: &Browser,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<(), Halt> {
    if !cx.settings.session_management {
        return Ok(());
    }
    let state = match browser.session.is_some() || browser.host_login.is_some() {
        true => match browser.signed_in(facts, cx)? {
            Some(login) => signed_in_state(&login, cx),
            None => signed_out_state(browser, cx),
        },
        // A frame in a page of another site sends this cookie and not that of the session: what it shows stands.
        false => match (browser.state, client) {
            (Some(state), _) => state,
            (None, Some(_)) => signed_out_state(browser, cx),
            (None, None) => return Ok(()),
        },
    };
    show(state, decision, client, browser, cx);
    Ok(())
}

/// The same for who has just signed in.
pub(super) fn tell_of(
    login: &SignedIn,
    decision: &mut Decision<Step>,
    client: Option<&ClientId>,
    browser: &Browser,
    cx: &Context<'_>,
) {
    if cx.settings.session_management {
        show(signed_in_state(login, cx), decision, client, browser, cx);
    }
}

fn show(
    state: Digest,
    decision: &mut Decision<Step>,
    client: Option<&ClientId>,
    browser: &Browser,
    cx: &Context<'_>,
) {
    let Ok(step) = &mut decision.outcome else { return };
    if browser.state != Some(state) {
        let value = Secret::new(state.to_base64url());
        step.cookies.set(Cookie::State, value, cx.settings.lifetimes.session);
    }
    if let (Action::Respond(response), Some(client)) = (&mut step.action, client) {
        let state = session_state(client, &response.redirect_uri, state, cx);
        response.parameters.push(("session_state", state));
    }
}

/// The browser state while this login lasts.
fn signed_in_state(login: &SignedIn, cx: &Context<'_>) -> Digest {
    let session = login.session.as_ref().map_or(&[][..], |session| &session.0.0);
    let auth_time = login.authentication.auth_time.0.to_be_bytes();
    let parts = [session, login.subject.as_str().as_bytes(), &auth_time];
    Digest(cx.settings.sealer.mac(Purpose::BrowserState, &parts))
}

/// The browser state once the session that the browser names has ended; another for every browser that names none.
fn signed_out_state(browser: &Browser, cx: &Context<'_>) -> Digest {
    let own = match (&browser.session, &browser.host_login) {
        (_, Some(login)) => login.subject.as_str().as_bytes(),
        (Some(session), None) => &session.id.0,
        (None, None) => &cx.random.other_nonce(),
    };
    Digest(cx.settings.sealer.mac(Purpose::BrowserState, &[own]))
}

/// What a client is told, another value every time (OpenID Connect Session Management §3.2).
fn session_state(client: &ClientId, uri: &MatchedRedirectUri, state: Digest, cx: &Context<'_>) -> Secret {
    let origin =
        Url::parse(uri.as_str()).map_or_else(|_| String::new(), |uri| uri.origin().ascii_serialization());
    let state = state.to_base64url();
    let salt = Id(cx.random.nonce());
    let digest = Digest::of(format!("{client} {origin} {state} {salt}").as_bytes());
    Secret::new(format!("{}.{salt}", digest.to_base64url()))
}
