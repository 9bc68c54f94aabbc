//! Rules for any URI, and for crafted ones.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use url::{Url, form_urlencoded};

use super::*;

/// A URI in three pieces: what must be exact, a port that may vary, what must be exact.
fn loopback() -> impl Strategy<Value = (String, String, String)> {
    let host = select(vec!["http://127.0.0.1", "http://[::1]", "http://localhost"]);
    let port = prop_oneof![Just(String::new()), (1..=u16::MAX).prop_map(|port| format!(":{port}"))];
    (host, port, "(/[a-z0-9]{0,6}){0,2}(\\?[x-z]=[0-9])?")
        .prop_map(|(host, port, tail)| (host.into(), port, tail))
}

fn registered() -> impl Strategy<Value = RedirectUri> {
    let uri = prop_oneof![
        "https://[a-z]{1,8}\\.example(:[1-9][0-9]{0,3})?(/[a-zA-Z0-9_~@:;-]{0,8}){0,3}(\\?[x-z]=[a-z0-9/?]{0,6})?",
        "https://(127\\.0\\.0\\.1|localhost|\\[::1\\])(:[1-9][0-9]{0,3})?/[a-z]{0,4}",
        "com\\.[a-z]{1,8}:/{1,3}[a-z]{1,8}(/[a-z]{0,8})?",
        "http://localhost(:[1-9][0-9]{0,3})?/[a-z]{0,4}",
    ];
    uri.prop_map(|uri| web(&uri))
}

#[derive(Debug, Clone, Copy)]
enum Edit {
    Replace,
    Insert,
    Delete,
}

fn edit() -> impl Strategy<Value = Edit> {
    select(vec![Edit::Replace, Edit::Insert, Edit::Delete])
}

/// `text` with one byte changed, or `None` where that is no text or no change.
fn edited(text: &str, edit: Edit, at: Index, byte: u8) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    match edit {
        Edit::Insert => bytes.insert(at.index(bytes.len() + 1), byte),
        _ if bytes.is_empty() => return None,
        Edit::Replace => bytes[at.index(text.len())] = byte,
        Edit::Delete => drop(bytes.remove(at.index(text.len()))),
    }
    String::from_utf8(bytes).ok().filter(|changed| changed != text)
}

/// Delimiters, escapes, hosts and odd characters.
const PIECES: &[&str] = &[
    "https",
    "http",
    "com.app",
    "javascript",
    "HTTPS",
    ":",
    "/",
    "//",
    "///",
    "\\",
    "@",
    "?",
    "#",
    "&",
    ";",
    "=",
    ".",
    "..",
    "..;",
    "%2e",
    "%2F",
    "%40",
    "%00",
    "%25",
    "%",
    "[",
    "]",
    "[::1]",
    "[::ffff:1.2.3.4]",
    "127.0.0.1",
    "127.1",
    "0x7f000001",
    "localhost",
    "good.example",
    "evil.example",
    "xn--bcher-kva",
    "xn--a",
    "ü",
    "\u{3002}",
    ":80",
    ":443",
    ":8443",
    ":0",
    ":99999",
    "code",
    "a",
    "A",
    "_",
    "-",
    "~",
    "'",
    " ",
    "\t",
    "\n",
    "\0",
    "\u{ad}",
];

/// Text that is nearly a URI, or is one.
fn crafted() -> impl Strategy<Value = String> {
    let start = select(vec!["", "https://", "http://", "com.app:/", "com.app://", "https:"]);
    (start, prop::collection::vec(select(PIECES), 0..8))
        .prop_map(|(start, rest)| start.to_owned() + &rest.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_one_byte_edit_of_a_registered_uri_is_refused(
        registered in registered(), edit in edit(), at: Index, byte: u8,
    ) {
        if let Some(presented) = edited(registered.as_str(), edit, at, byte) {
            prop_assert!(!registered.matches(&presented), "{}", presented);
        }
    }

    #[test]
    fn any_one_byte_edit_outside_the_port_of_a_loopback_uri_is_refused(
        (host, port, tail) in loopback(), other in 1..=u16::MAX, edit in edit(), at: Index, byte: u8, in_host: bool,
    ) {
        let registered = native(&format!("{host}{port}{tail}"));
        let edited = edited(if in_host { &host } else { &tail }, edit, at, byte);
        // A digit before the tail would only be a longer port.
        if let Some(edited) = edited.filter(|_| !(byte.is_ascii_digit() && matches!(edit, Edit::Insert))) {
            let (host, tail) = if in_host { (&edited, &tail) } else { (&host, &edited) };
            let presented = format!("{host}:{other}{tail}");
            prop_assert!(!registered.matches(&presented), "{}", presented);
        }
    }

    #[test]
    fn every_port_of_a_loopback_uri_matches((host, port, tail) in loopback(), other in 1..=u16::MAX) {
        let registered = native(&format!("{host}{port}{tail}"));
        let presented = format!("{host}:{other}{tail}");
        prop_assert!(registered.matches(&presented));
        prop_assert!(RedirectUri::parse(&presented, Native).is_ok());
    }

    #[test]
    fn a_match_leads_to_the_registered_scheme_host_path_and_query(
        (host, port, tail) in loopback(), junk in prop::collection::vec(select(PIECES), 0..3),
    ) {
        let registered = native(&format!("{host}{port}{tail}"));
        let presented = format!("{host}{}{tail}", junk.concat());
        if registered.matches(&presented) {
            let (mut one, mut other) = (Url::parse(registered.as_str()).unwrap(), Url::parse(&presented).unwrap());
            one.set_port(None).unwrap();
            other.set_port(None).unwrap();
            prop_assert_eq!(one, other);
        }
    }

    #[test]
    fn a_registered_uri_is_what_a_browser_sees(uri in crafted()) {
        if let Ok(registered) = RedirectUri::parse(&uri, Web) {
            let seen = Url::parse(&uri).unwrap();
            prop_assert_eq!(seen.scheme(), uri.split(':').next().unwrap());
            let after_scheme = &uri[seen.scheme().len()..];
            if let Some(host) = seen.host_str() {
                prop_assert!(after_scheme.starts_with(&format!("://{host}")), "{} {}", uri, host);
                let end = after_scheme[3 + host.len()..].chars().next();
                prop_assert!(matches!(end, None | Some(':' | '/' | '?')));
            } else {
                prop_assert!(registered.is_private_scheme());
            }
            prop_assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert!(seen.username().is_empty() && seen.password().is_none() && seen.fragment().is_none());
            prop_assert!(registered.matches(&uri));
        }
    }

    #[test]
    fn any_string_is_judged_without_panic(uri: String, presented: String, bytes: Vec<u8>) {
        let lossy = String::from_utf8_lossy(&bytes);
        for text in [&*uri, &*presented, &*lossy, &format!("http://127.0.0.1:{uri}"), &format!("https://{presented}")] {
            let _ = RedirectUri::parse(text, Web);
            let _ = SchemePolicy::default().allow(text);
            for registered in [native("http://[::1]/"), native("http://localhost:1/cb"), web("com.example:/")] {
                prop_assert!(!registered.matches(text));
            }
        }
    }

    #[test]
    fn appended_parameters_survive_and_touch_nothing_else(
        registered in registered(), response: Vec<(String, String)>,
    ) {
        let before = Url::parse(registered.as_str()).unwrap();
        let matched = registered.as_registered();

        let by_query = Url::parse(&matched.with_query(response.clone())).unwrap();
        let mut expected: Vec<(String, String)> = before.query_pairs().into_owned().collect();
        expected.extend(response.iter().cloned());
        prop_assert_eq!(by_query.query_pairs().into_owned().collect::<Vec<_>>(), expected);
        prop_assert_eq!(by_query.fragment(), None);
        prop_assert_eq!((by_query.scheme(), by_query.host(), by_query.port(), by_query.path()),
            (before.scheme(), before.host(), before.port(), before.path()));
        prop_assert!(matched.with_query(response.clone()).starts_with(registered.as_str()));

        let by_fragment = Url::parse(&matched.with_fragment(response.clone())).unwrap();
        let read = form_urlencoded::parse(by_fragment.fragment().unwrap_or_default().as_bytes());
        prop_assert_eq!(read.into_owned().collect::<Vec<_>>(), response);
        prop_assert_eq!(by_fragment.query(), before.query());
        prop_assert_eq!(by_fragment.path(), before.path());
    }
}
