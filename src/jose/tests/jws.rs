//! Taking tokens apart: what is refused before any key is looked at.

use std::time::Instant;

use proptest::prelude::*;

use super::*;

fn refusal(token: &str) -> Option<JoseError> {
    Unverified::parse(token).err()
}

fn header_refusal(header: &str) -> Option<JoseError> {
    refusal(&signed_raw(header, "{}"))
}

#[test]
fn a_header_shows_its_names_and_nothing_of_the_claims() {
    let token = signed_raw(r#"{"alg":"ES256","typ":"at+jwt","kid":"k1","cty":"x"}"#, r#"{"sub":"alice"}"#);
    let unverified = Unverified::parse(&token).unwrap();
    let header = unverified.header();
    assert_eq!((header.alg(), header.typ(), header.kid()), (Algorithm::Es256, Some("at+jwt"), Some("k1")));
    assert!(!format!("{unverified:?}").contains("alice"));
}

#[test]
fn a_token_with_a_jwk_header_is_refused() {
    let jwk = serde_json::to_string(&key(Algorithm::Es256).public()).unwrap();
    let refused = header_refusal(&format!(r#"{{"alg":"ES256","typ":"JWT","jwk":{jwk}}}"#));
    assert_eq!(refused, Some(JoseError::HeaderRefused("jwk")));
}

#[test]
fn a_token_that_brings_its_key_by_url_or_certificate_is_refused() {
    for (name, value) in
        [("jku", "\"https://evil.example\""), ("x5u", "\"https://evil.example\""), ("x5c", "[]")]
    {
        let refused = header_refusal(&format!(r#"{{"alg":"ES256","{name}":{value}}}"#));
        assert_eq!(refused, Some(JoseError::HeaderRefused(name)));
    }
}

#[test]
fn extensions_and_unencoded_payloads_are_refused() {
    for crit in [r#"["exp"]"#, "[]", r#"["b64"]"#, r#"["alg","alg"]"#, "null", "{}", "1"] {
        let refused = header_refusal(&format!(r#"{{"alg":"ES256","crit":{crit}}}"#));
        assert_eq!(refused, Some(JoseError::HeaderRefused("crit")), "{crit}");
    }
    for b64 in ["false", "true", "null"] {
        let refused = header_refusal(&format!(r#"{{"alg":"ES256","b64":{b64}}}"#));
        assert_eq!(refused, Some(JoseError::HeaderRefused("b64")));
    }
    let refused = header_refusal(r#"{"alg":"ES256","enc":"A256GCM"}"#);
    assert_eq!(refused, Some(JoseError::HeaderRefused("enc")));
}

#[test]
fn none_and_hmac_are_refused_in_any_spelling() {
    for alg in ["none", "None", "nOnE", "HS256", "HS384", "HS512", "es256", "", "RSA-OAEP", "dir"] {
        let token = signed_raw(&format!(r#"{{"alg":"{alg}"}}"#), "{}");
        assert_eq!(refusal(&token), Some(JoseError::UnsupportedAlgorithm), "{alg}");
        let (input, _) = token.rsplit_once('.').unwrap();
        assert_eq!(refusal(&format!("{input}.")), Some(JoseError::UnsupportedAlgorithm), "{alg}");
    }
}

#[test]
fn a_header_is_a_strict_json_object_with_string_names() {
    assert_eq!(header_refusal(r#"{"typ":"JWT"}"#), Some(JoseError::HeaderInvalid("alg")));
    for name in ["alg", "typ", "kid"] {
        for value in ["1", "null", "true", "[]", "{}", "[\"ES256\"]"] {
            let rest = if name == "alg" { "" } else { r#""alg":"ES256","# };
            let refused = header_refusal(&format!(r#"{{{rest}"{name}":{value}}}"#));
            assert_eq!(refused, Some(JoseError::HeaderInvalid(name)), "{name} {value}");
        }
    }
    for header in ["[]", "\"ES256\"", "null", "1"] {
        assert_eq!(header_refusal(header), Some(JoseError::NotAnObject));
    }
    let duplicate = header_refusal(r#"{"alg":"ES256","alg":"RS256"}"#);
    assert_eq!(duplicate, Some(json::JsonError::DuplicateKey.into()));
    let deep = format!(r#"{{"alg":"ES256","x":{}{}}}"#, "[".repeat(16), "]".repeat(16));
    assert_eq!(header_refusal(&deep), Some(json::JsonError::TooDeep.into()));
    assert_eq!(header_refusal("{}{}"), Some(json::JsonError::TrailingData.into()));
    assert_eq!(header_refusal(""), Some(json::JsonError::Malformed.into()));
}

#[test]
fn a_token_has_exactly_three_parts() {
    let token = signed_raw(r#"{"alg":"ES256"}"#, "{}");
    assert_eq!(refusal(&token), None);
    let (input, signature) = token.rsplit_once('.').unwrap();
    for bad in [
        String::new(),
        signature.to_owned(),
        input.to_owned(),
        format!("{token}."),
        format!("{token}.{signature}"),
        format!("{input}..{signature}"),
        format!("{token}.{signature}.{signature}"),
    ] {
        assert_eq!(refusal(&bad), Some(JoseError::NotCompact), "{bad}");
    }
    assert!(refusal(&format!(".{token}")).is_some());
    assert!(refusal("..").is_some());
}

#[test]
fn the_json_serialization_is_refused() {
    let token = signed_raw(r#"{"alg":"ES256"}"#, "{}");
    let parts: Vec<_> = token.split('.').collect();
    let flat =
        format!(r#"{{"protected":"{}","payload":"{}","signature":"{}"}}"#, parts[0], parts[1], parts[2]);
    assert_eq!(refusal(&flat), Some(JoseError::NotCompact));
    let polyglot = format!(r#"{{"  {token}":"","payload":"{}","signature":"{}"}}"#, parts[1], parts[2]);
    assert_eq!(refusal(&polyglot), Some(JoseError::Base64));
}

#[test]
fn whitespace_and_padding_are_refused_in_every_part() {
    let token = signed_raw(r#"{"alg":"ES256"}"#, "{}");
    for junk in ["=", " ", "\n", "\r\n", "\t", "\0", "é"] {
        for bad in [
            format!("{junk}{token}"),
            format!("{token}{junk}"),
            token.replace('.', &format!("{junk}.")),
            token.replace('.', &format!(".{junk}")),
        ] {
            assert_eq!(refusal(&bad), Some(JoseError::Base64), "{bad:?}");
        }
    }
}

#[test]
fn tokens_and_headers_past_their_limits_are_refused() {
    let sized = |pad: usize| signed_raw(r#"{"alg":"ES256"}"#, &format!(r#"{{"p":"{}"}}"#, "x".repeat(pad)));
    assert_eq!(refusal(&sized(12_000)), None);
    assert_eq!(refusal(&sized(12_300)), Some(JoseError::TokenTooLong));
    assert!(Unverified::parse_within(&sized(20_000), 32 * 1024).is_ok());
    let header = |len: usize| {
        let frame = r#"{"alg":"ES256","kid":""}"#.len();
        signed_raw(&format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(len - frame)), "{}")
    };
    assert_eq!(refusal(&header(MAX_HEADER_BYTES)), None);
    assert_eq!(refusal(&header(MAX_HEADER_BYTES + 1)), Some(JoseError::HeaderTooLong));
    assert_eq!(refusal(&header(MAX_HEADER_BYTES * 2)), Some(JoseError::HeaderTooLong));
}

#[test]
fn a_text_of_many_dots_costs_linear_time() {
    let dots = ".".repeat(64 << 20);
    assert_eq!(refusal(&dots), Some(JoseError::TokenTooLong));
    let start = Instant::now();
    assert_eq!(dots.bytes().filter(|byte| *byte == b'.').count(), dots.len());
    let one_pass = start.elapsed();
    let start = Instant::now();
    assert_eq!(Unverified::parse_within(&dots, usize::MAX).err(), Some(JoseError::NotCompact));
    assert!(start.elapsed() < one_pass * 100, "one pass takes {one_pass:?}");
}

#[test]
fn a_token_with_its_own_key_is_read_only_where_that_is_asked_for() {
    let jwk = key(Algorithm::Es256).public();
    let text = serde_json::to_string(&jwk).unwrap();
    let token = signed_raw(&format!(r#"{{"alg":"ES256","typ":"dpop+jwt","jwk":{text}}}"#), r#"{"jti":"1"}"#);
    let (unverified, own) = Unverified::parse_with_own_key(&token).unwrap();
    assert_eq!(own, jwk);
    let accepted = Verification::new(&["dpop+jwt"], &[Algorithm::Es256]);
    let verified = unverified.verify(&VerifyingKey::new(&own).unwrap(), &accepted).unwrap();
    assert_eq!(verified.claims().required_string("jti"), Ok("1"));

    let without = signed_raw(r#"{"alg":"ES256","typ":"dpop+jwt"}"#, "{}");
    let refused = Unverified::parse_with_own_key(&without).err();
    assert_eq!(refused, Some(JoseError::HeaderInvalid("jwk")));
    let private = text.replacen('{', r#"{"d":"AA","#, 1);
    let leaked = signed_raw(&format!(r#"{{"alg":"ES256","jwk":{private}}}"#), "{}");
    assert_eq!(Unverified::parse_with_own_key(&leaked).err(), Some(JoseError::PrivateMember));
    let jku = signed_raw(&format!(r#"{{"alg":"ES256","jwk":{text},"jku":"https://e"}}"#), "{}");
    assert_eq!(Unverified::parse_with_own_key(&jku).err(), Some(JoseError::HeaderRefused("jku")));
}

#[test]
fn a_header_is_written_so_that_it_reads_back() {
    let kid = "quote\" back\\slash \u{1f511} \n";
    let header = Header::new(Algorithm::Ps256).with_typ("at+jwt").with_kid(kid);
    let token = attach(signing_input(&header, b"{}"), b"signature");
    assert_eq!(Unverified::parse(&token).unwrap().header(), &header);
}

proptest! {
    #[test]
    fn taking_a_token_apart_never_panics(text in "\\PC{0,200}") {
        let _ = Unverified::parse(&text);
        let _ = Unverified::parse_with_own_key(&text);
    }

    #[test]
    fn taking_a_near_token_apart_never_panics(header in "[{}\\[\\]\":,a-z0-9]{0,40}", rest in "[A-Za-z0-9_.-]{0,60}") {
        let token = format!("{}.{rest}", base64url::encode(header.as_bytes()));
        let _ = Unverified::parse(&token);
    }

    #[test]
    fn a_non_canonical_last_character_is_refused_in_every_part(part in 0usize..3, pad in 0usize..3, junk in 1usize..16) {
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let header = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(pad));
        let token = signed_raw(&header, &format!(r#"{{"p":"{}"}}"#, "p".repeat(pad)));
        let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
        let free_bits = [0, 0, 4, 2][parts[part].len() % 4];
        let junk = junk % (1 << free_bits);
        if junk != 0 {
            let last = parts[part].pop().unwrap();
            let value = alphabet.find(last).unwrap() | junk;
            parts[part].push(alphabet.chars().nth(value).unwrap());
            prop_assert_eq!(refusal(&parts.join(".")), Some(JoseError::Base64));
        }
    }
}
