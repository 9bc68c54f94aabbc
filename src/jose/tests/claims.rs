//! Claims are read by type.

use super::*;

const DAY: u64 = 86_400;

#[test]
fn a_date_is_a_number_from_zero_to_below_two_to_the_53() {
    let accepted = [
        ("0", 0, 0),
        ("1", 1, 1),
        ("1300819380", 1_300_819_380, 1_300_819_380),
        ("1300819380.0", 1_300_819_380, 1_300_819_380),
        ("1300819380.25", 1_300_819_380, 1_300_819_381),
        ("1.3e9", 1_300_000_000, 1_300_000_000),
        ("9007199254740991", 9_007_199_254_740_991, 9_007_199_254_740_991),
    ];
    for (text, floor, ceil) in accepted {
        let claims = claims(&format!(r#"{{"exp":{text}}}"#)).unwrap();
        let date = claims.required_date("exp").unwrap();
        assert_eq!((date.floor(), date.ceil()), (floor, ceil), "{text}");
    }
    let refused = [
        "\"1300819380\"",
        "\"\"",
        "\"NaN\"",
        "true",
        "false",
        "null",
        "[]",
        "[1300819380]",
        "{}",
        "-1",
        "-0",
        "-0.5",
        "-1e300",
        "9007199254740992",
        "9007199254740992.0",
        "1e300",
        "18446744073709551616",
    ];
    for text in refused {
        let claims = claims(&format!(r#"{{"exp":{text},"nbf":{text},"iat":{text}}}"#)).unwrap();
        for name in ["exp", "nbf", "iat"] {
            assert_eq!(claims.date(name), Err(JoseError::ClaimInvalid(name)), "{text}");
            assert_eq!(claims.required_date(name), Err(JoseError::ClaimInvalid(name)), "{text}");
        }
    }
    for text in ["NaN", "Infinity", "1e400", "0x10", "01"] {
        assert!(claims(&format!(r#"{{"exp":{text}}}"#)).is_err(), "{text}");
    }
}

#[test]
fn a_date_of_the_wrong_type_is_never_taken_for_an_absent_one() {
    for name in ["exp", "nbf", "iat"] {
        let mut members = serde_json::json!({ "exp": 10 * DAY });
        members[name] = "soon".into();
        let claims = claims(&members.to_string()).unwrap();
        assert_eq!(claims.check_times(0, Leeway::NONE), Err(JoseError::ClaimInvalid(name)));
        assert_eq!(claims.check_times_present(0, Leeway::NONE), Err(JoseError::ClaimInvalid(name)));
    }
}

#[test]
fn a_token_without_exp_is_refused_unless_its_kind_may_lack_it() {
    let claims = claims(r#"{"iat":5}"#).unwrap();
    assert_eq!(claims.check_times(5, Leeway::NONE), Err(JoseError::ClaimMissing("exp")));
    assert_eq!(claims.check_times_present(5, Leeway::NONE).unwrap().exp, None);
}

#[test]
fn times_are_judged_to_the_second_and_within_the_leeway() {
    let leeway = Leeway { ahead: 10, behind: 60 };
    let table = [
        (r#"{"exp":1000}"#, 999, Leeway::NONE, None),
        (r#"{"exp":1000}"#, 1000, Leeway::NONE, Some(JoseError::Expired)),
        (r#"{"exp":1000}"#, 1059, leeway, None),
        (r#"{"exp":1000}"#, 1060, leeway, Some(JoseError::Expired)),
        (r#"{"exp":1000.9}"#, 1000, Leeway::NONE, Some(JoseError::Expired)),
        (r#"{"exp":9000,"nbf":1000}"#, 999, Leeway::NONE, Some(JoseError::NotYetValid)),
        (r#"{"exp":9000,"nbf":1000}"#, 990, leeway, None),
        (r#"{"exp":9000,"nbf":1000}"#, 989, leeway, Some(JoseError::NotYetValid)),
        (r#"{"exp":9000,"nbf":999.1}"#, 999, Leeway::NONE, Some(JoseError::NotYetValid)),
        (r#"{"exp":9000,"iat":1000}"#, 1000, Leeway::NONE, None),
        (r#"{"exp":9000,"iat":999.1}"#, 999, Leeway::NONE, Some(JoseError::IssuedInTheFuture)),
        (r#"{"exp":9000,"iat":1011}"#, 1000, leeway, Some(JoseError::IssuedInTheFuture)),
        (r#"{"exp":9007199254740991}"#, u64::MAX, leeway, Some(JoseError::Expired)),
        (r#"{"exp":0}"#, u64::MAX - 1, Leeway { ahead: u64::MAX, behind: u64::MAX }, None),
    ];
    for (payload, now, leeway, refusal) in table {
        let outcome = claims(payload).unwrap().check_times(now, leeway);
        assert_eq!(outcome.err(), refusal, "{payload} at {now}");
    }
}

#[test]
fn an_audience_is_a_string_or_an_array_of_strings() {
    let one = claims(r#"{"aud":"https://as"}"#).unwrap();
    let aud = one.required_audience().unwrap();
    assert!(aud.contains("https://as") && aud.is_only("https://as"));
    assert!(!aud.contains("https://a") && !aud.contains("https://as/") && !aud.contains(""));
    assert_eq!(aud, Audience::One("https://as"));
    assert_eq!(aud.recipients(), ["https://as"]);

    let many = claims(r#"{"aud":["https://as","other"]}"#).unwrap();
    let aud = many.required_audience().unwrap();
    assert!(aud.contains("other") && !aud.is_only("other") && !aud.contains("othe"));
    assert_eq!(aud.recipients(), ["https://as", "other"]);
    let single = claims(r#"{"aud":["https://as"]}"#).unwrap();
    assert!(single.required_audience().unwrap().is_only("https://as"));

    for text in ["null", "1", "true", "{}", "[]", "[1]", "[\"a\",null]", "[[\"a\"]]"] {
        let claims = claims(&format!(r#"{{"aud":{text}}}"#)).unwrap();
        assert_eq!(claims.audience(), Err(JoseError::ClaimInvalid("aud")), "{text}");
    }
    assert_eq!(claims("{}").unwrap().required_audience(), Err(JoseError::ClaimMissing("aud")));
}

#[test]
fn every_reader_refuses_every_other_type() {
    let values = ["\"s\"", "true", "7", "[\"a\"]", "{\"a\":1}", "null"];
    for (index, text) in values.into_iter().enumerate() {
        let claims = claims(&format!(r#"{{"c":{text}}}"#)).unwrap();
        let read = [
            claims.string("c").is_ok(),
            claims.boolean("c").is_ok(),
            claims.date("c").is_ok(),
            claims.strings("c").is_ok(),
            claims.object("c").is_ok(),
        ];
        for (reader, ok) in read.into_iter().enumerate() {
            assert_eq!(ok, reader == index, "{text} by reader {reader}");
        }
    }
    let claims = claims("{}").unwrap();
    assert_eq!(
        (claims.string("c"), claims.boolean("c"), claims.strings("c")),
        (Ok(None), Ok(None), Ok(None))
    );
    assert_eq!(claims.required_string("c"), Err(JoseError::ClaimMissing("c")));
}

#[test]
fn claims_are_not_printed() {
    let claims = claims(r#"{"sub":"alice@example.com","exp":1}"#).unwrap();
    assert_eq!(format!("{claims:?}"), r#"Claims{"exp", "sub"}"#);
}
