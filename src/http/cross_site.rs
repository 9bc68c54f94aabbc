//! Forms that another site posts here. They come without our cookies (`SameSite=Lax`), so that the user seems to be
//! signed out; posted again from a page of ours, they have them.

use bytes::Bytes;
use http::{Method, Request, Response};

use super::pages::hidden_field;
use super::{FORM_POST_SCRIPT_HASH, reply};
use crate::authorize::Browser;

/// Whether the browser says that another site posted this (Fetch Metadata §2.3), and kept our cookies back.
pub(super) fn kept_cookies_back(request: &Request<Bytes>, browser: &Browser) -> bool {
    *request.method() == Method::POST
        && request.headers().get("sec-fetch-site").is_some_and(|site| site == "cross-site")
        && browser.session.is_none()
        && browser.binding.is_none()
}

/// The page that posts the same form again.
pub(super) fn post_again(request: &Request<Bytes>) -> Response<Bytes> {
    let fields = url::form_urlencoded::parse(request.body());
    // A field of that name would hide the method that submits the form, and means nothing here.
    let fields = fields.filter(|(name, _)| name != "submit");
    let fields: String = fields.map(|(name, value)| hidden_field(&name, &value)).collect();
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Continue</title>\
         <main><form method=\"post\">{fields}<button>Continue</button></form></main>\
         <script>document.forms[0].submit()</script></html>"
    );
    let mut response = Response::new(html.into());
    // The answer to the form may lead to any client, and browsers hold it to `form-action` all the way.
    let policy = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'";
    response
        .headers_mut()
        .extend(reply::headers_under(format!("{policy}; script-src {FORM_POST_SCRIPT_HASH}")));
    response
}
