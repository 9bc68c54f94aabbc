//! What may be registered.

use super::*;

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
