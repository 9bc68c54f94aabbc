//! The published examples: RFC 7515 A.2 and A.3, RFC 7638 §3.1, RFC 8037 Appendix A.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};

use super::*;

const PAYLOAD: &str = concat!(
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt",
    "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
);

const RSA_N: &str = concat!(
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddx",
    "HmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs",
    "D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSH",
    "SXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV",
    "MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8",
    "NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
);

const RSA_SIGNATURE: &str = concat!(
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7",
    "AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4",
    "BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K",
    "0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv",
    "hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrB",
    "p0igcN_IoypGlUPQGe77Rw"
);

const EC_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const EC_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const EC_D: &str = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";
const EC_SIGNATURE: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

const ED_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const ED_D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

fn check(token: &str, jwk: &str, alg: Algorithm) {
    let key = VerifyingKey::new(&Jwk::parse(jwk.as_bytes()).unwrap()).unwrap();
    let algorithms = [alg];
    let accepted = Verification::new(&[], &algorithms).or_untyped();
    let verified = Unverified::parse(token).unwrap().verify(&key, &accepted).unwrap();
    assert_eq!(verified.claims().required_string("iss"), Ok("joe"));
    assert_eq!(verified.claims().required_date("exp").unwrap().floor(), 1_300_819_380);
    assert_eq!(verified.claims().boolean("http://example.com/is_root"), Ok(Some(true)));
}

#[test]
fn the_rs256_example_of_rfc_7515_verifies() {
    let jwk = format!(r#"{{"kty":"RSA","n":"{RSA_N}","e":"AQAB"}}"#);
    check(&format!("eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}.{RSA_SIGNATURE}"), &jwk, Algorithm::Rs256);
}

#[test]
fn the_es256_example_of_rfc_7515_verifies() {
    let jwk = format!(r#"{{"kty":"EC","crv":"P-256","x":"{EC_X}","y":"{EC_Y}"}}"#);
    check(&format!("eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}.{EC_SIGNATURE}"), &jwk, Algorithm::Es256);
}

#[test]
fn the_signing_input_is_that_of_rfc_7515() {
    let payload = base64url::decode(PAYLOAD).unwrap();
    let input = signing_input(&Header::new(Algorithm::Rs256), &payload);
    assert_eq!(input, format!("eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}"));
    let signature = base64url::decode(RSA_SIGNATURE).unwrap();
    let token = attach(input, &signature);
    assert_eq!(token, format!("eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}.{RSA_SIGNATURE}"));
}

#[test]
fn the_private_key_of_the_es256_example_signs_for_its_public_key() {
    let [d, x, y] = [EC_D, EC_X, EC_Y].map(|text| base64url::decode(text).unwrap());
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    let pair =
        EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &d, &point).unwrap();
    let key = SigningKey::from_pkcs8_der(Algorithm::Es256, pair.to_pkcs8v1().unwrap().as_ref()).unwrap();
    let signature = key.sign(b"message").unwrap();
    let jwk = format!(r#"{{"kty":"EC","crv":"P-256","x":"{EC_X}","y":"{EC_Y}"}}"#);
    let public = VerifyingKey::new(&Jwk::parse(jwk.as_bytes()).unwrap()).unwrap();
    assert_eq!(public.verify(Algorithm::Es256, b"message", &signature), Ok(()));
}

#[test]
fn the_thumbprint_is_that_of_rfc_7638() {
    let n = concat!(
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAt",
        "VT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn6",
        "4tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FD",
        "W2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n9",
        "1CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINH",
        "aQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    );
    let jwk = format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB","alg":"RS256","kid":"2011-04-29"}}"#);
    let jwk = Jwk::parse(jwk.as_bytes()).unwrap();
    assert_eq!(jwk.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!((jwk.kid(), jwk.alg()), (Some("2011-04-29"), Some(Algorithm::Rs256)));
}

#[test]
fn the_ed25519_examples_of_rfc_8037_hold() {
    let jwk = Jwk::parse(format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{ED_X}"}}"#).as_bytes()).unwrap();
    assert_eq!(jwk.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");

    let token = concat!(
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCj",
        "P0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_Mu",
        "M0KAg"
    );
    let [seed, x] = [ED_D, ED_X].map(|text| base64url::decode(text).unwrap());
    let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &x).unwrap();
    let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let key = SigningKey::from_pkcs8_der(Algorithm::EdDsa, der.as_ref()).unwrap();
    assert_eq!(key.kid(), jwk.thumbprint());
    let input = signing_input(&Header::new(Algorithm::EdDsa), b"Example of Ed25519 signing");
    let signature = key.sign(input.as_bytes()).unwrap();
    assert_eq!(attach(input.clone(), &signature), token);

    let public = VerifyingKey::new(&jwk).unwrap();
    for name in [Algorithm::EdDsa, Algorithm::Ed25519] {
        assert_eq!(public.verify(name, input.as_bytes(), &signature), Ok(()));
    }
    let accepted = Verification::new(&[], &[Algorithm::EdDsa]).or_untyped();
    let refused = Unverified::parse(token).unwrap().verify(&public, &accepted);
    assert_eq!(refused.err(), Some(JoseError::Json(json::JsonError::Malformed)));
}
