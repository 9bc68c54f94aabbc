//! What matches, where it leads, and what is stored.

use super::*;

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
