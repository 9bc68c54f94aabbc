//! The page that a client loads in a frame to learn whether someone has signed in or out (OpenID Connect Session Management
//! §3.2). It is the same for everyone, and the only page that may be framed: it shows nothing.

use bytes::Bytes;
use http::{Method, Request, Response};

use super::{form, reply};
use crate::authorize::Cookie;
use crate::protocol::{Issuer, OAuthError, Reason};

/// Compares a `session_state` with the browser state in the cookie, for whoever sends a message. Where the browser hides the
/// cookie from frames there is no telling, and a client that is told `changed` for ever would ask for ever: that is an
/// `error` (§5.1). Where there is no cookie nothing is `unchanged`, for a value made from nothing would tell anyone whether
/// somebody is signed in. A frame without an origin gets no answer.
const SCRIPT: &str = r"
const name = document.querySelector('meta[name=cookie]').content + '=';
const state = () => document.cookie.split('; ').find(pair => pair.startsWith(name))?.slice(name.length) ?? '';
const digest = async text => {
  const bytes = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  const base64 = btoa(String.fromCharCode(...new Uint8Array(bytes)));
  return base64.replaceAll('+', '-').replaceAll('/', '_').replace('=', '');
};
const check = async (message, origin) => {
  const [, client, told, salt] = /^([ -~]+) ([\w-]{43}\.([\w-]{22}))$/.exec(message) ?? [];
  if (!salt || await document.hasStorageAccess?.() === false) return 'error';
  if (!state()) return 'changed';
  const now = await digest(`${client} ${origin} ${state()} ${salt}`);
  return told === `${now}.${salt}` ? 'unchanged' : 'changed';
};
addEventListener('message', async ({ data, origin, source }) => {
  if (source && origin !== 'null') source.postMessage(await check(data, origin).catch(() => 'error'), origin);
});
";

/// The source expression for [`SCRIPT`].
const SCRIPT_HASH: &str = "'sha256-ZStIJbzBVZ2rIvMrgmHblzsbDlBSW1mIiHBW7zVY7cU='";

pub(super) fn page(request: &Request<Bytes>, issuer: &Issuer) -> Result<Response<Bytes>, OAuthError> {
    match *request.method() {
        Method::GET | Method::HEAD => form::check_size(request)?,
        _ => return Err(Reason::MethodNotAllowed.into()),
    }
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"cookie\" content=\"{}\">\
         <title>Session</title><script>{SCRIPT}</script></html>",
        Cookie::State.name(issuer)
    );
    Ok(reply::framable(html, SCRIPT_HASH, request.method()))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::protocol::Digest;

    #[test]
    fn the_hash_is_that_of_the_script() {
        let hash = STANDARD.encode(Digest::of(SCRIPT.as_bytes()).0);
        assert_eq!(SCRIPT_HASH, format!("'sha256-{hash}'"));
    }
}
