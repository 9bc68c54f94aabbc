use proptest::prelude::*;
use proptest::sample::{Index, select};
use url::Url;

use super::*;

use ApplicationType::{Native, Web};

fn web(uri: &str) -> RedirectUri {
    RedirectUri::parse(uri, Web).unwrap_or_else(|error| panic!("{uri}: {error}"))
}

fn native(uri: &str) -> RedirectUri {
    RedirectUri::parse(uri, Native).unwrap_or_else(|error| panic!("{uri}: {error}"))
}

fn refusal(uri: &str) -> RedirectUriError {
    let refusal = RedirectUri::parse(uri, Web).expect_err(uri);
    assert_eq!(RedirectUri::parse(uri, Native), Err(refusal), "{uri}");
    refusal
}

/// URIs that real clients register.
const GOOD: [&str; 20] = [
    "https://client.example",
    "https://client.example/",
    "https://client.example/cb",
    "https://client.example:8443/cb?tenant=1&next=%2Fhome",
    "https://client.example:443/cb",
    "https://client.example?",
    "https://client.example/cb;v=1/~user/@me:x/%7Bid%7D",
    "https://my_app.xn--bcher-kva.example/cb",
    "https://192.0.2.1/cb",
    "https://[2001:db8::1]:8443/cb",
    "https://localhost:3000/cb",
    "http://127.0.0.1/cb",
    "http://127.0.0.1:51004/cb?a=b",
    "http://[::1]:61023/cb",
    "http://[::1]",
    "http://localhost:8080/cb",
    "com.example.app:/oauth2redirect/provider",
    "com.example.app://callback/x?a=b",
    "com.example.app:///callback",
    "com.example.app://OAuthCallback",
];

#[test]
fn https_loopback_http_and_reversed_domain_schemes_are_taken_and_kept_for_both_application_types() {
    for uri in GOOD {
        for registered in [web(uri), native(uri)] {
            assert_eq!(registered.as_str(), uri);
            assert!(registered.matches(uri));
        }
    }
}

#[test]
fn each_broken_rule_has_its_name() {
    use RedirectUriError as E;
    let long = format!("https://client.example/{}", "a".repeat(2048));
    for (uri, error) in [
        ("", E::NotAbsolute),
        ("/cb", E::NotAbsolute),
        ("//client.example/cb", E::NotAbsolute),
        ("client.example/cb", E::NotAbsolute),
        ("https:", E::NotAbsolute),
        (":https://client.example", E::NotAbsolute),
        ("https://client.example/cb#", E::Fragment),
        ("https://client.example/cb#a", E::Fragment),
        ("https://client.example/a b", E::Character),
        ("https://client.example/é", E::Character),
        ("https://client.example/\"<>", E::Character),
        ("https://client.example/%", E::Character),
        ("https://client.example/%a", E::Character),
        ("https://client.example/%2g", E::Character),
        ("https://client.example/cb?a[]=b", E::Character),
        ("ftp://client.example/cb", E::ForbiddenScheme),
        ("http://client.example/cb", E::HttpNotLoopback),
        ("http://127.0.0.2/cb", E::HttpNotLoopback),
        ("http://127.0.0.1.evil.example/cb", E::HttpNotLoopback),
        ("http://localhost.evil.example/cb", E::HttpNotLoopback),
        ("http://[::2]/cb", E::HttpNotLoopback),
        ("http://[::ffff:127.0.0.1]/cb", E::HttpNotLoopback),
        ("myapp:/cb", E::SchemeNotReverseDomain),
        ("myapp.:/cb", E::SchemeNotReverseDomain),
        ("com..app:/cb", E::SchemeNotReverseDomain),
        ("client.example:443/cb", E::NotHierarchical),
        ("com.example.app:cb", E::NotHierarchical),
        ("https://user@client.example/cb", E::UserInfo),
        ("com.example.app://user@host/cb", E::UserInfo),
        ("https:client.example/cb", E::Host),
        ("https:/client.example/cb", E::Host),
        ("https:///client.example/cb", E::Host),
        ("https://:443/cb", E::Host),
        ("https://client.example:", E::Port),
        ("https://client.example:0", E::Port),
        ("https://client.example:0443", E::Port),
        ("https://client.example:65536", E::Port),
        ("https://client.example:+443", E::Port),
        ("https://client.example/a/../cb", E::DotSegment),
        ("com.example.app:/../cb", E::DotSegment),
        ("https://client.example/cb?code=x", E::ResponseParameter),
        ("HTTPS://client.example/cb", E::NotCanonical),
        ("https://Client.example/cb", E::NotCanonical),
        ("com.Example.app:/cb", E::NotCanonical),
        (&long, E::TooLong),
    ] {
        assert_eq!(refusal(uri), error, "{uri}");
    }
}

/// A host that a browser could read otherwise than a comparison of text does.
#[test]
fn a_host_that_two_parsers_may_read_differently_is_refused() {
    for uri in [
        "https://good.example@evil.example/",
        "https://good.example:443@evil.example/",
        "https://good.example%40evil.example/",
        "https://good.example%2F@evil.example/",
        "https://good.example%2F.evil.example/",
        "https://good.example%25@evil.example/",
        "https://evil.example\\@good.example/",
        "https://evil.example\\.good.example/",
        "https:\\\\evil.example/",
        "https:/\\evil.example/",
        "https://good.example&@evil.example/",
        "https://evil.example#@good.example/",
        "https://evil.example?@good.example/?#",
        "https://evil.example\t.good.example/",
        "https://evil.exa\nmple/",
        "https://evil.example\0.good.example/",
        "https://good.example./",
        "https://.good.example/",
        "https://good..example/",
        "https://b\u{fc}cher.example/",
        "https://good\u{3002}example/",
        "https://good.example\u{ff0f}evil.example/",
        "https://xn--/",
        "https://xn--a/",
        "https://xn--a-ecp.ru\u{ad}/",
        "https://XN--bcher-kva.example/",
        "https://%65vil.example/",
        "https://127.1/",
        "https://0x7f.0.0.1/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://127.0.0.1.:443/",
        "https://1.2.3.256/",
        "https://good.example.1/",
        "https://[::1/",
        "https://::1/",
        "https://[::1]x/",
        "https://[::1].evil.example/",
        "https://[::1]@evil.example/",
        "https://[::1%25lo]/",
        "https://[fe80::1%eth0]/",
        "https://[0:0:0:0:0:0:0:1]/",
        "https://[::0001]/",
        "https://[::127.0.0.1]/",
        "https://[::A]/",
        "https://[v1.x]/",
        "https://[]/",
        "com.example.app://[::0001]/",
        "com.example.app://good%2Fevil/",
    ] {
        refusal(uri);
    }
}

#[test]
fn a_dot_segment_is_refused_in_every_disguise() {
    for path in [
        "/.",
        "/..",
        "/./cb",
        "/../cb",
        "/cb/..",
        "/..;/cb",
        "/..;a=b/cb",
        "/%2e/cb",
        "/%2E%2e/cb",
        "/.%2e/cb",
        "/%2e%2e;x/cb",
        "/..%3B/cb",
        "/..%2fcb",
        "/cb%2F..%2fx",
        "/..%5Ccb",
        "/a%5c..",
    ] {
        assert_eq!(refusal(&format!("https://client.example{path}")), RedirectUriError::DotSegment, "{path}");
        assert_eq!(refusal(&format!("com.example.app:{path}")), RedirectUriError::DotSegment, "{path}");
    }
    web("https://client.example/.well-known/.../a..b/..c/%2e%2e%2e");
}

#[test]
fn a_scheme_that_runs_code_or_reads_files_is_refused_in_any_case() {
    for scheme in
        DENIED_SCHEMES.into_iter().chain(["chrome", "chrome-extension", "moz-extension", "ms-settings"])
    {
        for rest in ["alert(1)", "/x", "//client.example/x", "//%0aalert(1)"] {
            for spelled in [scheme.to_owned(), scheme.to_ascii_uppercase(), title(scheme)] {
                assert_eq!(refusal(&format!("{spelled}:{rest}")), RedirectUriError::ForbiddenScheme);
            }
        }
        assert_eq!(SchemePolicy::default().allow(scheme), Err(RedirectUriError::ForbiddenScheme));
    }
}

fn title(scheme: &str) -> String {
    scheme.char_indices().map(|(at, c)| if at % 2 == 0 { c.to_ascii_uppercase() } else { c }).collect()
}

#[test]
fn a_scheme_with_blanks_or_controls_around_or_inside_is_refused() {
    for scheme in ["javascript", "data", "https", "com.example.app"] {
        for odd in
            [" ", "\t", "\n", "\r", "\0", "\u{1}", "\u{7f}", "\u{a0}", "\u{200b}", "\u{feff}", "%09", "%0A"]
        {
            for at in [0, 2, scheme.len()] {
                let (head, tail) = scheme.split_at(at);
                refusal(&format!("{head}{odd}{tail}:/x"));
                refusal(&format!("{head}{odd}{tail}://client.example/x"));
            }
        }
    }
}

#[test]
fn a_dotless_scheme_is_taken_only_where_the_policy_names_it() {
    let policy = SchemePolicy::default().allow("cursor").unwrap();
    let uri = "cursor://anysphere.cursor-mcp/oauth/callback";
    assert_eq!(refusal(uri), RedirectUriError::SchemeNotReverseDomain);
    assert!(RedirectUri::parse_with(uri, Native, &policy).unwrap().is_private_scheme());
    assert_eq!(
        RedirectUri::parse_with("vscode://x/cb", Native, &policy),
        Err(RedirectUriError::SchemeNotReverseDomain)
    );
    assert!(
        RedirectUri::parse_with("http://client.example/", Native, &policy.allow("http").unwrap()).is_err()
    );
}

#[test]
fn a_policy_takes_only_the_name_of_a_scheme() {
    for name in ["", "cursor:", "cursor://", "a b", "cursor/", "1a", "a:b", "cursor?", "é", "#"] {
        assert!(SchemePolicy::default().allow(name).is_err(), "{name}");
    }
    assert_eq!(SchemePolicy::default().allow("Cursor"), Err(RedirectUriError::NotCanonical));
}

#[test]
fn a_registered_query_may_not_name_a_response_parameter() {
    for name in RESPONSE_PARAMETERS {
        for query in [
            name.to_owned(),
            format!("{name}=x"),
            format!("a=b&{name}=x"),
            format!("a=b;{name}=x"),
            format!("%{:02x}{}=x", name.as_bytes()[0], &name[1..]),
            format!("{}=x", name.to_ascii_uppercase()),
            format!("+{name}=x"),
            format!("{name}%5B%5D=x"),
        ] {
            assert_eq!(
                refusal(&format!("https://client.example/cb?{query}")),
                RedirectUriError::ResponseParameter,
                "{query}"
            );
        }
    }
    web("https://client.example/cb?mode=code&states=1&x=state");
}

#[test]
fn a_loopback_address_matches_on_any_port_whatever_the_application_type() {
    for registered in ["http://127.0.0.1/cb", "http://127.0.0.1:80/cb", "http://127.0.0.1:51004/cb"] {
        for presented in ["http://127.0.0.1/cb", "http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb"] {
            assert!(web(registered).matches(presented));
            assert!(native(registered).matches(presented));
        }
    }
    assert!(web("http://[::1]:1/cb?a").matches("http://[::1]:61023/cb?a"));
    assert!(web("http://[::1]").matches("http://[::1]:61023"));
}

#[test]
fn only_the_port_of_a_loopback_address_may_differ() {
    let registered = native("http://127.0.0.1:51004/cb");
    for presented in [
        "http://127.0.0.1:51005/cb?",
        "http://127.0.0.1:51005/cb?a=b",
        "http://127.0.0.1:51005/cb/",
        "http://127.0.0.1:51005/",
        "http://127.0.0.1:51005",
        "http://127.0.0.1:51005/CB",
        "http://127.0.0.1:51005/cb#a",
        "http://127.0.0.1:51005/x/../cb",
        "http://127.0.0.1:51005//cb",
        "http://user@127.0.0.1:51005/cb",
        "http://127.0.0.1:51005@evil.example/cb",
        "http://127.0.0.1:@evil.example/cb",
        "http://127.0.0.1:51005.evil.example/cb",
        "http://127.0.0.1.evil.example:51005/cb",
        "http://127.0.0.1\\:51005/cb",
        "http://127.0.0.1:51005\\cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:051005/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:18446744073709551617/cb",
        "http://127.0.0.1:-1/cb",
        "http://127.0.0.1:+1/cb",
        "http://127.0.0.1: 1/cb",
        "http://127.0.0.1:\u{661}/cb",
        "http://127.0.0.1:1:2/cb",
        "http://127.0.0.2:51005/cb",
        "http://127.1:51005/cb",
        "http://localhost:51005/cb",
        "http://[::1]:51005/cb",
        "https://127.0.0.1:51005/cb",
        "HTTP://127.0.0.1:51005/cb",
        " http://127.0.0.1:51005/cb",
    ] {
        assert!(!registered.matches(presented), "{presented}");
        assert_eq!(registered.accept(presented), None);
    }
}

#[test]
fn the_port_of_localhost_may_differ_only_for_a_native_application() {
    let presented = "http://localhost:51004/cb";
    assert!(native("http://localhost/cb").matches(presented));
    assert!(native("http://localhost:1/cb").matches(presented));
    assert!(!web("http://localhost/cb").matches(presented));
    assert!(!web("http://localhost:1/cb").matches(presented));
    assert!(web("http://localhost:51004/cb").matches(presented));
    assert!(!native("http://localhost/cb").matches("http://localhost.evil.example/cb"));
    assert!(!native("http://localhost").matches("http://localhost.evil.example"));
}

#[test]
fn the_port_of_any_other_uri_is_exact() {
    for (registered, presented) in [
        ("https://client.example/cb", "https://client.example:443/cb"),
        ("https://client.example:443/cb", "https://client.example/cb"),
        ("https://127.0.0.1/cb", "https://127.0.0.1:8443/cb"),
        ("https://localhost/cb", "https://localhost:8443/cb"),
        ("com.example.app://127.0.0.1/cb", "com.example.app://127.0.0.1:1/cb"),
    ] {
        assert!(!native(registered).matches(presented), "{presented}");
    }
}

#[test]
fn an_equivalent_uri_that_is_not_identical_is_refused() {
    let registered = web("https://client.example/cb?a=b");
    for presented in [
        "https://client.example/cb?a=b&",
        "https://client.example/cb?a=b#",
        "https://client.example/cb?%61=b",
        "https://client.example/%63b?a=b",
        "https://client.example/./cb?a=b",
        "https://client.example/x/..;/cb?a=b",
        "https://client.example//cb?a=b",
        "https://client.example./cb?a=b",
        "https://CLIENT.example/cb?a=b",
        "HTTPS://client.example/cb?a=b",
        "https://client.example:443/cb?a=b",
        "https://client.example@evil.example/cb?a=b",
        "https://client.example\\cb?a=b",
        "https://client.example/cb?a=b\n",
        "\thttps://client.example/cb?a=b",
        "https://client.example/cb",
        "",
    ] {
        assert!(!registered.matches(presented), "{presented}");
    }
}

#[test]
fn loopback_and_private_schemes_are_told_apart() {
    for uri in [
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://localhost/",
        "https://localhost/",
        "https://app.localhost/",
        "https://127.9.9.9/",
        "https://0.0.0.0/",
        "https://[::1]/",
        "https://[::ffff:7f00:1]/",
    ] {
        assert!(web(uri).is_loopback() && !web(uri).is_private_scheme(), "{uri}");
    }
    for uri in
        ["https://client.example/", "https://192.0.2.1/", "https://[2001:db8::1]/", "https://notlocalhost/"]
    {
        assert!(!web(uri).is_loopback() && !web(uri).is_private_scheme(), "{uri}");
    }
    for uri in ["com.example.app:/", "com.example.app://localhost/"] {
        assert!(!web(uri).is_loopback() && web(uri).is_private_scheme(), "{uri}");
    }
}

#[test]
fn the_origin_is_a_source_that_form_action_can_name() {
    for (uri, origin) in [
        ("https://client.example/cb?a=/b", "https://client.example"),
        ("https://client.example:8443?a", "https://client.example:8443"),
        ("http://127.0.0.1:51004/cb", "http://127.0.0.1:51004"),
        ("http://[::1]:51004/cb", "http:"),
        ("https://[2001:db8::1]/cb", "https:"),
        ("com.example.app:/cb", "com.example.app:"),
        ("com.example.app://host/cb", "com.example.app:"),
    ] {
        assert_eq!(web(uri).origin(), origin);
    }
    let matched = web("http://127.0.0.1/cb").accept("http://127.0.0.1:51004/cb").unwrap();
    assert_eq!(matched.origin(), "http://127.0.0.1:51004");
}

#[test]
fn a_response_goes_to_the_presented_uri_and_keeps_its_query() {
    for (uri, query, fragment) in [
        ("https://c.example", "https://c.example?code=a+b%26&iss=x", "https://c.example#code=a+b%26&iss=x"),
        (
            "https://c.example/?",
            "https://c.example/?code=a+b%26&iss=x",
            "https://c.example/?#code=a+b%26&iss=x",
        ),
        (
            "https://c.example/?t=1",
            "https://c.example/?t=1&code=a+b%26&iss=x",
            "https://c.example/?t=1#code=a+b%26&iss=x",
        ),
        (
            "https://c.example/?t&",
            "https://c.example/?t&code=a+b%26&iss=x",
            "https://c.example/?t&#code=a+b%26&iss=x",
        ),
        (
            "com.example.app:/cb",
            "com.example.app:/cb?code=a+b%26&iss=x",
            "com.example.app:/cb#code=a+b%26&iss=x",
        ),
    ] {
        let matched = web(uri).accept(uri).unwrap();
        let response = [("code", "a b&"), ("iss", "x")];
        assert_eq!(matched.with_query(response), query);
        assert_eq!(matched.with_fragment(response), fragment);
    }
    let matched = native("http://localhost/cb").accept("http://localhost:51004/cb").unwrap();
    assert_eq!(matched.with_query([("code", "x")]), "http://localhost:51004/cb?code=x");
}

#[test]
fn a_response_without_parameters_leaves_the_uri_alone() {
    let matched = web("https://client.example/cb").as_registered();
    assert_eq!(matched.with_query::<&str, &str>([]), "https://client.example/cb");
    assert_eq!(matched.with_fragment::<&str, &str>([]), "https://client.example/cb");
}

#[test]
fn a_stored_uri_keeps_what_decides_its_matches() {
    let dotless = SchemePolicy::default().allow("cursor").unwrap();
    for registered in [
        web("https://client.example/cb"),
        web("http://localhost/cb"),
        native("http://localhost/cb"),
        native("com.example.app:/cb"),
        RedirectUri::parse_with("cursor://x/cb", Native, &dotless).unwrap(),
    ] {
        let json = serde_json::to_string(&registered).unwrap();
        assert_eq!(serde_json::from_str::<RedirectUri>(&json).unwrap(), registered, "{json}");
    }
    assert_eq!(
        serde_json::to_string(&native("http://[::1]/cb")).unwrap(),
        r#"{"uri":"http://[::1]/cb","application_type":"native"}"#
    );
}

#[test]
fn a_stored_uri_is_checked_again_when_it_is_read() {
    for stored in [
        r#"{"uri":"http://client.example/cb"}"#,
        r#"{"uri":"javascript:/x","dotless_scheme":true}"#,
        r#"{"uri":"cursor://x/cb"}"#,
        r##"{"uri":"https://client.example/#"}"##,
        r#"{"uri":"https://client.example/","application_type":"Native"}"#,
        r#""https://client.example/""#,
    ] {
        assert!(serde_json::from_str::<RedirectUri>(stored).is_err(), "{stored}");
    }
    let defaulted: RedirectUri = serde_json::from_str(r#"{"uri":"http://localhost/"}"#).unwrap();
    assert_eq!(defaulted.application_type(), Web);
}

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
